"""What every wait strategy promises, checked in real processes that wait for each other by it."""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from cy_kernels import gate, ring, trap
from cy_kernels.clock import monotonic_ns
from sim.testing.wait_peer import PAYLOAD

WATCHDOG_NS = 60 * 10**9  # nothing here takes a second, on a machine that is not overwhelmed
ROUNDS = 6  # of hand-offs, until one shows that changes are noticed
TIMEOUT_NS = 20_000_000
DEATHS_NS = (500_000_000, 5_000_000_000, 20_000_000_000)  # for a writer to die within
MANY_READERS = 4
MS = 1_000_000

# The sites between a waiter's last poll but one and its sleep, where a change could be lost.
ARMING: Mapping[str, Sequence[str]] = {
    "park": tuple(
        f"wait.park.{site}" for site in ("load_event", "raise_parked", "fence", "futex_wait")
    ),
    **{name: (f"wait.{name}.arm", f"wait.{name}.wait") for name in ("mwaitx", "umwait", "wfe")},
    "wfet": ("wait.wfet.arm", "wait.wfet.wait"),
}
PARKS = ("park", "adaptive")
LOOK = "wait.clock.now"
# By coming to one of these a waiter gives its core to others.
GIVES_UP = ("wait.clock.offer", "wait.yielding.yield", "wait.park.yield", "wait.park.futex_wait",
            "wait.backoff.nap")  # fmt: skip
SETTINGS = {"mwaitx": "monitorx", "umwait": "waitpkg", "tpause": "waitpkg"}  # of SPINBED_CPU
INSTRUCTIONS = {"mwaitx": ("monitorx", "mwaitx"), "umwait": ("umonitor", "umwait"),
                "tpause": ("tpause",)}  # fmt: skip
C_STATES = {"umwait": (0, 1), "tpause": (0, 1), "mwaitx": (0,)}


class BrokenPromise(AssertionError):
    """A wait strategy does not do what every one must."""


@dataclass
class Findings:
    """What the checks came to. `rung` is what really ran."""

    rung: str
    hand_offs: int = 0  # with the waiter held on its way to sleep
    rescued: int = 0  # waits that only a timer ended although a store should have
    emulated: Dict[str, int] = field(default_factory=dict)  # instructions, by name
    longest_cycles: int = 0  # that an emulated wait asked for


def check_wait_strategy(
    wait: str,
    *,
    kind: str = "flag",
    is_emulated: bool = False,
    mutant: Optional[str] = None,
    disturbance: Optional[str] = None,
    hand_offs: int = 200,
    watchdog_ns: int = WATCHDOG_NS,
) -> Findings:
    """Raises BrokenPromise where a waiter by `wait` does not

    - wake on a change, and take one that came before, a deadline in the past notwithstanding;
    - time out, at its deadline and not before;
    - see a change that comes at any point on its way to sleep, held there by the step gate, without
      its timer's help: `hand_offs` times at each;
    - wake among many waiters at one change, and where it and others outnumber the cores, giving its
      core up;
    - see what a waker did that died before it woke anybody;
    - let Python see a signal.

    `kind`: the ring, "flag" or "cursor". `is_emulated`: on the second build of the rings, whose
    waiting instructions trap on every x86-64 host, forced by SPINBED_CPU, with what was executed
    asked for afterwards. `mutant`: one of that build's. `disturbance`: of the emulated waits, one
    of cy_kernels.trap; what it loses may then be made good by timers, and the operating system has
    no limit. Who has not woken after `watchdog_ns` waits for ever.
    Raises ValueError for an unknown strategy, and NotImplementedError where nothing can be
    emulated.
    """
    if wait not in ring.ASKED_FOR:
        raise ValueError(f"wait strategy {wait!r} is not one of {', '.join(ring.ASKED_FOR)}")
    if is_emulated and trap.refusal() is not None:
        raise NotImplementedError(trap.refusal())
    with ExitStack() as stack:
        subject = Subject(wait, kind, is_emulated, mutant, disturbance, watchdog_ns)
        bench = stack.enter_context(Bench(subject))
        findings = Findings(bench.rung)
        check_promptness(bench)
        check_time_out(bench)
        if disturbance is None:
            check_hand_offs(bench, findings, hand_offs)
        check_signal(bench)
        check_death(bench)
        check_many(bench)
        check_emulation(bench, findings)
    return findings


def check_promptness(bench: Bench) -> None:
    reader = bench.reader()
    bench.writer.send(PAYLOAD)
    bench.promise(reader.ask("receive", -1) == "message", "a message that is there is not taken")
    bench.promise(reader.ask("receive", -1) == "timeout", "a deadline in the past is no time-out")
    for _ in range(20):
        reader.tell("receive", WATCHDOG_NS)
        bench.writer.send(PAYLOAD)
        bench.promise(reader.answer() == "message", "a change does not wake it")


def check_time_out(bench: Bench) -> None:
    ended = bench.reader().ask("receive", TIMEOUT_NS)
    bench.promise(ended == "timeout", f"a wait of {TIMEOUT_NS // MS} ms ended as {ended}")


