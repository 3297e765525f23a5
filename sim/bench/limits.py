"""The physical limits, by a C program that is compiled when it is wanted (limits.c)."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from sim.bench.peer import SIZES

SOURCE = Path(__file__).with_name("limits.c")
COMPILE_S = 120.0
RUN_S = 60.0
STREAM_SLOTS = 8
STREAM_MS = 60
TIMES = 5  # what disturbs them only makes them slower
LINE_TRIPS = 6_000  # about a ms of them, before each repetition
COPY_TRIPS = {64: 10_000, 4096: 10_000, 65536: 2_000, 1 << 20: 200}
WAKES = {200: 200, 20_000: 40}  # us of idleness: how many
BRIEF = 20  # of everything only such a part, to try the rest


class Limits:
    """`why_not` says why there are none."""

    def __init__(self, folder: Path, cores: Tuple[int, ...]) -> None:
        self._cores = [str(core) for core in cores[:2]]
        self._program = folder / "limits"
        self.why_not: Optional[str] = self._compile()

    def _compile(self) -> Optional[str]:
        words = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "gcc")
        compiler = shutil.which(words[0]) or shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            return f"no C compiler ({words[0]}) is there: no physical limits, no epochs"
        command = [compiler, "-O2", "-std=gnu11", "-o", str(self._program), str(SOURCE)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{compiler} does not compile the limits: {error}"
        if done.returncode != 0:
            return f"{compiler} does not compile the limits: {done.stderr.strip()[-200:]}"
        return None

    def line_ns(self) -> Optional[float]:
        """A cache line to the other core and back; None: not to be had."""
        told = self._run("line", LINE_TRIPS)
        return told[0] if told else None

    def measured(self, *, is_brief: bool, sizes: Sequence[int] = SIZES) -> Dict[str, Any]:
        """All of them, each the best of TIMES; those that could not be had are left out."""
        part = BRIEF if is_brief else 1
        found: Dict[str, Any] = {"line_ns": self._best(min, "line", LINE_TRIPS // part)}
        found.update(copy_us={}, stream_per_s={}, wake_us={})
        for size in sizes:
            copy_ns = self._best(min, "copy", size, COPY_TRIPS[size] // part)
            stream = self._best(max, "stream", size, STREAM_SLOTS, STREAM_MS // part)
            if copy_ns is not None and stream is not None:
                found["copy_us"][str(size)] = copy_ns / 1e3
                found["stream_per_s"][str(size)] = stream
        for idle_us, wakes in WAKES.items():
            wake = self._run("wake", idle_us, wakes // part)
            if wake:
                found["wake_us"][str(idle_us)] = [wake[0] / 1e3, wake[1] / 1e3]
        return found

    def _best(self, best: Callable[[List[float]], float], *what: Any) -> Optional[float]:
        found = [each[0] for each in (self._run(*what) for _ in range(TIMES)) if each]
        return best(found) if found else None

    def _run(self, what: str, *numbers: int) -> List[float]:
        if self.why_not is not None:
            return []
        command = [str(self._program), what, *self._cores, *map(str, numbers)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S)
        except (OSError, subprocess.TimeoutExpired):
            return []
        return [float(word) for word in done.stdout.split()] if done.returncode == 0 else []
