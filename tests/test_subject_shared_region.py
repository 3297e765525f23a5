"""A process reads what its parent shares with it, by a name or without one."""

from __future__ import annotations

import pytest
from subject_runs import subject


@pytest.mark.parametrize("variant", ["before", "after"])
def test_a_process_reads_what_its_parent_shares(variant: str) -> None:
    done = subject("shared_region", variant)
    assert done.result == {"variant": variant, "value": 42} and done.err == ""