def check_hand_offs(bench: Bench, findings: Findings, hand_offs: int) -> None:
    """The waiter is held at a site of its arming, the message is sent, the waiter is let go."""
    reader = bench.reader()
    sites = ARMING.get("park" if bench.rung in PARKS else bench.rung, ())
    # Who was preempted in the middle of its wait seems to have been woken by time, too: on a loaded
    # machine many are. Who does not look again is woken by time at every hand-off of one site, of
    # two, in each round.
    for _ in range(ROUNDS):
        for site in sites:
            for _ in range(hand_offs):
                reader.hold_at(site, "receive", WATCHDOG_NS)
                bench.writer.send(PAYLOAD)
                gate.grant(reader.gate)
                bench.promise(reader.answer() == "message", f"a change at {site} is lost")
        made = len(sites) * hand_offs
        rescued = reader.ask("rescued") - findings.rescued
        findings.hand_offs += made
        findings.rescued += rescued
        is_prompt = rescued * 3 <= made
        if is_prompt:
            break
    bench.promise(is_prompt, f"{findings.rescued} changes were noticed by timer alone")


def check_signal(bench: Bench) -> None:
    reader = bench.reader()
    reader.hold_at(LOOK, "receive", WATCHDOG_NS)
    reader.process.send_signal(signal.SIGINT)
    gate.grant(reader.gate)
    bench.promise(reader.answer() == "interrupted", "a signal does not reach Python")
    bench.writer.send(PAYLOAD)
    bench.promise(reader.ask("receive", WATCHDOG_NS) == "message", "it is of no use after a signal")


