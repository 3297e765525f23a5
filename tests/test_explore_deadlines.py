"""A simulated wait whose deadline comes first gives up, whatever its strategy, at little cost."""

from __future__ import annotations

import pytest

from cy_kernels import explore

DEADLINE_NS = 50_000
STEPS = 500  # an idle hour costs no more than an idle microsecond


@pytest.mark.parametrize("model", explore.MODELS)
@pytest.mark.parametrize("wait", explore.STRATEGIES)
@pytest.mark.parametrize("ring", ["flag_ring", "cursor_ring"])
def test_a_reader_gives_up_at_its_deadline_and_a_writer_at_its_own(
    ring: str, wait: str, model: str
) -> None:
    made = explore.Simulation(3, model=model)
    made.set_ring(ring, slots=1, slot_bytes=64, readers=2, sizes=(8,))
    # Reader 1 never comes to its second message, so the writer has no room for its third.
    made.set_writer(wait=wait, messages=3, deadline_ns=DEADLINE_NS, on_timeout="stop")
    made.set_reader(1, rank=0, wait=wait, think_ns=1 << 40)
    made.set_reader(2, rank=1, wait=wait, deadline_ns=DEADLINE_NS, on_timeout="stop")
    for seed in range(20):
        made.limit(steps=STEPS)
        made.begin(seed)
        made.start()
        assert made.go(20 * DEADLINE_NS) == "in_time"
        assert [made.state(index) for index in range(3)] == ["done", "napping", "done"]
