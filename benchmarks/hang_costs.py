"""What it costs to tell a hang, and to be looked at.

    evidence  from the end of the stall threshold until all is collected of a hang of 16 processes,
              stacks and proof included: a ring of a writer and 15 readers one of which is stopped,
              and 16 programs that wait for locks of their own
    attach    the latency of a ring, a message every 200 us, from the writer's commit to the
              reader's next line of Python: alone; with `spinbed attach` of the writer in a loop,
              its start included; the same under `chrt --idle 0`; and alone once more, which is
              the noise. They take turns; each figure is a median over rounds, each ratio the
              median of the rounds' ratios. --apart keeps the ring on the first core, and attach
              on the last: as where a core is free
    watch     what the monitor of spinbed.watch takes of a core while all is well, stall 2 s, and
              what progress() takes of the program

Else nothing is pinned to a core.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

import spinbed
from sim.hang import observed, of_run
from sim.history.op import HANG
from sim.live import procfs
from sim.live.execution import open_world
from sim.live.supervisor import Supervisor
from sim.nemesis import provoke
from sim.scenario.loader import load_text
from sim.scenario.planning import make_plan

RING = """
schema = 1
name = "sixteen-at-a-ring"
stall_threshold = "1s"
deadline = "60s"
[transport]
kind = "cursor_ring"
slots = 4
slot_bytes = 256
[[process]]
name = "writer"
role = "writer"
workload = { messages = 100000, size_bytes = 64 }
[[process]]
name = "reader"
role = "reader"
count = 15
[[fault]]
kind = "stall"
target = "reader[7]"
at = { process = "reader[7]", after_ops = 60 }
"""
PROGRAMS = """
schema = 1
name = "sixteen-programs"
stall_threshold = "1s"
deadline = "60s"
[[process]]
name = "app"
program = "sim.subjects.hanging:own_lock"
count = 16
"""
INTERVAL_NS = 200_000
MESSAGE_S = 30.0  # only against a hang
ATTACH = [sys.executable, "-m", "sim.cli", "attach", "--stall", "500ms"]
ATTACHING: Mapping[str, Sequence[str]] = {"attached": (), "idle": ("chrt", "--idle", "0")}
SIDES = ("alone", *ATTACHING, "alone again")
WATCHED_S = 10.0
WATCHED = """
import sys, time
import spinbed
with spinbed.watch("steps", stall="2s") as watched:
    print("watched", flush=True)
    for _ in sys.stdin:
        calls, began = 1_000_000, time.process_time()
        for _ in range(calls):
            watched.progress()
        print((time.process_time() - began) / calls, flush=True)
        while True:
            watched.progress()
            time.sleep(0.01)
"""

Figures = Dict[str, float]


def evidence(rounds: int) -> Figures:
    """Seconds, medians and the most."""
    found: Dict[str, List[float]] = {"ring": [], "programs": []}
    with Supervisor() as supervisor:
        for _ in range(rounds):
            found["ring"].append(_evidence_s(RING, observed.tell_apart, supervisor))
            found["programs"].append(_evidence_s(PROGRAMS, of_run.tell_apart, supervisor))
    figures: Figures = {}
    for name, seconds in found.items():
        figures[f"{name}: s"] = statistics.median(seconds)
        figures[f"{name}: most, s"] = max(seconds)
    return figures


def _evidence_s(
    text: str,
    tell: Callable[[Mapping[str, Any]], Optional[Mapping[str, Any]]],
    supervisor: Supervisor,
) -> float:
    (scenario,) = load_text(text, "hang_costs.toml")
    plan = make_plan(scenario, 0)
    with open_world(plan, supervisor, tell) as world:
        provoke(world, plan.injections)
        over_ns = world.now_ns()
        history = world.finish()
    (hang,) = history.where(HANG)
    detail = hang.detail
    assert detail is not None and detail["why"] == "hang" and len(detail["waiting"]) >= 15, detail
    threshold_over_ns = hang.time_ns - detail["blocked_ns"] + plan.stall_threshold_ns
    return (over_ns - threshold_over_ns) / 1e9


def write_rounds(name: str) -> None:
    """The writer's process: a round of so many seconds for each line of its input."""
    with spinbed.Writer.create(name, slots=1024, slot_bytes=64) as writer:
        print("ready", flush=True)
        for line in sys.stdin:
            due_ns = time.monotonic_ns()
            end_ns = due_ns + int(float(line) * 1e9)
            while due_ns < end_ns:
                due_ns += INTERVAL_NS
                time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
                writer.write(time.monotonic_ns().to_bytes(8, "little"), timeout_s=MESSAGE_S)
            writer.write(b"", timeout_s=MESSAGE_S)


