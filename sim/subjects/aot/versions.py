"""The order of versions that PEP 440 gives to those of a framework: no epochs, no post-releases."""

from __future__ import annotations

import re
from typing import Tuple

PATTERN = re.compile(r"(\d+(?:\.\d+)*)(?:(a|b|rc)(\d+))?(?:\.dev(\d*))?(?:\+([a-z0-9.]+))?")
PHASES = {"a": 1, "b": 2, "rc": 3}
BEFORE_ALL, AFTER_ALL = 0, 4  # of the phases: a development version of none, and a release

Key = Tuple[Tuple[int, ...], Tuple[int, int], Tuple[int, int], str]


def key(version: str) -> Key:
    """What sorts as it: 2.12.0.dev1, then 2.12.0a0.dev1, 2.12.0a0, 2.12.0rc1, 2.12.0, 2.12.0+cu.

    Raises ValueError for what is no version.
    """
    match = PATTERN.fullmatch(version)
    if match is None:
        raise ValueError(f"{version!r} is no version")
    release, phase, number, dev, local = match.groups()
    parts = [int(part) for part in release.split(".")]
    while parts and parts[-1] == 0:  # 2.12 is 2.12.0
        parts.pop()
    if phase is not None:
        stage = (PHASES[phase], int(number))
    else:
        stage = (AFTER_ALL if dev is None else BEFORE_ALL, 0)
    return tuple(parts), stage, (0, int(dev or 0)) if dev is not None else (1, 0), local or ""
