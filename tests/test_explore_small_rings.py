"""Small rings, searched exhaustively on every model: the sound ones are, the mutants are found."""

from __future__ import annotations

from typing import Any

import pytest

from cy_kernels import explore

RINGS = ("flag_ring", "cursor_ring")
BUFFERED = ("sc", "tso", "pso")


def small_ring(
    kind: str,
    model: str,
    *,
    readers: int = 1,
    slots: int = 1,
    messages: int = 2,
    wait: str = "busy_spin",
    patience: int = 0,
    **ring: Any,
) -> Any:
    made = explore.Simulation(1 + readers, model=model)
    made.set_ring(kind, slots=slots, slot_bytes=32, readers=readers, sizes=(8,), **ring)
    made.set_writer(messages=messages, wait=wait)
    for rank in range(readers):
        made.set_reader(1 + rank, rank=rank, wait=wait)
    made.limit(patience=patience)
    return made


def assert_sound(made: Any, **options: Any) -> Any:
    explored = made.explore_all(**options)
    assert explored.findings == {} and list(explored.stops) == ["ended"]
    return explored


@pytest.mark.parametrize("model", BUFFERED)
@pytest.mark.parametrize("kind", RINGS)
def test_one_reader_spinning(kind: str, model: str) -> None:
    for slots, messages in ((1, 1), (1, 2), (1, 3), (2, 2), (2, 3)):
        for patience in (0, 1):
            made = small_ring(kind, model, slots=slots, messages=messages, patience=patience)
            assert assert_sound(made).is_complete


@pytest.mark.parametrize("model", BUFFERED)
@pytest.mark.parametrize("kind", RINGS)
def test_one_reader_parking(kind: str, model: str) -> None:
    for slots, messages, patience in ((1, 1, 0), (1, 1, 1), (2, 2, 0)):
        made = small_ring(
            kind, model, slots=slots, messages=messages, wait="park", patience=patience
        )
        assert assert_sound(made).is_complete


@pytest.mark.parametrize("model", BUFFERED)
@pytest.mark.parametrize("kind", RINGS)
def test_two_readers_spinning(kind: str, model: str) -> None:
    assert assert_sound(small_ring(kind, model, readers=2, messages=1)).is_complete


def test_release_and_acquire() -> None:
    for slots, messages in ((1, 1), (1, 2), (2, 2), (2, 3)):
        made = small_ring("cursor_ring", "ra", slots=slots, messages=messages)
        assert assert_sound(made).is_complete
    assert assert_sound(small_ring("flag_ring", "ra", messages=1)).is_complete


@pytest.mark.parametrize("model", explore.MODELS)
@pytest.mark.parametrize("kind", RINGS)
def test_two_parking_readers_within_two_deviations(kind: str, model: str) -> None:
    made = small_ring(kind, model, readers=2, slots=2, messages=3, wait="park")
    explored = assert_sound(made, max_deviations=2)
    assert explored.executions > 1000 and not explored.is_complete


@pytest.mark.parametrize("messages", [2, 3])
def test_the_missing_data_fence_is_there_only_where_stores_are_reordered(messages: int) -> None:
    for options in ({"mutant": "no-data-fence"}, {"is_fenced": False}):
        for model in ("sc", "tso"):
            made = small_ring("flag_ring", model, messages=messages, **options)
            assert assert_sound(made).is_complete
        for model in ("pso", "ra"):
            made = small_ring("flag_ring", model, messages=messages, **options)
            explored = made.explore_all()
            assert explored.stops["found"] == 1 and explored.executions < 1000
            assert made.finding is not None


@pytest.mark.parametrize("model", explore.MODELS)
@pytest.mark.parametrize("mutant", ["no-recheck", "bump-after-wake"])
def test_a_lost_wake_up_is_found_on_every_model(mutant: str, model: str) -> None:
    made = small_ring("flag_ring", model, messages=1, wait="park", mutant=mutant)
    explored = made.explore_all()
    assert explored.stops["stuck"] == 1 and explored.executions < 1000


@pytest.mark.parametrize("model", BUFFERED)
def test_a_waker_without_a_fence_loses_wake_ups_only_with_store_buffers(model: str) -> None:
    made = small_ring("flag_ring", model, messages=2, wait="park", mutant="no-waker-fence")
    if model == "sc":
        assert assert_sound(made).is_complete
    else:
        assert made.explore_all().stops["stuck"] == 1
