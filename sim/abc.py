"""All seams of spinbed: what a world, fault, transport, checker and reporter is. No behaviour."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, ClassVar, ContextManager, Mapping, Optional, Protocol, Sequence, Union

from sim.history.history import Allowance, History

VALID = "valid"
UNKNOWN = "unknown"
INVALID = "invalid"
Recorder = Optional[memoryview]


class Capability(enum.Enum):
    """What a world can do to a process. A scenario whose faults need more is skipped there."""

    PAUSE = "pause"
    KILL = "kill"
    RESTART = "restart"
    SLOW = "slow"
    RAISE = "raise"
    UNLINK = "unlink"
    TRUNCATE = "truncate"
    STEP = "act at a step of the protocol"
    FREEZE = "freeze"
    CPU_QUOTA = "limit CPU time"
    SIGNAL = "send signals"
    CROWD = "crowd the cores"
    LIMIT_FDS = "limit descriptors"
    WRITE_MEMORY = "write shared memory"
    HOLD_BACK = "hold a process back"
    SMALL_SHM = "mount a small /dev/shm"
    DISTURB_WAKES = "disturb wake-ups"
    LAUNCH = "decide how a program is started"
    NETWORK = "shape the network"
    SLOW_HOST = "slow a host down"


@dataclass(frozen=True)
class Evidence:
    """What proves that a fault fired or healed: seen in the world afterwards, not assumed."""

    proven: bool
    what: str  # one line: "state T (stopped)", "wait status: SIGKILL"
    data: Mapping[str, Any] = field(default_factory=dict)


class World(Protocol):
    """A place where processes run. Verbs block until done or raise WorldError.

    Every verb that waits has a deadline of its own. `process` is a full name, "reader[1]".
    """

    capabilities: ClassVar[frozenset[Capability]]

    def now_ns(self) -> int: ...

    def pause(self, process: str) -> None: ...

    def resume(self, process: str) -> None: ...

    def kill(self, process: str) -> None: ...

    def restart(self, process: str) -> int:
        """The number of the next incarnation, started, once it is ready or at its step."""

    def at_step(self, process: str) -> Mapping[str, Any]:
        """What the step gate of the process says, dead or not: `is_there` (it came to the step of
        the plan and to no other), `arrivals`, `last_step`, `last_occurrence`, `step`."""

    def slow(self, process: str, per_op_ns: int) -> None:
        """Every op of the process takes this much longer from now on; 0 ends it."""

    def raise_in_read(self, process: str) -> None:
        """The process raises, once, while it holds the slot of its next message."""

    def unlink_region(self) -> str:
        """Unlink the transport's region; its name."""

    def truncate_region(self, size_bytes: int) -> int:
        """Cut the transport's region under all mappings; its size before, in bytes."""

    def state(self, process: str) -> str:
        """ "running", "stopped", "exited:0", "signalled:SIGKILL", ... as the OS says now."""

    def await_state(self, process: str, state: str, *, within_ns: int) -> str:
        """Wait until the state starts with `state`, or the time is over; the state seen last."""

    def acknowledged(
        self, process: str, what: str, *, within_ns: int
    ) -> Optional[Mapping[str, Any]]:
        """What the process itself reported of a command ("slow", "raise_in_read"), or None."""

    def region_size_bytes(self) -> Optional[int]:
        """The size of the region by its name as a newcomer would find it; None: no such name."""

    def hold_back(self, process: str) -> None:
        """Before anybody is started: this one is not, until `attach`. Its state is "absent"."""

    def attach(self, process: str) -> str:
        """Start who was held back, once; its state when it is attached, or has failed to."""

    @property
    def machine(self) -> Machine:
        """What is around the processes."""

    @property
    def launch(self) -> Launch:
        """How programs are started, and what becomes of that."""

    @property
    def network(self) -> Network:
        """The hosts, and what is between them."""


class Launch(Protocol):
    """How the programs of a World are started. What `prepare` of a fault calls comes before any of
    them is; what `inject` calls waits until it can be seen."""

    def set_variable(self, process: str, name: str, value: Optional[str]) -> None:
        """Before the start: an environment variable of the program; None: it has none."""

    def variable(self, process: str, name: str) -> Optional[str]:
        """As the kernel says that the program was started with it; None: without."""

    def limit(self, process: str, resource: str, limit: int) -> None:
        """Before the start: RLIMIT_<resource>, soft and hard."""

    def limit_of(self, process: str, resource: str) -> Optional[int]:
        """The soft limit, as the kernel says; None: it could not be set."""

    def hook(self, process: str, spec: Mapping[str, Any]) -> None:
        """Before the start: a hook of sim.inside in the program and in what it starts."""

    def add_module(self, process: str, name: str, text: str) -> None:
        """Before the start: a file of that text, for the program and what it starts to import."""

    def hooked(self, process: str, kind: str, module: str) -> Sequence[Mapping[str, Any]]:
        """What this hook has said until now."""

    def regions(self, process: str) -> Sequence[str]:
        """Names in /dev/shm that it has mapped, and those that were attached to beside it."""

    def attach_beside(self, process: str, name: str) -> Mapping[str, Any]:
        """An unrelated interpreter like the program's attaches to the region, once, and exits:
        `was_there`, `is_there`, and what was `said` on its standard error."""

    def damage(self, process: str, module: str, how: Union[str, Mapping[str, Any]]) -> None:
        """Before the start: it finds first a copy of this compiled module, damaged so."""

    def replace_extension(self, process: str, module: str, built_by: str) -> None:
        """Before the start: the same, but the file is one that this interpreter, or whoever made
        the file of that path, has built; `damaged` says what was done."""

    def damaged(self, process: str, module: str) -> Mapping[str, Any]:
        """`what` was done to the file and whether that is `proven`; does it now where it is a
        damage to who has loaded the file already."""


