"""No call of any kernel entry keeps or loses a reference; tests/references.py makes a million."""

from __future__ import annotations

import sys
from typing import Callable, List

import pytest
from kernel_calls import Call, calls, entries
from references import drift_of

CALLS = calls()
COUNT, SECONDS = 300, 0.02


def test_every_public_entry_of_every_kernel_is_called() -> None:
    called = {name for call in CALLS for name in call.names.split()}
    missing = entries() - called
    assert not missing, f"give them a call in tests/kernel_calls.py: {sorted(missing)}"


@pytest.mark.parametrize("call", CALLS)
def test_references_are_flat(call: Call) -> None:
    found = drift_of(call, COUNT, SECONDS)
    assert found.is_flat, found


KEPT: List[object] = []
LOSSES: List[Callable[[object], object]] = [
    lambda argument: KEPT.append(argument),
    lambda argument: KEPT.append([]),
]
if sys.version_info < (3, 12):  # from then on nobody counts the references to None
    LOSSES.append(lambda argument: KEPT.append(None))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_call_that_keeps_something_is_told(loss: Callable[[object], object]) -> None:
    argument = object()
    found = drift_of(Call("test.keeps", lambda: loss(argument), (argument,)), COUNT, SECONDS)
    assert not found.is_flat
    KEPT.clear()
