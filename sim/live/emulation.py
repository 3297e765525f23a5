"""A participant whose waiting instructions trap and are emulated, so that wakes can be disturbed.

It runs the marked build of the rings; the trap's control block lies in its memory, where the runner
turns disturbances on and off and reads what came of them, also after a death.
"""

from __future__ import annotations

import os
from typing import Any, Mapping, Optional

import cy_kernels
from cy_kernels import choice, features

FORCED = "monitorx,waitpkg"  # emulated, both are there; `best` is mwaitx then
OS_LIMIT = "os_limit"
SECOND_NS = 1_000_000_000


def lack() -> Optional[str]:
    """Why no participant can do so on this host."""
    reason = cy_kernels.status().reason
    if reason is not None:
        return str(reason)
    from cy_kernels import trap

    return trap.refusal()


def begin(block: memoryview, *, forced: bool) -> None:
    """In the participant, before it opens its end and after faulthandler has its signals.

    There is no limit of the operating system's until somebody disturbs by it: what bounds a wait is
    the wait's own timer. `forced`: say that the CPU has what is emulated.
    """
    from cy_kernels import trap

    trap.install(block, limit_cycles=0)
    if forced:
        os.environ[features.VARIABLE] = FORCED
    choice.use_marked()


def disturb(block: memoryview, how: str, one_in: int, for_ns: int) -> None:
    """Raises ValueError for an unknown disturbance."""
    from cy_kernels import trap

    cycles = for_ns * _tsc_hz() // SECOND_NS
    if how != "early":
        cycles = max(1, cycles)  # to the trap 0 is no limit, and its own choice of a time to hold
    if how == OS_LIMIT:
        trap.calm(block)
        trap.limit(block, cycles)
    else:
        trap.disturb(block, how, every=one_in, cycles=cycles)


def calm(block: memoryview) -> None:
    from cy_kernels import trap

    trap.calm(block)
    trap.limit(block, 0)


def seen(block: memoryview, how: str) -> Mapping[str, Any]:
    """Of one disturbance: the waits that it chose, and those of them where there was a wake-up to
    disturb. Of all waits: how they ended, and the longest that was asked for."""
    from cy_kernels import trap

    state = trap.state(block)
    waits = [state["instructions"][name] for name in ("umwait", "mwaitx", "tpause")]
    is_limit = how == OS_LIMIT
    return {
        "disturbance": state["disturbance"],
        "emulated": sum(each["emulated"] for each in waits),
        "disturbed": state["ended"]["limit"] if is_limit else state["disturbed"][how],
        "struck": state["ended"]["limit"] if is_limit else state["struck"][how],
        "unbounded": state["instructions"]["mwaitx"]["unbounded"],
        "longest_ns": max(each["longest_cycles"] for each in waits) * SECOND_NS // _tsc_hz(),
        "ended": state["ended"],
    }


def _tsc_hz() -> int:
    from cy_kernels import cpu

    return cpu.features("").tsc_hz or SECOND_NS
