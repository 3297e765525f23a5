"""The model of a cluster: how it grows with the hosts, and a job of one host beside a real one.

    growth  runs of 100 to 1,000 hosts with 8 readers each, 25 steps, and one of 10^6 deliveries;
            each in a process of its own: processor time of the run and of its verdict, and the
            most memory that the process had; of three rounds the quickest
    live    a writer and readers that answer over rings of their own (sim/live), beside the model of
            the same: step times; and time-outs of the writer while one reader is stopped (SIGSTOP)

The readers of the live job sleep for their work; how long they really did is what the model is
told. `--plots FOLDER` draws the growth, and needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Dict, List, Sequence

import spinbed
from sim.cluster.execution import execute
from sim.history.op import SEND, STEP, TIMEOUT
from sim.scenario.cluster_plan import Spread
from sim.scenario.loader import load_text
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.verdict import judge

HOSTS = (100, 250, 400, 550, 700, 850, 1000)
GROWTH_STEPS = 25
ROUNDS = 3  # in turns; the quickest of each counts, for other work only makes them slower
FULL_STEPS = 125  # of 8,000 readers: 10^6 deliveries
READERS = 2  # of the live job: one a core
LIVE_STEPS = 400
WORK_S = 0.002
STOP_S = 1.0
SLOTS = 4
DEADLINE_S = 0.1
WAIT_S = 30.0  # only against a hang
TEXT = """
schema = 1
name = "measured"
deadline = "10min"
[cluster]
hosts = {hosts}
readers_per_host = {readers}
steps = {steps}
compute = {{ median = "10ms", p99 = "14ms" }}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--only", choices=("growth", "live"), help="one of both")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="where the growth is drawn")
    parser.add_argument("--one", nargs=2, type=int, metavar=("HOSTS", "STEPS"),
                        help=argparse.SUPPRESS)  # fmt: skip
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(*options.one)))
        return
    found: Dict[str, Any] = {}
    if options.only != "live":
        rounds = [[of_its_own(hosts, GROWTH_STEPS) for hosts in HOSTS] for _ in range(ROUNDS)]
        found["growth"] = [min(each, key=lambda one: one["run_s"]) for each in zip(*rounds)]
        found["full"] = of_its_own(HOSTS[-1], FULL_STEPS)
        if options.plots:
            draw(found["growth"], options.plots)
    if options.only != "growth":
        found["live"] = beside_live()
    if options.json:
        print(json.dumps(found))
    else:
        show(found)


def show(found: Dict[str, Any]) -> None:
    for each in [*found.get("growth", ()), *([found["full"]] if "full" in found else ())]:
        print(
            f"{each['hosts']:>5} hosts x 8, {each['deliveries']:>9,} deliveries: "
            f"{each['run_s']:6.2f} s + {each['verdict_s']:5.2f} s of verdict, "
            f"{each['memory_mib']:4.0f} MiB, {each['us_per_delivery']:.1f} us a delivery"
        )
    for name, value in found.get("live", {}).items():
        print(f"{name:<28} {value}")


