"""What this host offers to the live world, what it lacks, and what dead runs left on it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence, Tuple, Union

import cy_kernels
from cy_kernels.choice import PURE
from cy_kernels.features import VARIABLE, Features
from cy_kernels.ladder import can_run, rung_of
from sim.live.cpu import features_here
from sim.live.interpreters import Interpreter, Lack, found
from sim.live.leftovers import Leftover, leftovers, reap_dead
from sim.transport import STRATEGIES

SHM = Path("/dev/shm")
SHM_SMALL_BYTES = 64 << 20  # what container engines give by default; a few runs at a time fill it
CGROUP = Path("/sys/fs/cgroup")
UNSHARE_DEADLINE_S = 10.0
# Bits of capabilities(7) in the Cap lines of /proc/self/status.
CAP_KILL = 5
CAP_SYS_PTRACE = 19
CAP_SYS_ADMIN = 21
CAP_SYS_RESOURCE = 24


@dataclass(frozen=True)
class Fact:
    name: str
    value: str
    missing: Optional[str] = None  # what to do about it, with the Debian package that brings it


def examine() -> Sequence[Fact]:
    """Looks only: starts nothing but what tries out namespaces, changes nothing.

    Raises ScenarioError where SPINBED_CPU makes no sense.
    """
    return [
        _kernels(),
        Fact("python", f"{platform.python_version()} {platform.machine()} ({sys.executable})"),
        _headers(),
        *_interpreters(),
        _program("gcc", "gcc"),
        _program("make", "make"),
        Fact("system", f"{_distribution()}, Linux {platform.release()}"),
        Fact("cores", f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} usable"),
        _shared_memory(),
        Fact("user", "root" if os.geteuid() == 0 else f"uid {os.geteuid()}"),
        _capabilities(),
        _ptrace_scope(),
        _cgroups(),
        _namespaces(),
        *_cpu(),
        _world(),
    ]


def missing(facts: Sequence[Fact]) -> Sequence[str]:
    return [f"{fact.name}: {fact.missing}" for fact in facts if fact.missing is not None]


def _kernels() -> Fact:
    status = cy_kernels.status()
    if status.reason is None:
        return Fact("kernels", "compiled")
    return Fact("kernels", str(status), "runs are slow, and some skipped: install gcc, build again")


def _headers() -> Fact:
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if header.is_file():
        return Fact("headers", str(header))
    return Fact("headers", f"no {header}", "kernels cannot be compiled (apt install python3-dev)")


def _interpreters() -> Sequence[Fact]:
    """What a process of a scenario can be started in besides our own interpreter."""
    return [Fact(f"python {version}", _interpreter(answer)) for version, answer in found()]


def _interpreter(answer: Union[Interpreter, Lack]) -> str:
    if isinstance(answer, Lack):
        return str(answer)
    headers = "" if answer.has_headers else ", without headers: its kernels would be pure"
    return f"{answer.version} ({answer.executable}){headers}"


def _program(name: str, package: str) -> Fact:
    found = shutil.which(name)
    if found is not None:
        return Fact(name, found)
    return Fact(name, "not found", f"kernels cannot be built (apt install {package})")


def _distribution() -> str:
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown distribution"
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    return fields.get("PRETTY_NAME", "unknown distribution").strip('"')


def _shared_memory() -> Fact:
    try:
        found = os.statvfs(SHM)
    except OSError as error:
        return Fact(str(SHM), str(error.strerror), "no POSIX shared memory: mount a tmpfs there")
    size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    value = f"{human_bytes(size)}, {human_bytes(free)} free"
    if not os.access(SHM, os.W_OK | os.X_OK):
        return Fact(str(SHM), f"{value}, not writable", "regions cannot be created")
    if free < SHM_SMALL_BYTES:
        return Fact(str(SHM), value, f"less than {human_bytes(SHM_SMALL_BYTES)} free")
    return Fact(str(SHM), value)


def _capabilities() -> Fact:
    effective = 0
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
    named = (
        ("CAP_KILL", CAP_KILL),
        ("CAP_SYS_PTRACE", CAP_SYS_PTRACE),
        ("CAP_SYS_ADMIN", CAP_SYS_ADMIN),
        ("CAP_SYS_RESOURCE", CAP_SYS_RESOURCE),
    )
    return Fact(
        "rights", ", ".join(f"{name} {_yes(bool(effective >> bit & 1))}" for name, bit in named)
    )


def _ptrace_scope() -> Fact:
    try:
        scope = Path("/proc/sys/kernel/yama/ptrace_scope").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return Fact("ptrace_scope", "no Yama: any process of the same user")
    meanings = ("any process of the same user", "descendants only", "only CAP_SYS_PTRACE", "nobody")
    meaning = meanings[int(scope)] if scope in ("0", "1", "2", "3") else "unknown"
    return Fact("ptrace_scope", f"{scope}: {meaning}")


def _cgroups() -> Fact:
    """Writable means that a group can be made below our own, or below a controller's root."""
    if (CGROUP / "cgroup.controllers").is_file():
        return Fact("cgroups", f"version 2, writable {_yes(os.access(_own_cgroup(), os.W_OK))}")
    controllers = sorted(each.name for each in _subfolders(CGROUP))
    if not controllers:
        return Fact("cgroups", "none mounted")
    writable = [name for name in controllers if os.access(CGROUP / name, os.W_OK)]
    return Fact("cgroups", f"version 1, writable: {' '.join(writable) or 'none'}")


