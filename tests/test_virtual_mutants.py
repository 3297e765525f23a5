"""Every planted bug is found in simulated executions, on the models that its table names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest

from cy_kernels import explore
from sim.virtual.schedulers import parse

PROTOCOL = Path(__file__).resolve().parents[1] / "cy_kernels" / "protocol"
TABLE_LINE = re.compile(r"^#   ([a-z-]+) .*  (every model|TSO, PSO, RA|PSO, RA; not TSO)$", re.M)
SHOWN_BY = {
    "every model": {"sc", "tso", "pso", "ra"},
    "TSO, PSO, RA": {"tso", "pso", "ra"},
    "PSO, RA; not TSO": {"pso", "ra"},
}
FILES = {"flag_mutants.pxi": "flag_ring", "park_mutants.pxi": "cursor_ring"}
MODELS = ("sc", "tso", "pso", "ra")
EXECUTIONS = 20_000  # the slowest to be found here takes a few hundred


def table() -> dict[str, tuple[str, set[str]]]:
    """Mutant -> the ring it is shown on here, and the models that show it, as the sources say."""
    found = {}
    for file, ring in FILES.items():
        for name, models in TABLE_LINE.findall((PROTOCOL / file).read_text(encoding="utf-8")):
            found[name] = (ring, SHOWN_BY[models])
    return found


def simulation(ring: str, model: str, mutant: Optional[str], **options: Any) -> Any:
    """Two readers, more messages than slots: both sides come to wait for each other."""
    slots = 2 if mutant == "step-over-not-ready" else 1  # there is a slot to step over to
    made = explore.Simulation(3, model=model)
    made.set_ring(
        ring, slots=slots, slot_bytes=64, readers=2, sizes=(16,), mutant=mutant, **options
    )
    made.set_writer(messages=3)
    for rank in range(2):
        made.set_reader(1 + rank, rank=rank)
    return made


def raising(made: Any, seed: int) -> str:
    """One execution in which reader 1 raises in the middle of its second message."""
    made.begin(seed)
    made.hold_after(1, 1)
    made.start()
    stop = made.go()
    if stop == "reached":
        made.raise_in_read(1)
        made.release(1)
        stop = made.go()
    return str(stop)


def found_in(made: Any, mutant: Optional[str], executions: int) -> Optional[int]:
    """Executions until one was stuck or an oracle objected; None: all ended well."""
    if mutant == "no-release-on-raise":
        for seed in range(executions):
            if raising(made, seed) != "ended":
                return seed + 1
        return None
    done, _ = made.execute_many(1, executions)
    return None if made.stop == "ended" else done


def cases() -> Iterator[tuple[str, str, bool]]:
    for mutant, (_, models) in table().items():
        for model in MODELS:
            yield mutant, model, model in models


def test_the_tables_know_every_mutant() -> None:
    assert set(table()) == set(explore.MUTANTS)


@pytest.mark.parametrize(("mutant", "model", "is_shown"), list(cases()))
def test_a_mutant_is_found_on_the_models_that_show_it_and_silent_on_the_others(
    mutant: str, model: str, is_shown: bool
) -> None:
    made = simulation(table()[mutant][0], model, mutant)
    parse("pos").choose(made)
    assert (found_in(made, mutant, EXECUTIONS) is not None) == is_shown
    if is_shown:
        lost_wake = mutant in explore.MUTANTS[explore.MUTANTS.index("event-after-parked") :]
        assert made.stop == ("stuck" if lost_wake else made.stop)


@pytest.mark.parametrize("mutant", ["event-after-parked", "no-recheck", "no-waker-fence"])
def test_a_lost_wake_up_is_found_on_flag_ring_too(mutant: str) -> None:
    made = simulation("flag_ring", "tso", mutant)
    parse("pos").choose(made)
    assert found_in(made, mutant, EXECUTIONS) is not None
    assert made.stop == "stuck"


def test_a_lost_wake_up_leaves_somebody_parked_whom_nobody_will_wake() -> None:
    made = simulation("cursor_ring", "sc", "event-after-parked")
    parse("pos").choose(made)
    assert found_in(made, "event-after-parked", EXECUTIONS) is not None
    assert "parked" in [made.state(index) for index in range(3)]
    assert {made.state(index) for index in range(3)} <= {"parked", "done"}


@pytest.mark.parametrize("ring", ["cursor_ring", "flag_ring"])
@pytest.mark.parametrize("model", explore.MODELS)
def test_without_a_mutant_the_same_executions_end_well(ring: str, model: str) -> None:
    for name in ("random", "pct:3", "pos", "delay:3"):
        made = simulation(ring, model, None)

        parse(name).choose(made, expected_choices=200)
        assert found_in(made, None, EXECUTIONS) is None
        assert all(raising(made, seed) == "ended" for seed in range(200))


@pytest.mark.parametrize(("model", "tears"), [("sc", 0), ("tso", 0), ("pso", 1), ("ra", 1)])
def test_flag_ring_as_shipped_tears_where_stores_are_reordered(model: str, tears: bool) -> None:
    made = simulation("flag_ring", model, None, is_fenced=False)
    parse("random").choose(made)
    assert (found_in(made, None, EXECUTIONS) is not None) == tears
    assert not tears or made.finding[0] in ("torn", "wrong-length", "wrong-message", "race")
