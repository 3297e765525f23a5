"""Asks `spinbed attach` about every labelled hang of scenarios/hangs, and prints how often it says
what the label says.

    attach_agreement.py [--all] [WORD ...]

One run of each file, or all with --all; only files whose name has one of the words. A run is given
no time to tell its own hang; attach looks at it again and again until it tells one, for at most
LOOKS times. Of a label `unknown`, attach is right to tell nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

from sim.live.procfs import descendants, read
from sim.scenario.loader import load

HANGS = Path(__file__).resolve().parents[1] / "scenarios" / "hangs"
WATCHDOG_S = 90
LOOKS = 6
REST_S = 0.3
FAULTS_S = 1.5  # until all that a scenario does has been done
NOTHING = "nothing"
# Without what a program says when it is asked, all that shows of these.
AS_DEADLOCK = ("import-deadlock", "teardown-stuck", "lock-owner-dead")
HANG_STATUS = 3
TIMES = re.compile(r'^(stall_threshold|deadline) = ".*"$', re.MULTILINE)


class Case(NamedTuple):
    path: Path
    name: str
    label: str
    waited_for: Optional[str]  # by the label
    is_of_programs: bool


class Answer(NamedTuple):
    kind: str
    where: str
    on: Sequence[str]


def cases(words: Sequence[str], *, all_runs: bool) -> Iterator[Case]:
    for path in sorted(HANGS.glob("*.toml")):
        if words and not any(word in path.stem for word in words):
            continue
        runs = load(str(path))
        for scenario in runs if all_runs else runs[:1]:
            labels = [each for each in scenario.expectations if each.hang is not None]
            if labels:
                is_of_programs = any(each.role == "program" for each in scenario.processes)
                label, on = str(labels[0].hang), labels[0].waited_for
                yield Case(path, scenario.name, label, on, is_of_programs)


def case_of(name: str) -> Case:
    stem = name.partition("[")[0].replace("-", "_")
    return next(each for each in cases([stem], all_runs=True) if each.name == name)


def without_hurry(path: Path, folder: Path) -> Path:
    """The same, with all the time for a hang to be looked at."""
    text = TIMES.sub("", path.read_text(encoding="utf-8"))
    first, _, rest = text.partition("\n\n")
    made = folder / path.name
    made.write_text(f'{first}\nstall_threshold = "10min"\ndeadline = "10min"\n\n{rest}')
    return made


def told(case: Case) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        file = without_hurry(case.path, Path(folder))
        command = [sys.executable, "-m", "sim.cli", "run", str(file), "-k", f"={case.name}"]
        command += ["--journal-dir", folder]
        quiet: Dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        runner = subprocess.Popen(command, start_new_session=True, **quiet)
        try:
            return _asked(case, runner)
        finally:
            if runner.poll() is None:
                os.kill(runner.pid, signal.SIGINT)
            runner.wait(WATCHDOG_S)


def _asked(case: Case, runner: subprocess.Popen[bytes]) -> Answer:
    deadline = time.monotonic() + WATCHDOG_S
    looks = 0
    _rest(runner, FAULTS_S)
    while looks < LOOKS and time.monotonic() < deadline and runner.poll() is None:
        pids = programs(runner.pid) if case.is_of_programs else participants(runner.pid)
        if not pids:
            _rest(runner)
            continue
        looks += 1
        command = [sys.executable, "-m", "sim.cli", "attach", *map(str, pids), "--json"]
        done = subprocess.run([*command, "--stall", "600ms"], capture_output=True, text=True)
        if done.returncode == HANG_STATUS:
            hangs = [each for each in json.loads(done.stdout)["told"] if each["is_hang"]]
            # Before anybody waits in a ring, one that is stopped is only a stopped program.
            of_ring = [each for each in hangs if each["where"].startswith("/")]
            for each in hangs if case.is_of_programs else of_ring:
                return Answer(each["class"], each["where"], each["on"])
        _rest(runner)
    return Answer(NOTHING, "", ())


def _rest(runner: subprocess.Popen[bytes], seconds: float = REST_S) -> None:
    """Or until it ends."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        runner.wait(seconds)


def participants(root: int) -> List[int]:
    """Of the processes below, those that have a ring of a run mapped."""
    return [pid for pid in descendants(root) if b"/dev/shm/spinbed." in read(pid, "maps")]


def programs(root: int) -> List[int]:
    """Those of the run, whoever has started them."""
    return [pid for pid in descendants(root) if b"SPINBED_RUN=" in read(pid, "environ")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--all", action="store_true")
    given = parser.parse_args()
    right: Counter[str] = Counter()
    coarser: Counter[str] = Counter()
    silent: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for case in cases(given.words, all_runs=given.all):
        answer = told(case)
        is_right = answer.kind == case.label or (case.label, answer.kind) == ("unknown", NOTHING)
        is_coarser = case.label in AS_DEADLOCK and answer.kind == "deadlock"
        unsaid = coarser if is_coarser else silent if answer.kind == NOTHING else wrong
        (right if is_right else unsaid)[case.label] += 1
        print(f"{case.label:20} {answer.kind:20} {case.name}", flush=True)
    counts = {"agrees": right, "coarser": coarser, "silent": silent, "differs": wrong}
    print(f"{'label':20}", *(f"{name:>8}" for name in counts))
    for label in sorted({label for each in counts.values() for label in each}):
        print(f"{label:20}", *(f"{each[label]:8}" for each in counts.values()))
    print(f"{'all':20}", *(f"{sum(each.values()):8}" for each in counts.values()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
