"""What faults need of this host beyond what every Linux gives to every user."""

from __future__ import annotations

import functools
from typing import AbstractSet, Callable, Mapping, Optional

from sim.abc import Capability
from sim.live import cgroup, emulation, mounts

LACKS: Mapping[Capability, Callable[[], Optional[str]]] = {
    Capability.FREEZE: functools.partial(cgroup.lack, cgroup.FREEZER),
    Capability.CPU_QUOTA: functools.partial(cgroup.lack, cgroup.CPU),
    Capability.DISTURB_WAKES: emulation.lack,
    Capability.SMALL_SHM: functools.lru_cache(maxsize=1)(mounts.lack),
}


def lack_of_rights(required: AbstractSet[Capability]) -> Optional[str]:
    """Why this host or user cannot do what is required; None where they can."""
    for capability in sorted(required & LACKS.keys(), key=lambda capability: capability.value):
        reason = LACKS[capability]()
        if reason is not None:
            return f"this host cannot {capability.value}: {reason}"
    return None
