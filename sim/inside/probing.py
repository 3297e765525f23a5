"""A place in a program that has a name: somebody is told that it was passed, or holds it there."""

from __future__ import annotations

import os

from . import channel

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from typing import Any

HOLDS = "SPINBED_HOLDS"  # names of probes, separated by commas, where the program waits for a word


def probe(name: str, **detail: Any) -> None:
    """Says that this place was reached, with whatever JSON can hold, and waits there where a fault
    of the scenario is to be injected at it. A no-op outside of the bed.

    Raises ValueError for a name that a scenario could not hold: empty, or with a comma or a space.
    """
    if not name or "," in name or name.split() != [name]:
        raise ValueError(f"{name!r} is no name of a probe: it is empty, or has a comma or a space")
    message = {"probe": name, "detail": detail}
    if name in os.environ.get(HOLDS, "").split(","):
        channel.ask(message)
    else:
        channel.say(message)