def of_its_own(hosts: int, steps: int) -> Dict[str, float]:
    words = [sys.executable, __file__, "--one", str(hosts), str(steps)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    one: Dict[str, float] = json.loads(done.stdout)
    return one


def measured(hosts: int, steps: int) -> Dict[str, float]:
    plan = plan_of(TEXT.format(hosts=hosts, readers=8, steps=steps))
    began_s = time.process_time()
    history, duration_ns = execute(plan)
    run_s = time.process_time() - began_s
    result = judge(plan, history, duration_ns=duration_ns, reproduce="")
    assert result.verdict == "valid" and result.job is not None
    return {
        "hosts": hosts,
        "deliveries": result.job.deliveries,
        "run_s": run_s,
        "verdict_s": time.process_time() - began_s - run_s,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "us_per_delivery": run_s * 1e6 / result.job.deliveries,
    }


def plan_of(text: str) -> Plan:
    (scenario,) = load_text(text, "measured.toml")
    return make_plan(scenario, 0)


def draw(growth: Sequence[Dict[str, float]], folder: Path) -> None:
    import matplotlib

    from sim.report import plots

    with matplotlib.rc_context(plots.STYLE):
        title = f"Growth with the hosts: 8 readers each, {GROWTH_STEPS} steps"
        figure, axes = plots.figure_of(title, "hosts", "processor time (s)")
        hosts = [each["hosts"] for each in growth]
        seconds = [each["run_s"] for each in growth]
        slope = sum(h * s for h, s in zip(hosts, seconds)) / sum(h * h for h in hosts)
        axes.plot([0, *hosts], [0, *(slope * h for h in hosts)], color=plots.GREY, linewidth=1,
                  linestyle="--", label="proportional")  # fmt: skip
        axes.plot(hosts, seconds, "o", color=plots.COLOURS[0], label="processor time")
        axes.set_ylim(bottom=0)
        memory = axes.twinx()
        memory.plot(hosts, [each["memory_mib"] for each in growth], "s", color=plots.COLOURS[1])
        axes.plot([], [], "s", color=plots.COLOURS[1], label="memory (right)")
        memory.set_ylim(bottom=0)
        memory.set_ylabel("most memory (MiB)")
        memory.spines["right"].set_visible(True)
        memory.grid(visible=False)
        axes.legend(loc="upper left")
        folder.mkdir(parents=True, exist_ok=True)
        plots.save(figure, folder, "cluster-growth")


def beside_live() -> Dict[str, Any]:
    """Ratios are live to model."""
    live_ns, slept_ns = live_steps()
    compute = Spread("quantiles", tuple(sorted(slept_ns)[:: max(1, len(slept_ns) // 100)]))
    model_ns = model_steps(compute)
    timeouts, model_timeouts = live_timeouts(), modelled_timeouts(compute)
    found: Dict[str, Any] = {"load average": round(os.getloadavg()[0], 1)}
    for name, part in (("p50", 0.50), ("p90", 0.90), ("p99", 0.99)):
        live, model = (sorted(times)[int(part * len(times))] for times in (live_ns, model_ns))
        found[f"step {name}, live"] = f"{live / 1e6:.3f} ms"
        found[f"step {name}, model"] = f"{model / 1e6:.3f} ms"
        found[f"step {name}, ratio"] = round(live / model, 3)
    found["time-outs, live"] = timeouts
    found["time-outs, model"] = model_timeouts
    return found


def live_steps() -> Sequence[List[int]]:
    """Of the real job: its step times, and how long its readers slept."""
    name = f"job-{uuid.uuid4().hex[:8]}"
    with spinbed.Writer.create(name, slots=SLOTS, slot_bytes=4096, readers=READERS) as writer:
        processes, pipes = start(name, answers=True)
        try:
            rings = [spinbed.Reader.attach(f"{name}-{rank}", timeout_s=WAIT_S)
                     for rank in range(READERS)]  # fmt: skip
            times = []
            payload = b"x" * 4096
            for _ in range(LIVE_STEPS):
                began_ns = time.monotonic_ns()
                writer.write(payload, timeout_s=WAIT_S)
                for ring in rings:
                    ring.read(timeout_s=WAIT_S)
                times.append(time.monotonic_ns() - began_ns)
            writer.end()
            slept = [ns for pipe in pipes for ns in expect(pipe)]
            for ring in rings:
                ring.close()
            return times, slept
        finally:
            end(processes)


def live_timeouts() -> int:
    """How often a write is not done in time while a reader is stopped; nobody answers."""
    name = f"job-{uuid.uuid4().hex[:8]}"
    with spinbed.Writer.create(name, slots=SLOTS, slot_bytes=4096, readers=READERS) as writer:
        processes, pipes = start(name, answers=False)
        try:
            timeouts, stopped_s, sent = 0, 0.0, 0
            while sent < LIVE_STEPS:
                if sent == LIVE_STEPS // 2 and not stopped_s:
                    os.kill(processes[0].pid, signal.SIGSTOP)
                    stopped_s = time.monotonic()
                if stopped_s and time.monotonic() - stopped_s >= STOP_S:
                    os.kill(processes[0].pid, signal.SIGCONT)
                try:
                    writer.write(b"x" * 4096, timeout_s=DEADLINE_S)
                    sent += 1
                except spinbed.RingTimeout:
                    timeouts += 1
            writer.end()
            for pipe in pipes:
                expect(pipe)
            return timeouts
        finally:
            end(processes)


def start(name: str, *, answers: bool) -> Any:
    context = multiprocessing.get_context("spawn")
    processes, pipes = [], []
    for rank in range(READERS):
        ours, theirs = context.Pipe()
        process = context.Process(target=reader, args=(name, rank, answers, theirs))
        process.start()
        processes.append(process)
        pipes.append(ours)
    for pipe in pipes:
        expect(pipe)
    return processes, pipes


def end(processes: Sequence[Any]) -> None:
    for process in processes:
        process.join(WAIT_S)
        process.kill()
        process.join()


def expect(pipe: Connection) -> Any:
    if not pipe.poll(WAIT_S):
        raise TimeoutError("a reader says nothing")
    return pipe.recv()


def reader(name: str, rank: int, answers: bool, pipe: Connection) -> None:
    slept: List[int] = []
    with spinbed.Writer.create(f"{name}-{rank}", slots=SLOTS, slot_bytes=1024) as answer:
        with spinbed.Reader.attach(name, rank=rank, timeout_s=WAIT_S) as ring:
            pipe.send("ready")
            for _ in ring:
                began_ns = time.monotonic_ns()
                time.sleep(WORK_S)
                slept.append(time.monotonic_ns() - began_ns)
                if answers:
                    answer.write(b"x" * 1000, timeout_s=WAIT_S)
            pipe.send(slept)


def modelled(compute: Spread, more: str) -> Any:
    text = TEXT.format(hosts=1, readers=READERS, steps=LIVE_STEPS) + more
    plan = plan_of(text)
    assert plan.cluster is not None
    return execute(replace(plan, cluster=replace(plan.cluster, compute=compute)))[0]


def model_steps(compute: Spread) -> List[int]:
    history = modelled(compute, f"[cluster.ring]\nslots = {SLOTS}\n")
    return [(op.detail or {})["took_ns"] for op in history.ops if op.f == STEP and op.detail]


def modelled_timeouts(compute: Spread) -> int:
    history = modelled(
        compute,
        f'reply = "none"\n[cluster.ring]\nslots = {SLOTS}\ndeadline = "{DEADLINE_S * 1000:g}ms"\n'
        '[[fault]]\nkind = "stall"\ntarget = "host[0].reader[0]"\n'
        f'at = {{ process = "writer", after_ops = {LIVE_STEPS // 2} }}\n'
        f'heal_after = "{STOP_S:g}s"\n',
    )
    return sum(op.f == SEND and op.outcome == TIMEOUT for op in history.ops)


if __name__ == "__main__":
    main()