class Network(Protocol):
    """Hosts, "host[3]", and the link from the writer's host to each other one."""

    def cut(self, host: str) -> None:
        """Nothing that is sent from now on arrives, in neither direction, until `mend`."""

    def mend(self, host: str) -> None: ...

    def worsen(self, host: str, extra_ns: int, loss: float, bandwidth: Optional[float]) -> None:
        """Its link is later, loses more, carries fewer bytes per second, until `restore`."""

    def restore(self, host: str) -> None: ...

    def set_interface(self, host: str, *, is_up: bool) -> None:
        """The host's: while it is down, the host knows that it has no network."""

    def link(self, host: str) -> Mapping[str, Any]:
        """What its link is now: `is_up`, `is_cut`, `is_worse`, and what it has carried."""

    def slow_host(self, host: str, factor: float) -> float:
        """All work on the host takes so many times as long; as it is then."""


class Machine(Protocol):
    """What surrounds the processes of a World. Verbs as there."""

    def freeze(self, process: str) -> str:
        """No instruction of it runs any more; what the kernel says it is, "FROZEN"."""

    def thaw(self, process: str) -> str:
        """What the kernel says it is, "THAWED"; a no-op where it is not frozen."""

    def starve(self, process: str, run_ns: int, of_ns: int) -> Mapping[str, Any]:
        """CPU time from now on: so much of every period. What the kernel says of it."""

    def feed(self, process: str) -> Mapping[str, Any]:
        """As much CPU time as there is; how often it was throttled until now."""

    def storm(self, process: str, every_ns: int) -> None:
        """A signal for the process again and again, which interrupts its system calls."""

    def calm(self, process: str) -> None:
        """No more signals."""

    def signals_received(self, process: str, *, at_least: int, within_ns: int) -> int:
        """Of a storm, as the process itself counts them."""

    def crowd(self, process: str, count: int) -> Mapping[str, Any]:
        """Start so many processes that only spin, on the cores that this one may use."""

    def disperse(self, process: str) -> Mapping[str, Any]:
        """End them; how long they ran, and who of them is left."""

    def disturb_wakes(self, process: str, how: str, one_in: int, for_ns: int) -> None:
        """One in so many waits of the process by an instruction goes wrong from now on: "missed";
        "early", "os_limit", after `for_ns`; "raced_arm", "raced_wait", "raced_lost", held as long.
        Where it is held, it is let go."""

    def calm_wakes(self, process: str) -> None:
        """They go right again."""

    def wakes(self, process: str, how: str, *, at_least: int, within_ns: int) -> Mapping[str, Any]:
        """What the process's waits came to by now, or once so many are `disturbed` in that way;
        `struck` are those where there was a wake-up to disturb."""

    def limit_fds(self, process: str, limit: Optional[int]) -> Optional[int]:
        """Its RLIMIT_NOFILE from now on, None: what it was before; what the kernel says it is."""

    def try_open(self, process: str, *, within_ns: int) -> Optional[str]:
        """What becomes of an open(2) in the process: "ok", "EMFILE"; None: it does not answer."""

    def read_word(self, name: str) -> int:
        """A word of the transport's region by its name: "magic", "slot[3].sequence"."""

    def write_word(self, name: str, value: int) -> None: ...

    def replace_region(self, name: str, value: int) -> Mapping[str, Any]:
        """Under the region's name stands another one from now on, the same but for this word; who
        is attached keeps the old one. Both inodes."""

    def limit_shm(self, size_bytes: int) -> None:
        """Before anybody is started: /dev/shm is so small for everybody, and the run's own."""

    def shm_size_bytes(self) -> int:
        """Of /dev/shm, as the processes see it."""


