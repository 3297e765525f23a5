"""Runs the real command many times, ends some of the runs by signals, and looks for litter.

    litter_soak.py --runs 1000 --seed 1

Of ten runs one gets Ctrl-C (every second time twice, as impatient people do it), one SIGKILL and
one SIGTERM, at moments drawn uniformly over the whole run: from the interpreter's start, over the
creation of regions and the heals, to the end. What is left is not judged here but by
litter_check.py, which must find nothing 2 s after the end. Where the host permits it, all of this
happens in a mount namespace with a /dev/shm of its own, so that nobody else's files are seen.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios" / "fast"
CHECKER = Path(__file__).resolve().with_name("litter_check.py")
# Stalls, kills, takeovers, slowness, raises, every way to start a process, cgroups, mounts and
# helper processes; two at a time.
MIXES = (
    ("killed_reader", "restarted_writer"),
    ("start_methods",),
    ("several_faults", "restarted_reader"),
    ("some_readers_stall",),
    ("slow_reader", "raised_in_read", "unlinked_region"),
    ("stalled_reader",),
    ("frozen_reader", "small_shm"),
    ("starved_reader", "frozen_writer_killed"),
    ("signal_storm", "crowded_cores", "small_shm_lazy_pages"),
)
CTRL_C, KILL, TERM, NONE = "Ctrl-C", "SIGKILL", "SIGTERM", "by itself"
NUMBERS = {CTRL_C: signal.SIGINT, KILL: signal.SIGKILL, TERM: signal.SIGTERM}
IN_TEN = (CTRL_C, KILL, TERM)  # the rest of ten ends by itself
WITHIN_S = 2.0
LOOK_EVERY_S = 0.1
WATCHDOG_S = 300.0
MEASUREMENTS = 3
BUG = 70
A_BUG = "This is a bug in spinbed"
MARKER = "SPINBED_SOAK"
OWN_NAMESPACE = "SPINBED_SOAK_IS_ALONE"
PR_SET_CHILD_SUBREAPER = 36


class Ended(NamedTuple):
    ending: str
    moment: float  # of the run's usual duration; 1.0 and more: it had ended
    status: int
    litter: List[str]
    clean_after_s: float
    said: str
    was_alive: bool  # when the signal came


class Ground:
    """The folders that the runs may write to, and the command that they are."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.temporary = folder / "temporary"
        self.before = folder / "before.json"
        self.work.mkdir()
        self.temporary.mkdir()
        self.marker = f"{MARKER}={os.urandom(8).hex()}"
        name, _, value = self.marker.partition("=")
        self.environment: Dict[str, str] = {
            **os.environ,
            name: value,
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path[1:])),
        }

    def start(self, mix: Sequence[str], seed: int) -> subprocess.Popen[str]:
        paths = [str(SCENARIOS / f"{name}.toml") for name in mix]
        return subprocess.Popen(
            [sys.executable, "-m", "sim.cli", "run", *paths, "--jobs", "2", "--seed", str(seed)],
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_ctrl_c,
        )

    def check(self, *words: str) -> List[str]:
        """What the checker finds; none: it finds nothing."""
        folders = [w for path in (self.work, self.temporary) for w in ("--folder", str(path))]
        done = subprocess.run(
            [sys.executable, str(CHECKER), str(self.before), "--marker", self.marker]
            + [*folders, *words],
            capture_output=True,
            text=True,
            timeout=WATCHDOG_S,
        )
        assert done.returncode in (0, 1) and not done.stderr, done.stderr
        return done.stdout.splitlines() if done.returncode else []


def heed_ctrl_c() -> None:
    """A shell's background jobs ignore it, and so would all that we start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end(
    ground: Ground, mix: Sequence[str], ending: str, usual_s: float, dice: random.Random
) -> Ended:
    """One run, ended so."""
    moment = dice.random() * 1.05 if ending != NONE else 1.0
    is_impatient = ending == CTRL_C and dice.random() < 0.5
    ground.check()
    process = ground.start(mix, dice.randrange(1 << 32))
    was_alive = False
    if ending != NONE:
        was_alive = await_end(process, moment * usual_s) is None
        send(process, NUMBERS[ending])
        if is_impatient and await_end(process, dice.random() * 0.1) is None:
            send(process, NUMBERS[ending])
    _, said = process.communicate(timeout=WATCHDOG_S)
    ended_s = time.monotonic()
    while True:
        litter = ground.check("--compare", str(process.pid))
        litter += [f"child: {pid}" for pid in adopted()]
        clean_after_s = time.monotonic() - ended_s
        if not litter or clean_after_s > WITHIN_S:
            return Ended(
                ending, moment, process.returncode, litter, clean_after_s, said, was_alive
            )
        await_nothing(LOOK_EVERY_S)


def await_end(process: subprocess.Popen[str], seconds: float) -> Optional[int]:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def await_nothing(seconds: float) -> None:
    signal.sigtimedwait([], seconds)


def send(process: subprocess.Popen[str], number: int) -> None:
    """To the whole group, as a terminal does it."""
    try:
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    except ProcessLookupError:
        pass


def adopted() -> List[int]:
    """Orphans come to us; the dead are buried, who lives is told."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        return []
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in children.read_text().split()]