def _own_cgroup() -> Path:
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        if line.startswith("0::"):
            return CGROUP / line[len("0::/") :]
    return CGROUP


def _subfolders(folder: Path) -> Sequence[Path]:
    try:
        return [each for each in folder.iterdir() if each.is_dir()]
    except OSError:
        return []


def _namespaces() -> Fact:
    """By trying: which of a dozen settings forbids them differs from kernel to kernel."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return Fact("namespaces", "not tried", "no unshare to try with (apt install util-linux)")
    permitted = [f"{kind} {_yes(_can_unshare(unshare, flags))}" for kind, flags in _NAMESPACES]
    return Fact("namespaces", ", ".join(permitted))


_NAMESPACES: Sequence[Tuple[str, Sequence[str]]] = (
    ("user", ("--user",)),
    ("mount", ("--mount",)),
    ("mount in user", ("--user", "--map-root-user", "--mount")),
)


def _can_unshare(unshare: str, flags: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            [unshare, *flags, "true"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=UNSHARE_DEADLINE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _cpu() -> Sequence[Fact]:
    """What there is to wait with, and for each strategy whether it runs here, or what does."""
    kind = cy_kernels.status().kind
    features = features_here(kind)
    real = features_here(kind, override="")
    return [
        Fact("cpu", str(features)),
        Fact("tsc", _counter(features)),
        Fact(VARIABLE, features.override or "not set"),
        *(Fact(f"wait {each}", _rung(each, features, real, kind)) for each in STRATEGIES),
    ]


def _counter(features: Features) -> str:
    pace = "one rate" if features.invariant_tsc else "no constant rate"
    if features.tsc_hz == 0:
        return f"{pace}, which nobody tells"
    return f"{pace}, {features.tsc_hz / 1e6:.2f} MHz ({features.tsc_source})"


def _rung(strategy: str, features: Features, real: Features, kind: str) -> str:
    """What an end runs that asks for this strategy, and why if that is another one."""
    if kind == PURE:
        from cy_kernels.pure.wait import really_runs

        really = really_runs(strategy)
        return "runs (pure)" if really == strategy else f"runs {really} (pure)"
    lack, really = can_run(strategy, features), rung_of(strategy, features)
    runs = "runs" if really == strategy else f"runs {really}"
    if lack is not None:
        return f"{runs} ({lack})"
    forced = can_run(really, real)
    return runs if forced is None else f"{runs}, forced ({forced})"


def _world() -> Fact:
    from sim.live.rights import lack_of_rights
    from sim.live.world import LiveWorld

    lacks = {each: lack_of_rights({each}) for each in LiveWorld.capabilities}
    able = sorted(each.value for each, lack in lacks.items() if lack is None)
    unable = sorted(lack for lack in lacks.values() if lack is not None)
    return Fact("live world", "; ".join([f"can {', '.join(able)}", *unable]))


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def human_bytes(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


@dataclass(frozen=True)
class LeftOvers:
    lines: Sequence[str]
    dead: int  # things of dead runs that are still there


def left_overs(folders: Sequence[str], *, reap: bool) -> LeftOvers:
    """What is on this host under our names; with `reap`, first removes what dead runs left.

    `folders` are where journals, and so their temporary files, are kept, and those of programs.
    """
    lines: List[str] = []
    if reap:
        reaped = reap_dead(folders)
        lines += [f"removed {name}" for name in reaped.names]
        lines += [f"could not remove {failure}" for failure in reaped.failures]
    found = leftovers(folders)
    dead = [each for each in found if each.is_owner_dead]
    for title, group in (
        ("left over by dead runs (--reap removes them)", dead),
        ("of live runs", [each for each in found if each.is_owner_dead is False]),
        ("of another pid namespace, dead or alive", [e for e in found if e.is_owner_dead is None]),
    ):
        if group:
            lines.append(f"{title}:")
            lines += [f"  {_left_over_line(each)}" for each in group]
    if not found:
        lines.append("left over by earlier runs: nothing")
    return LeftOvers(lines, len(dead))


def _left_over_line(left: Leftover) -> str:
    size = "" if left.size_bytes is None else f" {human_bytes(left.size_bytes)},"
    return f"{left.name}  owner pid {left.owner_pid},{size} {_age(left.path)} old"


def _age(path: str) -> str:
    """By the time of its last resize, which for a region is its making."""
    try:
        seconds = max(0.0, time.time() - os.stat(path).st_mtime)
    except FileNotFoundError:
        return "0 s"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
