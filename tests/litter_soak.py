"""Runs the real command many times, ends some of the runs by signals, and looks for litter.

    litter_soak.py --runs 1000 --seed 1 --jobs 2

Of ten runs one gets Ctrl-C (every second time twice, as impatient people do it), one SIGKILL and
one SIGTERM, at moments drawn uniformly over the whole run: from the interpreter's start, over the
creation of regions and the heals, to the end. How long a run takes is learned from those that end
by themselves, so the first of each mix does; a signal that came too late was none, and is given to
a later run. What is left is not judged here but by litter_check.py, which must find nothing 2 s
after the end of each run, and nothing at the end of all. Each job has a mount namespace of its own,
with a /dev/shm that only its runs see; where the host does not permit that, there is one job, and
what others leave is counted.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from pathlib import Path
from typing import Deque, Dict, List, NamedTuple, Optional, Sequence

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
RECENT = 15  # so many runs of a mix say how long the next one takes
EXTRA_RUNS_MAX = 1000  # for signals that came too late
BUG = 70
A_BUG = "This is a bug in spinbed"
MARKER = "SPINBED_SOAK"
WHOLE = "SPINBED_SOAK_WHOLE"  # in the environment of everything that belongs to one soak
PR_SET_CHILD_SUBREAPER = 36


class Ended(NamedTuple):
    pid: int
    mix: str
    ending: str  # "by itself" too where the signal came too late
    moment: float  # of the mix's longest duration of late
    status: int
    litter: List[str]
    clean_after_s: float
    said: str


class Ground:
    """The folders that the runs may write to, and the command that they are."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.temporary = folder / "temporary"
        self.before = folder / "before.json"
        self.work.mkdir()
        self.temporary.mkdir()
        self.marker = ""

    def start(self, mix: Sequence[str], seed: int) -> subprocess.Popen[str]:
        """A run with a marker of its own."""
        value = os.urandom(8).hex()
        self.marker = f"{MARKER}={value}"
        self.check()
        paths = [str(SCENARIOS / f"{name}.toml") for name in mix]
        return subprocess.Popen(
            [sys.executable, "-m", "sim.cli", "run", *paths, "--jobs", "2", "--seed", str(seed)],
            cwd=self.work,
            env={
                **os.environ,
                MARKER: value,
                "TMPDIR": str(self.temporary),
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path[1:])),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_ctrl_c,
        )

    def check(self, *words: str) -> List[str]:
        """What the checker finds; none: it finds nothing."""
        return check(self.before, self.marker, [self.work, self.temporary], *words)


def check(before: Path, marker: str, folders: Sequence[Path], *words: str) -> List[str]:
    named = [word for path in folders for word in ("--folder", str(path))]
    done = subprocess.run(
        [sys.executable, str(CHECKER), str(before), "--marker", marker, *named, *words],
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
    )
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    return done.stdout.splitlines() if done.returncode else []


class Durations:
    """How long each mix takes, by its recent runs that nobody ended."""

    def __init__(self) -> None:
        self._recent_s: Dict[Sequence[str], Deque[float]] = {
            mix: deque(maxlen=RECENT) for mix in MIXES
        }

    def add(self, mix: Sequence[str], duration_s: float) -> None:
        self._recent_s[mix].append(duration_s)

    def knows(self, mix: Sequence[str]) -> bool:
        return bool(self._recent_s[mix])

    def longest_s(self, mix: Sequence[str]) -> float:
        """Drawn up to here, the moments that hit a run alive are uniform over all of it."""
        return max(self._recent_s[mix])