def usual_durations(ground: Ground) -> Dict[Sequence[str], float]:
    """Of each mix, in seconds: the median of some runs."""
    usual = {}
    for mix in MIXES:
        durations = []
        for seed in range(MEASUREMENTS):
            began_s = time.monotonic()
            process = ground.start(mix, seed)
            _, said = process.communicate(timeout=WATCHDOG_S)
            assert process.returncode == 0, f"{mix} does not run green: {said}"
            durations.append(time.monotonic() - began_s)
        usual[mix] = statistics.median(durations)
    return usual


def is_wrong(ended: Ended) -> bool:
    if ended.litter or ended.status == BUG or A_BUG in ended.said:
        return True
    return ended.ending == NONE and ended.status != 0


def soak(runs: int, seed: int, ground: Ground) -> List[Ended]:
    dice = random.Random(seed)
    usual = usual_durations(ground)
    for mix, duration_s in usual.items():
        print(f"usually {duration_s:5.2f} s: {' '.join(mix)}", flush=True)
    endings = [*IN_TEN, *[NONE] * (10 - len(IN_TEN))]
    done = []
    for index in range(runs):
        # Not in step with the endings, so that each ending meets each mix.
        mix = MIXES[(index + index // 10) % len(MIXES)]
        ended = end(ground, mix, endings[index % 10], usual[mix], dice)
        done.append(ended)
        if is_wrong(ended):
            print(f"run {index}, {' '.join(mix)}: {ended}", flush=True)
        elif (index + 1) % 50 == 0:
            print(f"{index + 1} of {runs} runs", flush=True)
    return done


def summary(done: Sequence[Ended]) -> str:
    lines = []
    for ending in (CTRL_C, KILL, TERM, NONE):
        of = [ended for ended in done if ended.ending == ending]
        if not of:
            continue
        statuses = Counter(ended.status for ended in of)
        tenths = Counter(min(10, int(ended.moment * 10)) for ended in of)
        line = f"{ending:9}  {len(of):4} runs, statuses {dict(sorted(statuses.items()))}"
        if ending != NONE:
            spread = " ".join(str(tenths[tenth]) for tenth in range(11))
            alive = sum(ended.was_alive for ended in of)
            line += f", {alive} met a living run; by tenths of it: {spread}"
        lines.append(line)
    slowest_s = max((ended.clean_after_s for ended in done), default=0.0)
    wrong = sum(map(is_wrong, done))
    lines.append(f"slowest to be clean, the looking included: {slowest_s * 1000:.0f} ms")
    lines.append(f"soak: {len(done) - wrong} of {len(done)} runs as they should be, {wrong} not")
    return "\n".join(lines)


def alone() -> None:
    """Begin again in a namespace with a /dev/shm of our own, where that is permitted."""
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    mount = [*unshare, "sh", "-c", 'mount -t tmpfs tmpfs /dev/shm && exec "$@"', "sh"]
    has_unshare = shutil.which("unshare") is not None
    if has_unshare and not subprocess.run([*mount, "true"], stderr=subprocess.DEVNULL).returncode:
        os.environ[OWN_NAMESPACE] = "1"
        os.execvp(mount[0], [*mount, sys.executable, *sys.argv])
    print("no namespace of our own here: what others leave meanwhile is counted too")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if OWN_NAMESPACE not in os.environ:
        alone()
    os.environ.pop(OWN_NAMESPACE, None)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        ground = Ground(Path(folder))
        began_s = time.monotonic()
        done = soak(given.runs, given.seed, ground)
    print(summary(done))
    print(f"in {time.monotonic() - began_s:.0f} s, --seed {given.seed}")
    return 1 if any(map(is_wrong, done)) else 0


if __name__ == "__main__":
    sys.exit(main())
