"""A few thousand random calls of spinloop and its kin; tests/fuzz_spinloop.py makes a million."""

from __future__ import annotations

import importlib

import pytest
from fuzz_spinloop import fuzz
from ring_regions import ALL_KERNELS

from cy_kernels.choice import PACKAGES

CALLS = 3000
MANY = CALLS // 30


@pytest.mark.parametrize("kind", ALL_KERNELS)
def test_every_call_ends_as_documented_and_holds_nothing_afterwards(kind: str) -> None:
    waits = importlib.import_module(f"{PACKAGES[kind]}.spinloop")
    seen = fuzz(waits, CALLS, seed=7, forces=False)
    # Neither sense nor nonsense has gone missing.
    for outcome in ("True", "False", "adaptive", "TypeError", "ValueError", "OfTheCallback"):
        assert seen[outcome] >= MANY, seen
