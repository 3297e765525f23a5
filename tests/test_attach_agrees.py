"""`spinbed attach` comes to the class that a hang's scenario is labelled with, from outside.

A slice of what tests/attach_agreement.py asks of all of them.
"""

from __future__ import annotations

import pytest
from attach_agreement import case_of, told

RINGS = (
    "writer-stopped-before-commit",
    "reader-stopped[transport.kind=flag_ring,process[0].wait=backoff]",
    "writer-killed[transport.kind=flag_ring,process[1].wait=park]",
    "region-replaced[transport.kind=flag_ring,process[0].wait=park]",
)
PROGRAMS = ("program-crossed-locks", "program-shared-mutex-owner-killed")


@pytest.mark.parametrize("name", RINGS)
def test_of_a_ring_it_says_what_the_label_says(name: str) -> None:
    case = case_of(name)
    answer = told(case)
    assert answer.kind == case.label
    assert not answer.on or any(who.startswith(str(case.waited_for)) for who in answer.on)


@pytest.mark.parametrize("name", PROGRAMS)
def test_of_programs_it_says_what_the_label_says(name: str) -> None:
    case = case_of(name)
    assert told(case).kind == case.label