def read_rounds(name: str) -> None:
    """The reader's process: prints a round's latencies when it is over."""
    with spinbed.Reader.attach(name, timeout_s=MESSAGE_S) as reader:
        print("ready", flush=True)
        latencies: List[int] = []
        with contextlib.suppress(spinbed.RingEnded):
            while True:
                message = reader.read()
                now_ns = time.monotonic_ns()
                if message:
                    latencies.append(now_ns - int.from_bytes(message, "little"))
                    continue
                cuts = statistics.quantiles(latencies, n=100)
                print(json.dumps({"p50_us": cuts[49] / 1e3, "p99_us": cuts[98] / 1e3}), flush=True)
                latencies.clear()


def attach(rounds: int, seconds: float, is_apart: bool) -> Figures:
    cores = sorted(os.sched_getaffinity(0))
    theirs, ours = (cores[:1], cores[-1:]) if is_apart else (cores, cores)
    on_ours = ["taskset", "--cpu-list", ",".join(map(str, ours))]
    name = f"hang-costs-{uuid.uuid4().hex[:8]}"
    found: Dict[str, List[Figures]] = {side: [] for side in SIDES}
    lives_s: List[float] = []
    with _process("writer", name) as writer, _process("reader", name) as reader:
        for each in (writer, reader):
            os.sched_setaffinity(each.pid, theirs)
        for number in range(rounds):
            for side in (*SIDES[number % 4 :], *SIDES[: number % 4]):
                assert writer.stdin is not None and reader.stdout is not None
                writer.stdin.write(f"{seconds}\n")
                writer.stdin.flush()
                over = time.monotonic() + seconds
                while side in ATTACHING and time.monotonic() < over:
                    began = time.monotonic()
                    command = [*on_ours, *ATTACHING[side], *ATTACH, str(writer.pid)]
                    told = subprocess.run(command, capture_output=True, text=True)
                    assert told.returncode == 0, told.stdout + told.stderr
                    lives_s.append(time.monotonic() - began)
                found[side].append(json.loads(reader.stdout.readline()))
    figures: Figures = {"one attach: s": statistics.median(lives_s)}
    for part in ("p50_us", "p99_us"):
        values = {side: [each[part] for each in found[side]] for side in SIDES}
        for side in SIDES:
            figures[f"{side}: {part}"] = statistics.median(values[side])
        for side in SIDES[1:]:
            ratios = [one / other for one, other in zip(values[side], values["alone"])]
            figures[f"{side} against alone: {part}"] = statistics.median(ratios)
    return figures


@contextlib.contextmanager
def _process(role: str, name: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, __file__, "--as", role, "--ring", name]
    pipes: Dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.stdin.close()  # type: ignore[union-attr]  # the writer ends, its ring goes
            if role == "reader":
                process.kill()


def watch() -> Figures:
    pipes: Dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", WATCHED], **pipes) as process:
        try:
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline() == "watched\n"
            (monitor,) = _monitors(process.pid)
            process.stdin.write("go\n")
            process.stdin.flush()
            progress_s = float(process.stdout.readline())
            before_ns, began_ns = _cpu_ns(monitor), time.monotonic_ns()
            time.sleep(WATCHED_S)
            used_ns = _cpu_ns(monitor) - before_ns
            share = used_ns / (time.monotonic_ns() - began_ns)
        finally:
            process.kill()
    return {"monitor: % of a core": 100 * share, "progress(): us": 1e6 * progress_s}


def _monitors(owner: int) -> List[int]:
    """The monitor of a process says in its command line whose it is."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        words = procfs.read(pid, "cmdline").split(b"\0")
        if b"sim.watch.monitor" in words and words[-2] == str(owner).encode():
            found.append(pid)
    return found


def _cpu_ns(pid: int) -> int:
    return sum(thread.cpu_ns for thread in procfs.threads(pid).values())


MEASURES: Mapping[str, Callable[[argparse.Namespace], Figures]] = {
    "evidence": lambda options: evidence(options.rounds),
    "attach": lambda options: attach(options.rounds, options.seconds, options.apart),
    "watch": lambda _: watch(),
}


def main(arguments: Optional[Sequence[str]] = None) -> None:
    options = _parser().parse_args(arguments)
    if options.role is not None:
        {"writer": write_rounds, "reader": read_rounds}[options.role](options.ring)
        return
    unknown = {*options.what} - {*MEASURES}
    if unknown:
        raise SystemExit(f"{', '.join(sorted(unknown))}: none of {', '.join(MEASURES)}")
    figures = {name: MEASURES[name](options) for name in options.what or MEASURES}
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{len(os.sched_getaffinity(0))} cores, load average {os.getloadavg()[0]:.1f}")
    for name, rows in figures.items():
        for what, value in rows.items():
            print(f"{name:>9}  {what:<36} {value:10.3f}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", metavar="evidence|attach|watch", help="default: all")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each side of a round")
    parser.add_argument("--apart", action="store_true", help="attach has a core of its own")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument("--as", dest="role", help=argparse.SUPPRESS)
    parser.add_argument("--ring", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
