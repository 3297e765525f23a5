"""The process that has one peer's module loaded, and forks its writer and readers for each job.

    python -m sim.bench.host FD

It is told what to do over the socket FD. When that closes, whoever started it has died: it ends
everything that it has started, removes what they left, and goes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import time
from importlib import metadata
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional, Sequence

from sim.bench import end
from sim.bench.end import percentiles_us
from sim.bench.loops import matched
from sim.bench.payloads import Payloads
from sim.bench.peer import Channel, Peer
from sim.bench.steps import Answer, Described, Done, Failed, Job, Paced, Ping, Step
from sim.live.litter import files_with, remove_files, shm_starts
from sim.plugin import PluginError, make

SLOTS = {64: 1024, 4096: 128, 65536: 16, 1 << 20: 4}  # enough to stream, and they fit into caches
CLOSE_S = 5.0
SILENCE_NS = 100_000_000  # long enough for its processor time to be one of waiting alone
FORK = multiprocessing.get_context("fork")


class Gone(Exception):
    """Whoever started us has died."""


class Broken(Exception):
    """The job cannot go on, and why."""


class Crew:
    """The processes of one job: the writer, then the readers by rank."""

    def __init__(self, job: Job, peer: Peer, control: Connection, prefix: str) -> None:
        self.job, self.control = job, control
        self.until_s = time.monotonic() + job.deadline_s
        made = {"out": self._channel(peer, job, "out", job.readers, prefix)}
        if any(isinstance(step, Ping) for step in job.steps):
            made["back"] = self._channel(peer, job, "back", 1, prefix)
        self.names = ["the writer", *(f"reader {rank}" for rank in range(job.readers))]
        self.pipes: List[Connection] = []
        self.processes: List[Any] = []
        for rank in range(-1, job.readers):
            ours, theirs = FORK.Pipe()
            process = FORK.Process(target=self._live, args=(peer, theirs, made, rank))
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def _live(self, peer: Peer, theirs: Connection, made: Dict[str, Any], rank: int) -> None:
        for inherited in (self.control, *self.pipes):  # or nobody would see us end
            inherited.close()
        end.live(self.job, peer, theirs, made, rank)

    @staticmethod
    def _channel(peer: Peer, job: Job, way: str, readers: int, prefix: str) -> Any:
        folder = Path(way)
        folder.mkdir()
        name = f"{prefix.lstrip('/')}.{way}"
        channel = Channel(
            name, folder.absolute(), job.form, job.size_bytes, SLOTS[job.size_bytes], readers
        )
        return channel, peer.made(channel)

    def meet(self) -> None:
        addresses = [self._next(index, "opened") for index in range(len(self.pipes))]
        self._tell(0, addresses[1])
        for index in range(1, len(self.pipes)):
            self._tell(index, addresses[0])
        self._all("open")
        for index in range(len(self.pipes)):
            self._tell(index, None)
        self._all("ready")

    def do(self, step: Step, is_lossy: bool) -> Dict[str, Any]:
        for index in range(1, len(self.pipes)):
            self._tell(index, step)
            self._next(index, "set")
        self._tell(0, step)
        if isinstance(step, Ping):
            self._tell(1, ("count", self._next(0, "count")))
            wrote: Dict[str, Any] = self._next(0, "figures")
            return {**wrote, "readers": [self._next(1, "figures")]}
        readers = self._all("figures", start=1)
        if is_lossy:
            self._tell(0, "enough")
        return {**self._next(0, "figures"), "readers": readers}

    def close(self) -> str:
        """What could not be closed, for a note."""
        for index in range(len(self.pipes)):
            self._tell(index, None)
        until_s = time.monotonic() + CLOSE_S
        for process in self.processes:
            process.join(max(0.0, until_s - time.monotonic()))
        late = [name for name, each in zip(self.names, self.processes) if each.is_alive()]
        return f"{', '.join(late)} did not close in {CLOSE_S:.0f} s" if late else ""

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()

    def _all(self, what: str, start: int = 0) -> List[Any]:
        return [self._next(index, what) for index in range(start, len(self.pipes))]

    def _tell(self, index: int, what: Any) -> None:
        try:
            self.pipes[index].send(what)
        except OSError:
            raise Broken(self._death(index)) from None

    def _next(self, index: int, what: str) -> Any:
        """What that process tells next, as long as none of them dies."""
        left_s = max(0.0, self.until_s - time.monotonic())
        deaths = [process.sentinel for process in self.processes]
        ready = wait([self.control, self.pipes[index], *deaths], left_s)
        if self.control in ready:
            raise Gone
        if self.pipes[index] in ready:
            return self._received(index, what)
        for other, death in enumerate(deaths):
            if death in ready:
                self._received(other, what)
        raise Broken(f"hangs: {self.names[index]} does not come to {what!r} in time")

    def _received(self, index: int, what: str) -> Any:
        try:
            kind, value = self.pipes[index].recv()
            while kind not in (what, "failed"):  # it died out of turn, having told something else
                kind, value = self.pipes[index].recv()
        except (EOFError, OSError):
            raise Broken(self._death(index)) from None
        if kind == "failed":
            raise Broken(f"{self.names[index]}: {value}")
        return value

    def _death(self, index: int) -> str:
        process = self.processes[index]
        process.join(CLOSE_S)
        code = process.exitcode
        if code is not None and code < 0:
            return f"{self.names[index]} died by {signal.Signals(-code).name}"
        return f"{self.names[index]} ended with status {code}"


def perform(job: Job, peer: Peer, control: Connection, prefix: str) -> Answer:
    """Raises Gone."""
    crew: Optional[Crew] = None
    used_s = _used_s()
    try:
        Payloads(job.form, job.size_bytes)  # made once here, its modules loaded
        crew = Crew(job, peer, control, prefix)
        crew.meet()
        figures = []
        for step in job.steps:
            figures.append(_figures(crew.do(step, peer.is_lossy), step, job))
        note = crew.close()
        crew.kill()
        return Done(tuple(figures), _used_s() - used_s, note)
    except Broken as broken:
        return Failed(str(broken))
    except Gone:
        raise
    except Exception as error:  # of the peer, while it makes what both ends share
        return Failed(f"{type(error).__name__}: {error}")
    finally:
        if crew is not None:
            crew.kill()
        for entry in Path().iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        remove_files([f"{start}." for start in shm_starts(prefix)])


def _used_s() -> float:
    """By us and by those of our processes that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _figures(told: Dict[str, Any], step: Step, job: Job) -> Dict[str, Any]:
    """From what the processes tell to what is a row's: messages a second, us, percent of a core."""
    readers = told["readers"]
    if isinstance(step, Ping):
        return {"half_us": told["half_us"], "trips": told["trips"]}
    sent = told["sent"]
    took_ns = max(each["ended_ns"] for each in readers) - told["began_ns"]
    cpu_ns = told["cpu_ns"] + sum(each["cpu_ns"] for each in readers)
    delivered = min(each["received"] for each in readers)
    lost = sum(sent - each["received"] - each["wrong"] for each in readers)
    figures: Dict[str, Any] = {
        "sent": sent,
        "lost": lost,
        "wrong": sum(each["wrong"] for each in readers),
        "lost_percent": 100 * lost / (sent * job.readers),
        "messages_per_s": delivered / took_ns * 1e9,
        "cpu_percent": 100 * cpu_ns / took_ns,
        "reader_cpu_percent": 100 * max(each["cpu_ns"] for each in readers) / took_ns,
        "seconds": took_ns / 1e9,
    }
    if min(sent - each["received"] - each["wrong"] - each["skipped"] for each in readers) < 0:
        raise Broken("messages came twice, or in another order")
    if isinstance(step, Paced):
        figures.update(_paced(told, step, len(Payloads(job.form, job.size_bytes))))
    return figures


