"""The machine as a measurement sees it: its cores, its room, and what else runs on it."""

from __future__ import annotations

import os
import platform
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from sim.errors import WorldError
from sim.live.litter import SHM

CORES = 2
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
BUSY = (0, 1, 2, 5, 6, 7)  # of the fields of /proc/stat: user, nice, system, irq, softirq, steal
CALM_LOAD = 0.3  # above it a page says that other work ran


def cores() -> Tuple[int, ...]:
    """Two of those we may run on, not two threads of one core if that can be had. Raises
    WorldError."""
    able = sorted(os.sched_getaffinity(0))
    if len(able) < CORES:
        detail = f"two processes are measured side by side: {CORES} cores needed, {len(able)} here"
        raise WorldError("sched_getaffinity", detail=detail)
    first = able[0]
    apart = [core for core in able[1:] if core not in _siblings(first)]
    return first, (apart or able[1:])[0]


def _siblings(core: int) -> List[int]:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        text = path.read_text()
    except OSError:
        return [core]
    found: List[int] = []
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        found += range(int(low), int(high or low) + 1)
    return found


def check_room(needed_bytes: int) -> None:
    """Raises WorldError where the largest channels would not fit."""
    found = os.statvfs(SHM)
    free = found.f_bavail * found.f_frsize
    if free < needed_bytes:
        mib = 1 << 20
        detail = f"{needed_bytes // mib} MiB needed in {SHM}, {free // mib} MiB free"
        raise WorldError("statvfs", detail=detail)


def busy_s() -> Optional[float]:
    """Seconds that all cores together have been busy since boot, with what, is not asked."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            fields = file.readline().split()[1:]
    except OSError:
        return None
    return sum(int(fields[index]) for index in BUSY) / TICKS_PER_S


def described() -> Dict[str, Any]:
    cpu = re.search(r"^model name\s*:\s*(.*)$", _text("/proc/cpuinfo"), re.MULTILINE)
    return {
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "load_average": [round(each, 2) for each in os.getloadavg()],
    }


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
