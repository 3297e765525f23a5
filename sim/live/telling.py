"""What a live world is given to say of a standstill what it is."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

# From the evidence of one; what is told goes into the journal. None: nothing is wrong.
Tell = Callable[[Mapping[str, Any]], Optional[Mapping[str, Any]]]


def of_no_class(evidence: Mapping[str, Any]) -> Optional[Mapping[str, Any]]:
    """Every standstill is a hang."""
    return {}