def _paced(told: Dict[str, Any], step: Paced, pool: int) -> Dict[str, Any]:
    latencies: List[int] = []
    for each in told["readers"]:
        latencies += matched(told["sent_ns"], each["seen"], pool)[step.uncounted :]
    if not latencies:
        raise Broken("no message arrived")
    figures: Dict[str, Any] = {"wake_us": percentiles_us(latencies), "wakes": len(latencies)}
    seen = told["readers"][0]["seen"]
    is_silence = max(step.gaps_ns) >= SILENCE_NS
    if is_silence and len(seen) == len(step.gaps_ns):
        longest = max(range(1, len(seen)), key=lambda index: step.gaps_ns[index])
        used_ns = seen[longest][2] - seen[longest - 1][2]
        figures["idle_cpu_percent"] = 100 * used_ns / (seen[longest][1] - seen[longest - 1][1])
        by_gap: Dict[int, List[int]] = {}
        for gap_ns, latency in zip(step.gaps_ns[step.uncounted :], latencies):
            by_gap.setdefault(gap_ns // 1_000_000, []).append(latency)
        figures["wake_after_ms"] = {
            str(gap): percentiles_us(each)["p50"] for gap, each in by_gap.items()
        }
    return figures


def described(peer: Peer, alias: str, distribution: str) -> Described:
    try:
        version = metadata.version(distribution) if distribution else ""
    except metadata.PackageNotFoundError:
        version = ""
    sizes = tuple(peer.sizes)
    return Described(
        alias or peer.alias,
        tuple(peer.forms),
        sizes,
        peer.readers_max,
        peer.is_lossy,
        peer.note,
        version,
    )


def serve(control: Connection, home: str, alias: str, distribution: str, prefix: str) -> None:
    """Raises Gone."""
    try:
        try:
            peer = make(home, "peer", Peer)
        except PluginError as error:
            control.send(Failed(str(error)))
            control.recv()  # until we are ended
            raise Gone from None
        control.send(described(peer, alias, distribution))
        while True:
            control.send(perform(control.recv(), peer, control, prefix))
    except (EOFError, OSError):
        raise Gone from None


def _clean_up(run: str) -> None:
    """After a run whose starter is dead: every host of it does so, once its own processes are."""
    starts = [f"{start}." for start in shm_starts(run)]
    until_s = time.monotonic() + CLOSE_S
    while files_with(starts) and time.monotonic() < until_s:
        with contextlib.suppress(OSError):  # another host was faster
            remove_files(starts)


def main(arguments: Sequence[str]) -> NoReturn:
    control = Connection(int(arguments[0]))
    home, alias, distribution, prefix, folder = control.recv()
    sys.path[:] = [os.path.abspath(each) for each in sys.path]
    os.chdir(folder)
    try:
        serve(control, home, alias, distribution, prefix)
    except Gone:
        _clean_up(prefix.rpartition(".")[0])
    os.killpg(0, signal.SIGKILL)
    raise SystemExit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
