"""Anything at once: threads that arm and wait at random, disturbed and signalled, add up."""

from __future__ import annotations

import random
import signal

import pytest
from trapped import Shared, outcome

from cy_kernels import trap

WHY_NOT = trap.refusal()
if WHY_NOT is not None:
    pytest.skip(WHY_NOT, allow_module_level=True)

ROUNDS = 400
THREADS = 3

# Every wait is bounded by 2000 cycles or by a limit, but those whose line was stored to.
WAITER = """
import random, signal, threading
signal.signal(signal.SIGUSR2, lambda *_: None)
trap.limit(shared.block, 2000)

def at_random(seed):
    rolls = random.Random(seed)
    for _ in range({rounds}):
        address = line + rolls.randrange(4096 - 64)
        far = rolls.choice((0, 2**64 - 1, code.tsc() + 2000))
        arm = rolls.choice((code.umonitor, code.monitorx, code.umonitor, lambda _: None))
        arm(address)
        if rolls.random() < 0.5:
            shared.store(rolls.getrandbits(64), rolls.randrange(512) * 8)
        act = rolls.randrange(4)
        if act == 0:
            code.umwait(far, rolls.choice((0, 1, 2, 2**32 - 1)))
        elif act == 1:
            code.tpause(far, rolls.randrange(2))
        else:
            extensions = 2 | rolls.choice((0, 1, 2**31))
            code.mwaitx(rolls.randrange(1, 2000), extensions, rolls.getrandbits(32))

threads = [threading.Thread(target=at_random, args=(seed,)) for seed in range({threads})]
print("begun", flush=True)
shared.await_state(lambda state: state["disturbance"] != "calm")  # or they were over by then
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
os._exit(0)  # an interpreter that ends in order takes its handlers back first
"""


def test_random_waits_under_every_disturbance_end_and_add_up() -> None:
    shared = Shared()
    child = shared.child(WAITER.format(rounds=ROUNDS, threads=THREADS))
    rolls = random.Random(11)
    assert child.stdout is not None and child.stdout.readline() == "begun\n"
    trap.disturb(shared.block, "raced_wait", cycles=2**62)
    shared.await_state(lambda state: state["held"] > 0)
    changes = 0
    while child.poll() is None:
        how = rolls.choice(trap.DISTURBANCES)
        trap.disturb(
            shared.block, how, every=rolls.randrange(1, 4), cycles=rolls.randrange(1, 5000)
        )
        trap.limit(shared.block, rolls.choice((1, 500, 2000)))
        shared.store(rolls.getrandbits(64), rolls.randrange(512) * 8)
        if rolls.random() < 0.3:
            trap.grant(shared.block)
        if rolls.random() < 0.1:
            child.send_signal(signal.SIGUSR2)
        if rolls.random() < 0.3:
            trap.calm(shared.block)
        changes += 1
    assert outcome(child)[0] == 0
    state = shared.state()
    seen = {name: each["emulated"] for name, each in state["instructions"].items()}
    waits = seen["umwait"] + seen["tpause"] + seen["mwaitx"]
    assert waits == ROUNDS * THREADS
    assert seen["umonitor"] + seen["monitorx"] == state["armings"]
    assert sum(state["ended"].values()) == waits
    assert state["waits"] == waits - state["ended"]["unarmed"]
    assert (state["waiting"], state["held"], state["handed_on"]) == (0, 0, 0)
    assert all(state["struck"][name] <= count for name, count in state["disturbed"].items())
    assert changes > 0 and sum(state["disturbed"].values()) > 0