def check_death(bench: Bench) -> None:
    """A writer dies between its commit and its wake-up; the reader has it by its deadline. A
    deadline that has passed by then tells nothing, and the next one is later."""
    for within_ns in DEATHS_NS:
        with Bench(bench.subject) as other:
            reader, writer = other.reader(), other.peer("writer")
            until_ns = monotonic_ns() + within_ns
            reader.hold_at(LOOK, "receive", within_ns)
            gate.grant(reader.gate)
            site = "flag.send.load_parked" if bench.kind == "flag" else "cursor.send.load_parked"
            gate.arm(writer.gate, site, "kill")
            writer.tell("send", 1, WATCHDOG_NS)
            status = writer.process.wait(WATCHDOG_NS // 10**9)
            other.promise(status == -signal.SIGKILL, f"the writer ended with {status}")
            is_late = monotonic_ns() >= until_ns
            seen = reader.answer()
            if seen == "message":
                return
            is_told = not is_late or within_ns == DEATHS_NS[-1]
            other.promise(not is_told, f"of a writer that died it has {seen}")


def check_many(bench: Bench) -> None:
    """More waiters than cores, all waiting for every message."""
    readers = max(MANY_READERS, 2 + (os.cpu_count() or 1))
    with Bench(bench.subject, readers) as crowd:
        peers = [crowd.peer("reader", rank) for rank in range(readers)]
        for peer in peers:
            peer.tell("receive_all", WATCHDOG_NS)
        for peer in peers:
            peer.await_giving_up()
        for _ in range(50):
            crowd.writer.send(PAYLOAD, crowd.subject.deadline_ns())
        crowd.writer.end()
        counts = [peer.answer() for peer in peers]
        crowd.promise(counts == [50] * readers, f"of 50 messages its readers have {counts}")
        bench.traps.extend(crowd.traps)


def check_emulation(bench: Bench, findings: Findings) -> None:
    if not bench.subject.is_emulated:
        return
    states = [trap.state(block) for block in bench.traps]
    for name in INSTRUCTIONS.get(bench.rung, ()):
        each = [state["instructions"][name] for state in states]
        findings.emulated[name] = sum(one["emulated"] for one in each)
        longest = [one.get("longest_cycles", 0) for one in each]
        findings.longest_cycles = max(findings.longest_cycles, *longest)
        bench.promise(findings.emulated[name] > 0, f"it never executed {name}")
        bench.promise(not any(one["reserved"] for one in each), f"{name} with reserved bits")
        if name in C_STATES:
            controls = {one["control"] for one in each if one["emulated"]}
            bench.promise(controls <= set(C_STATES[name]), f"{name} asks for C-states {controls}")
        unbounded = sum(one.get("unbounded", 0) for one in each)
        bench.promise(unbounded == 0, f"{unbounded} of {name} without a timer")


@dataclass(frozen=True)
class Subject:
    """What is checked, as check_wait_strategy was told."""

    wait: str
    kind: str
    is_emulated: bool
    mutant: Optional[str]
    disturbance: Optional[str]
    watchdog_ns: int

    def deadline_ns(self) -> int:
        return monotonic_ns() + self.watchdog_ns


class Peer:
    """A process with one end, and how to talk to it."""

    def __init__(self, process: subprocess.Popen[str], control: memoryview, bench: Bench) -> None:
        self.process = process
        self.gate = control
        self._bench = bench

    def tell(self, *command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        watchdog_s = self._bench.subject.watchdog_ns / 1e9
        ready, _, _ = select.select([self.process.stdout], [], [], watchdog_s)
        self._bench.promise(bool(ready), "it waits for ever")
        line = self.process.stdout.readline()
        if not line:
            raise BrokenPromise(f"it ended with status {self.process.wait()}")
        return json.loads(line)

    def ask(self, *command: Any) -> Any:
        self.tell(*command)
        return self.answer()

    def hold_at(self, site: str, *command: Any) -> None:
        """It has come to the site in the wait that the command is, and stays until a token is
        granted. The gate first: who has passed the site and sleeps does not come there again."""
        arrivals = gate.state(self.gate)["arrivals"] + 1
        gate.arm(self.gate, site, "token")
        self.tell(*command)
        has_come = gate.await_arrivals(self.gate, arrivals, self._bench.subject.deadline_ns())
        self._bench.promise(has_come, f"it never comes to {site}")

    def await_giving_up(self) -> None:
        """Until it has given up its core in a wait."""
        deadline_ns = self._bench.subject.deadline_ns()
        while not any(step in gate.state(self.gate)["visited"] for step in GIVES_UP):
            late = monotonic_ns() >= deadline_ns
            self._bench.promise(not late, "it never gives up its core while it waits")
            os.sched_yield()


class Bench:
    """A ring in a memfd with our own writer, and the peers that wait on it."""

    def __init__(self, subject: Subject, readers: int = 1) -> None:
        self.subject = subject
        self.kind, self.rung = subject.kind, subject.wait
        self.geometry = {"slots": 4, "slot_bytes": 64, "readers": readers}
        self.traps: List[memoryview] = []
        self._stack = ExitStack()
        self._peers: Dict[Tuple[str, int], Peer] = {}
        self.region_bytes = getattr(ring, f"{self.kind}_region_bytes")(**self.geometry)
        self.region_fd, region = self._memory(self.region_bytes)
        getattr(ring, f"{self.kind}_format")(region, **self.geometry)
        self._region = region
        self._writer: Any = None

    def __enter__(self) -> Bench:
        if self.geometry["readers"] == 1:
            self.reader()
        return self

    def __exit__(self, *_: object) -> None:
        for peer in self._peers.values():
            peer.process.kill()
            peer.process.wait()
            for stream in (peer.process.stdin, peer.process.stdout):
                assert stream is not None
                stream.close()
        if self._writer is not None:
            self._writer.abandon()
        self._stack.close()

    @property
    def writer(self) -> Any:
        """Our own end, by a strategy that is not under test."""
        if self._writer is None:
            make = getattr(ring, f"{self.kind.capitalize()}Writer")
            self._writer = make(self._region, wait="yielding", **self.geometry)
        return self._writer

    def reader(self) -> Peer:
        return self.peer("reader", 0)

    def peer(self, role: str, rank: int = 0) -> Peer:
        if (role, rank) not in self._peers:
            self._peers[role, rank] = self._start(role, rank)
        return self._peers[role, rank]

    def promise(self, is_kept: bool, otherwise: str) -> None:
        if not is_kept:
            raise BrokenPromise(f"{self.rung} on {self.kind}_ring: {otherwise}")

    def _memory(self, size_bytes: int) -> Tuple[int, memoryview]:
        fd = os.memfd_create("wait-kit")
        self._stack.callback(os.close, fd)
        os.ftruncate(fd, size_bytes)
        return fd, memoryview(mmap.mmap(fd, size_bytes))

    def _start(self, role: str, rank: int) -> Peer:
        gate_fd, control = self._memory(gate.GATE_BYTES)
        fds = {"region_fd": self.region_fd, "gate_fd": gate_fd}
        told: Dict[str, Any] = dict(fds, role=role, rank=rank, geometry=self.geometry)
        told.update(kind=self.kind, wait=self.subject.wait, mutant=self.subject.mutant)
        told.update(region_bytes=self.region_bytes, gate_bytes=gate.GATE_BYTES)
        told.update(is_emulated=self.subject.is_emulated)
        told["ring"] = "cy_kernels.mutants" if self.subject.is_emulated else "cy_kernels.ring"
        environment = dict(os.environ)
        if self.subject.is_emulated:
            fds["trap_fd"], block = self._memory(trap.TRAP_BYTES)
            told.update(trap_fd=fds["trap_fd"], trap_bytes=trap.TRAP_BYTES)
            self.traps.append(block)
            told["limit_cycles"] = trap.LIMIT_CYCLES
            if self.subject.disturbance is not None:
                told["limit_cycles"] = 0
                trap.disturb(block, self.subject.disturbance)
            environment["SPINBED_CPU"] = SETTINGS.get(self.subject.wait, "")
        process = subprocess.Popen(
            [sys.executable, "-m", "sim.testing.wait_peer", json.dumps(told)],
            env=environment,
            pass_fds=list(fds.values()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        peer = Peer(process, control, self)
        self.rung = peer.answer()
        return peer