def heed_ctrl_c() -> None:
    """A shell's background jobs ignore it, and so would all that we start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end(
    ground: Ground, mix: Sequence[str], ending: str, durations: Durations, dice: random.Random
) -> Ended:
    """One run, ended so unless it ends before."""
    moment = dice.random() if ending != NONE else 1.0
    is_impatient = ending == CTRL_C and dice.random() < 0.5
    process = ground.start(mix, dice.randrange(1 << 32))
    began_s = time.monotonic()
    if ending != NONE:
        if await_end(process, moment * durations.longest_s(mix)) is not None:
            ending = NONE
        else:
            send(process, NUMBERS[ending])
            if is_impatient and await_end(process, dice.random() * 0.1) is None:
                send(process, NUMBERS[ending])
    _, said = process.communicate(timeout=WATCHDOG_S)
    ended_s = time.monotonic()
    if ending == NONE:
        durations.add(mix, ended_s - began_s)
    while True:
        clean_after_s = time.monotonic() - ended_s  # the looking itself takes long under load
        litter = ground.check("--compare", str(process.pid))
        litter += [f"child: {pid}" for pid in adopted()]
        if not litter or clean_after_s > WITHIN_S:
            how = (moment, process.returncode, litter, clean_after_s, said)
            return Ended(process.pid, " ".join(mix), ending, *how)
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


def is_wrong(ended: Ended) -> bool:
    if ended.litter or ended.status == BUG or A_BUG in ended.said:
        return True
    return ended.ending == NONE and ended.status != 0


def job(runs: int, seed: str, folder: Path) -> List[Ended]:
    """So many runs, one after the other, and more where signals came too late."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ground = Ground(folder)
    dice = random.Random(seed)
    durations = Durations()
    endings = [*IN_TEN, *[NONE] * (10 - len(IN_TEN))]
    owed: List[str] = []
    done: List[Ended] = []
    while len(done) < runs or (owed and len(done) < runs + EXTRA_RUNS_MAX):
        index = len(done)
        # Not in step with the endings, so that each ending meets each mix.
        mix = MIXES[(index + index // 10) % len(MIXES)]
        wanted = endings[index % 10] if index < runs else NONE
        if wanted == NONE and owed:
            wanted = owed.pop(0)
        ended = end(ground, mix, wanted if durations.knows(mix) else NONE, durations, dice)
        if ended.ending != wanted:
            owed.append(wanted)
        done.append(ended)
        if is_wrong(ended):
            print(f"run {index}: {ended}", flush=True)
        elif len(done) % 50 == 0:
            print(f"{len(done)} of {runs} runs", flush=True)
    return done


def soak(runs: int, seed: int, jobs: int, folder: Path) -> List[Ended]:
    """All jobs, each a process with its own share, folder and namespace."""
    lead = own_namespace()
    if lead is None:
        print("no namespaces here: one job, and what others leave meanwhile is counted too")
        jobs, lead = 1, []
    started = []
    for index in range(jobs):
        own = folder / f"job{index}"
        own.mkdir()
        share = runs // jobs + (index < runs % jobs)
        words = ["--runs", str(share), "--seed", str(seed), "--only", str(index), str(own)]
        started.append(subprocess.Popen([*lead, sys.executable, __file__, *words]))
    done: List[Ended] = []
    for index, process in enumerate(started):
        assert process.wait() == 0, f"job {index} of the soak itself failed"
        results = json.loads((folder / f"job{index}" / "done.json").read_text(encoding="utf-8"))
        done += [Ended(*result) for result in results]
    return done


def own_namespace() -> Optional[List[str]]:
    """The command that runs another one with a /dev/shm of its own; None: it is not permitted."""
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    mount = [*unshare, "sh", "-c", 'mount -t tmpfs tmpfs /dev/shm && exec "$@"', "sh"]
    has_unshare = shutil.which("unshare") is not None
    if has_unshare and not subprocess.run([*mount, "true"], stderr=subprocess.DEVNULL).returncode:
        return mount
    return None


def summary(done: Sequence[Ended]) -> str:
    """A row an ending. All that are counted under a signal were alive when it came."""
    head = f"{'ending':9}  {'hit alive':>9}  {'clean within':>12}"
    lines = [f"{head}  by tenths of the longest run; statuses"]
    for ending in (CTRL_C, KILL, TERM, NONE):
        of = [ended for ended in done if ended.ending == ending]
        slowest_s = max((ended.clean_after_s for ended in of), default=0.0)
        tenths = Counter(int(ended.moment * 10) for ended in of)
        spread = " ".join(str(tenths[tenth]) for tenth in range(10)) if ending != NONE else "-"
        statuses = dict(sorted(Counter(ended.status for ended in of).items()))
        line = f"{ending:9}  {len(of):9}  {slowest_s:10.2f} s  {spread}; {statuses}"
        lines.append(line)
    wrong = sum(map(is_wrong, done))
    lines.append(f"soak: {len(done) - wrong} of {len(done)} runs as they should be, {wrong} not")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="runs of the command at a time")
    parser.add_argument("--only", nargs=2, metavar=("JOB", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only is not None:
        index, folder = given.only
        done = job(given.runs, f"{given.seed} {index}", Path(folder))
        Path(folder, "done.json").write_text(json.dumps(done), encoding="utf-8")
        return 0
    began_s = time.monotonic()
    os.environ[WHOLE] = os.urandom(8).hex()
    marker = f"{WHOLE}={os.environ[WHOLE]}"
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        before = Path(folder, "before.json")
        check(before, marker, [])
        done = soak(given.runs, given.seed, given.jobs, Path(folder))
        pids = [str(ended.pid) for ended in done]
        # What was mounted and in /dev/shm was each job's own, and went with its namespace.
        found = check(before, marker, [], "--compare", *pids)
        left = [line for line in found if line.startswith(("process: ", "cgroup: "))]
    print(summary(done))
    print("at the end of all:", *(left or ["nothing is left"]), sep="\n")
    print(f"in {time.monotonic() - began_s:.0f} s, --seed {given.seed} --jobs {given.jobs}")
    return 1 if left or any(map(is_wrong, done)) else 0


if __name__ == "__main__":
    sys.exit(main())
