"""The parts of a cluster's model: work that is stopped, rings, links, draws, detectors."""

from __future__ import annotations

from typing import Any, List, Tuple

import pytest

simpy = pytest.importorskip("simpy")

from sim.cluster import costs  # noqa: E402
from sim.cluster.body import Body, Host  # noqa: E402
from sim.cluster.detection import Chen, Phi, together  # noqa: E402
from sim.cluster.draws import draws  # noqa: E402
from sim.cluster.link import Link, next_try_ns  # noqa: E402
from sim.cluster.ring import Ring  # noqa: E402
from sim.scenario.cluster_plan import LinkPlan, PolicyPlan, Spread  # noqa: E402
from sim.scenario.planning import Dice  # noqa: E402

MS = 1_000_000
CONSTANT = Spread("constant", (MS,))
POLICY = PolicyPlan("phi", "report", 0, 100 * MS, 3, 50 * MS, 8.0, 10)


class Reader:
    def __init__(self) -> None:
        self.position = 0
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        ([], 10),
        ([(2, 5)], 13),  # ends before the work would have
        ([(2, 30)], 38),  # 2 of 10 are done, 8 are left
        ([(2, 5), (7, 9)], 15),
        ([(0, 4), (12, 20)], 22),
        ([(10, 20)], 20),
        ([(11, 20)], 10),
    ],
)
def test_time_in_which_a_process_is_stopped_is_no_work(
    stops: List[Tuple[int, int]], expected: int
) -> None:
    env = simpy.Environment()
    body = Body(env, Host())
    done: List[int] = []
    for begin, end in stops:
        env.timeout(begin).callbacks.append(lambda _: body.stop())
        env.timeout(end).callbacks.append(lambda _: body.go_on())
    body.work(10, lambda: done.append(env.now))
    env.run()
    assert done == [expected]


def test_the_dead_never_finish_and_the_slow_take_longer() -> None:
    env = simpy.Environment()
    host = Host()
    dead, slow = Body(env, host), Body(env, host)
    done: List[int] = []
    dead.work(10, lambda: done.append(-1))
    env.timeout(3).callbacks.append(lambda _: dead.die())
    host.factor, slow.per_op_ns = 2.0, 5
    slow.work(10, lambda: done.append(env.now))
    env.run()
    assert done == [25]


def test_a_slot_is_free_when_the_slowest_reader_is_past_it() -> None:
    ring, readers, told = Ring(2), [Reader(), Reader()], []
    ring.readers.extend(readers)
    ring.park(readers[0])
    for number in (7, 8):
        ring.put(number)
    assert (readers[0].woken, readers[1].woken, ring.has_space, ring.depth) == (1, 0, False, 2)
    ring.wait_for_space(lambda: told.append(ring.depth))
    readers[0].position = 1
    ring.released(0)
    assert not told and ring.number_at(1) == 8
    readers[1].position = 1
    ring.released(0)
    assert told == [1] and ring.has_space


def test_who_is_dropped_from_a_ring_holds_nobody_up() -> None:
    ring, readers = Ring(1), [Reader(), Reader()]
    ring.readers.extend(readers)
    ring.put(0)
    readers[0].position = 1
    ring.released(0)
    assert not ring.has_space
    ring.drop(readers[1])
    assert ring.has_space


def link(kind: str, latencies: List[int], **changes: Any) -> Tuple[Any, Link, List[Any]]:
    env = simpy.Environment()
    there: List[Any] = []
    plan = LinkPlan(kind, CONSTANT, changes.get("loss", 0.0), 0.0, 1e9, 10, "drop")
    chances = iter(changes.get("chances", ()))
    made = Link(env, plan, latency=iter(latencies).__next__, chance=lambda: next(chances),
                arrive=lambda message: there.append((message, env.now)))  # fmt: skip
    return env, made, there


def test_nothing_overtakes_over_tcp_and_a_datagram_may() -> None:
    for kind, expected in (
        ("tcp", [("a", 100), ("b", 100)]),
        ("datagram", [("b", 5), ("a", 100)]),
    ):
        env, made, there = link(kind, [100, 5])
        made.send("a", 0)
        made.send("b", 0)
        env.run()
        assert there == expected


def test_what_tcp_loses_comes_200_and_then_400_ms_later_and_a_datagram_never() -> None:
    env, made, there = link("tcp", [7], loss=0.5, chances=(0.1, 0.2, 0.9))
    made.send("a", 0)
    env.run()
    assert there == [("a", 600 * MS + 7)]
    env, made, there = link("datagram", [7], loss=0.5, chances=(0.1,))
    made.send("a", 0)
    env.run()
    assert (there, made.lost) == ([], 1)


def test_bytes_take_their_time_one_message_after_the_other() -> None:
    env, made, there = link("tcp", [0, 0])
    made.send("a", 1000)
    made.send("b", 1000)  # at a byte a nanosecond
    env.run()
    assert there == [("a", 1000), ("b", 2000)]


def test_retransmissions_double_up_to_two_minutes() -> None:
    assert next_try_ns(0, 1) == 200 * MS
    assert next_try_ns(0, 5_000 * MS) == 6_200 * MS
    late = next_try_ns(0, 3600 * 1000 * MS)
    assert 0 < late - 3600 * 1000 * MS <= costs.RTO_MAX_NS


@pytest.mark.parametrize(
    ("spread", "median_ns", "p99_ns"),
    [
        (Spread("constant", (5 * MS,)), 5 * MS, 5 * MS),
        (Spread("uniform", (0, 10 * MS)), 5 * MS, 9.9 * MS),
        (Spread("lognormal", (10 * MS, 20 * MS)), 10 * MS, 20 * MS),
        (Spread("quantiles", (0, 2 * MS, 100 * MS)), 2 * MS, 98 * MS),
    ],
)
def test_draws_are_of_their_distribution(spread: Spread, median_ns: int, p99_ns: int) -> None:
    draw = draws(spread, Dice(0, "x", "y"))
    drawn = sorted(draw() for _ in range(20_000))
    assert drawn[10_000] == pytest.approx(median_ns, rel=0.05, abs=1)
    assert drawn[19_800] == pytest.approx(p99_ns, rel=0.05, abs=1)


def test_chen_expects_the_next_heartbeat_where_the_mean_puts_it() -> None:
    chen = Chen(POLICY)
    bounds = [chen.arrived(at * MS) for at in (0, 100, 200, 340, 400)]
    # Of 0, 0, 0, 40, 0 late: on the mean 8, and the last one was in time.
    assert bounds[2] == 150 * MS and bounds[4] == 158 * MS


def test_phi_suspects_later_where_heartbeats_come_less_evenly() -> None:
    even, uneven = Phi(POLICY), Phi(POLICY)
    for index in range(10):
        even_ns = even.arrived(100 * MS * index)
        uneven_ns = uneven.arrived(100 * MS * index + 30 * MS * (index % 2))
    # 1 - F = 10^-8 is 5.612 deviations, of 5 ms at the least.
    assert even_ns == pytest.approx((100 + 5.612 * 5) * MS, rel=1e-3)
    assert uneven_ns > even_ns + 100 * MS


def test_all_readers_of_a_host_are_the_host() -> None:
    assert together([0, 4, 5, 6, 7, 9], 4) == ["host[0].reader[0]", "host[1]", "host[2].reader[1]"]
    assert together([3], 1) == ["host[3].reader[0]"]