class Fault(Protocol):
    """One way to go wrong: a frozen dataclass of its own parameters, one file each.

    Each field but `target` is a key of [[fault]] in a scenario: a field `x_ns` is the key `x`,
    a duration; others keep their name. `metadata={"doc": ...}` describes it in the schema.

    A fault that the target does to itself at a step has a class attribute `step_action`, the
    gate's word for it ("kill", "stop"); its trigger is a step, and `inject` finds it done. One that
    acts on some wait strategies only lists them in `waits_by`. One that was planted before the
    start, and strikes when the target comes to it, has a class attribute `is_proven_at_end`: its
    `inject` is called when the run is over, so that nothing else waits for it.
    """

    alias: ClassVar[str]
    doc: ClassVar[str]  # one line for the schema and `doctor`
    requires: ClassVar[frozenset[Capability]]
    fatal: ClassVar[bool]  # the target dies of it
    roles: ClassVar[frozenset[str]]  # roles it can target: {"writer", "reader"}

    @property
    def target(self) -> str: ...  # read-only, as a frozen dataclass has it

    @property
    def heals(self) -> bool: ...  # False: nothing to heal, `healed` is null

    def inject(self, world: World) -> Evidence: ...

    def heal(self, world: World) -> Evidence: ...

    def accounts_for(self, because: str) -> Sequence[Allowance]: ...


class Condition(Fault, Protocol):
    """A fault that must hold before anybody starts; `inject` proves that it does, or ends it."""

    def prepare(self, world: World) -> None: ...


@dataclass(frozen=True)
class TransportSpec:
    """The [transport] table of a scenario, checked."""

    kind: str
    readers: int
    slots: int
    slot_bytes: int
    order: str = "fenced"  # flag_ring: "fenced" | "as_shipped"
    mutant: Optional[str] = None
    reserve: bool = True  # False leaves pages lazy
    evict_dead: bool = False  # cursor_ring: the writer gives up on readers proven dead
    remote_queue: int = 1000  # messages that may wait at each end for a reader elsewhere

    @property
    def geometry(self) -> Mapping[str, int]:
        """What decides the size and the layout of a ring's region, as the kernels name it."""
        return {"slots": self.slots, "slot_bytes": self.slot_bytes, "readers": self.readers}


class Regions(Protocol):
    """Where a transport gets shared memory from. Names are local to the run."""

    def create(self, name: str, size_bytes: int, *, reserve: bool) -> memoryview: ...

    def attach(self, name: str) -> memoryview: ...

    def pipe(self, name: str) -> int:
        """A descriptor, for both ends, of a pipe that lasts as the run does; made where new."""

    def place(self, name: str) -> str:
        """A path of the run's own; what is there, or has a longer name, goes with the run."""


class WriterEnd(Protocol):
    """`deadline_ns` is absolute, CLOCK_MONOTONIC; -1 waits for ever."""

    kernels: str  # "compiled" | "pure"
    wait: str  # the strategy that really runs

    @property
    def position(self) -> int:
        """Of the next message: a successor's says where its predecessor stopped."""

    def send(self, payload: bytes, deadline_ns: int) -> int:
        """Send one message; its position. Raises cy_kernels.errors.RingTimeout and its kin."""

    def end(self) -> None:
        """No more messages: readers drain what there is, then get RingEnded."""

    def close(self) -> None:
        """Detach and unmap. A second call is a no-op."""


class ReaderEnd(Protocol):
    kernels: str
    wait: str

    def receive(self, deadline_ns: int) -> bytes: ...

    def receiving(self, deadline_ns: int) -> ContextManager[memoryview]:
        """The next message in place; its slot is released when the block ends, however it ends."""

    def close(self) -> None: ...


class Transport(Protocol):
    """A way to exchange messages: one writer, `spec.readers` readers.

    `recorder` is a writable buffer (cy_kernels.recorder) or None; ends record into it.
    """

    alias: ClassVar[str]
    doc: ClassVar[str]
    knows_owner: ClassVar[bool]
    message_overhead_bytes: ClassVar[int]  # largest message = slot_bytes - this
    mutants: ClassVar[Sequence[str]]
    orders: ClassVar[Sequence[str]]

    def create(self, spec: TransportSpec, regions: Regions) -> None: ...

    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Recorder
    ) -> WriterEnd: ...

    def reader(
        self, spec: TransportSpec, regions: Regions, rank: int, *, wait: str, recorder: Recorder
    ) -> ReaderEnd: ...

    def describe(self, spec: TransportSpec, regions: Regions) -> Mapping[str, Any]:
        """Decoded state for evidence: positions, owners, waiters. Never writes."""


NO_TRANSPORT = TransportSpec(kind="none", readers=0, slots=0, slot_bytes=0)  # of programs


@dataclass(frozen=True)
class Result:
    """One checker's answer. `ops` are indices into history.ops, the ones to blame first."""

    alias: str
    result: str  # VALID | UNKNOWN | INVALID
    why: str = ""
    ops: Sequence[int] = ()


class Checker(Protocol):
    """Pure: the same history gives the same result."""

    alias: ClassVar[str]
    doc: ClassVar[str]

    def check(self, history: History) -> Result: ...
