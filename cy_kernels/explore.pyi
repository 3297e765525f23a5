"""The protocol over a simulated machine: deterministic executions under weak memory models."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from cy_kernels.ring import STEPS as STEPS
from cy_kernels.ring import STRATEGIES as STRATEGIES
from cy_kernels.ring import Step as Step

MODELS: Tuple[str, ...]
SCHEDULERS: Tuple[str, ...]
STATES: Tuple[str, ...]
STOPS: Tuple[str, ...]
FINDINGS: Tuple[str, ...]
EVENTS: Tuple[str, ...]
MUTANTS: Tuple[str, ...]
ALL_MUTANTS: Tuple[str, ...]  # and those of waiting in hardware
ON_TIMEOUT: Tuple[str, ...]
HELD_FOR: Tuple[Optional[str], ...]
PHASES: Tuple[str, ...]
FIBER_KIND: str
MACHINE_VERSION: int
ROLES: Tuple[str, ...]
STEPS_MAX: int
FIRST_RECORDS: int
FIRST_LOCATIONS: int
FIRST_TRACE: int
INSTRUCTIONS: Dict[str, Tuple[str, ...]]
ORDERS: Dict[str, int]
ORDERS_OF: Dict[str, Tuple[str, ...]]
NUMBERS_BELOW: Dict[str, int]

class Explored(NamedTuple):
    """What explore_all made.

    Its executions, how many more were cut as repetitions, the steps of all, whether they were all
    there are, how many executions came to each stop and finding.
    """

    executions: int
    cut: int
    steps: int
    is_complete: bool
    stops: Dict[str, int]
    findings: Dict[str, int]

class Simulation:
    """One simulated machine; executions begin with `begin` and go on with `go`.

    Process 0 is the writer. Not for use from two threads at once.
    """

    def __init__(self, processes: int, *, model: str = "tso") -> None: ...
    def set_ring(
        self,
        kind: str,
        *,
        slots: int,
        slot_bytes: int,
        readers: int,
        is_fenced: bool = True,
        mutant: Optional[str] = None,
        sizes: Sequence[int] = (64,),
        payload_seed: int = 0,
    ) -> None:
        """The ring that all processes share. `sizes`: bytes of each message, or one for all."""

    def set_writer(
        self,
        *,
        wait: str = "park",
        messages: int = 1,
        interval_ns: int = 0,
        deadline_ns: int = -1,
        on_timeout: str = "retry",
        shuts_down: bool = False,
        evicts: bool = False,
    ) -> None:
        """Process 0. Times in ns; a deadline is relative, -1 waits for ever."""

    def set_reader(
        self,
        index: int,
        *,
        rank: int,
        wait: str = "park",
        think_ns: int = 0,
        deadline_ns: int = -1,
        on_timeout: str = "retry",
    ) -> None: ...
    def set_program(self, index: int, instructions: Sequence[Tuple[Any, ...]]) -> None:
        """What process `index` does in a litmus program: a list of tuples, as in INSTRUCTIONS.

        Locations are 0 to 15, registers 0 to 7; all begin as 0. Raises ValueError, which names the
        process and the instruction.
        """

    def registers(self, index: int) -> Tuple[int, ...]:
        """The registers of a litmus program's process, all of them."""

    def memory(self, location: int) -> int:
        """The last value, in modification order, of a litmus program's location; stores that are
        still in a buffer are not in it."""

    def choose_by(
        self, scheduler: str, *, tape: bytes = b"", depth: int = 1, expected_choices: int = 0
    ) -> None:
        """Who makes the choices of the executions that begin from now on.

        `tape` for "replay". `depth`: of "pct" and "delay", at least 1; `expected_choices`: the
        tape length they spread their changes over, as measured (0: nobody has).
        """

    def allow(
        self,
        *,
        early_timers: bool = False,
        spurious_wakes: bool = False,
        missed_wakes: bool = False,
        heartbeats: bool = False,
    ) -> None:
        """What may happen that need not: a timer fires while somebody can still run; a sleeper
        (FUTEX_WAIT, mwait) wakes for nothing; an mwait sleeps through a store. `heartbeats`: waits
        store the time of their last look at the clock."""

    def limit(
        self,
        *,
        steps: Optional[int] = None,
        patience: Optional[int] = None,
        stops_at_finding: Optional[bool] = None,
        traces: Optional[bool] = None,
    ) -> None:
        """Change what is named. Steps of an execution, polls before a waiter sleeps, whether a
        finding ends the execution, whether `trace` is kept."""

    def begin(self, seed: int = 0) -> None:
        """A new execution: nobody is alive, memory is 0. Arm triggers, then `start`."""

    def start(self) -> None: ...
    def go(self, until_ns: int = ...) -> str:
        """Until the clock comes there or something stops the execution; one of STOPS. Where
        nothing can move by itself any more, "ended" or "stuck" come at once."""

    def pass_time(self, until_ns: int) -> None:
        """Nothing can move; the clock comes there."""

    def execute_many(self, first_seed: int, count: int) -> Tuple[int, int]:
        """Executions without triggers or faults, seeds in a row; those made until one stopped in
        another way than "ended" (that one included), and the steps of all."""

    def explore_all(
        self,
        *,
        reduce: bool = True,
        max_executions: int = ...,
        max_deviations: Optional[int] = None,
        stops_at_first: bool = True,
        on_execution: Optional[Callable[[Simulation], object]] = None,
    ) -> Explored:
        """Every execution, by depth-first search; an Explored.

        `reduce`: one for all that differ only in the order of independent steps. `max_deviations`:
        those with at most so many nonzero choices, fewest first, not reduced. Ends with the first
        that did not end well, unless told not to, or for which `on_execution(self)`, called after
        each, returned true; it is left to look at. Reduced executions have at most 10,000 steps.
        ValueError: too large to reduce.
        """

    @property
    def stop(self) -> str: ...
    @property
    def finding(self) -> Optional[Tuple[str, int, int]]:
        """None, or what the oracles found first: its name, process, position."""

    @property
    def race(self) -> Optional[Tuple[int, int, int, int]]:
        """None, or of a finding "race" the two accesses: process and site of the later one, process
        and site of the other."""

    @property
    def steps(self) -> int: ...
    @property
    def rescued(self) -> int:
        """Hardware waits that only their timer ended although a store should have; exact where
        nothing else is timed."""
    @property
    def clock_ns(self) -> int: ...
    @property
    def tape(self) -> bytes: ...
    @property
    def has_diverged(self) -> bool: ...
    @property
    def hash(self) -> int: ...
    @property
    def reached(self) -> int:
        """The process that is held at a trigger, after a stop "reached"."""

    def count_states(self) -> None:
        """From now on; it costs time."""

    @property
    def sketch(self) -> bytes:
        """Of the states met, as bytes; the maximum of two is that of both together."""

    @property
    def reads_from(self) -> Set[Tuple[int, int]]:
        """Pairs (site that read, site that had written) that have occurred; 0 is nobody."""

    @property
    def visited(self) -> Set[int]:
        """The sites that a process has come to."""

    @property
    def outcomes(self) -> Set[Tuple[int, int, int]]:
        """(process, function, outcome) of the ends of operations that have occurred, as numbers of
        the flight recorder; outcome 0 is an end without one."""

    def state(self, index: int) -> str: ...
    def site(self, index: int) -> int: ...
    def done(self, index: int) -> int:
        """Operations completed, over all incarnations."""

    def condition(self, index: int) -> Dict[str, Any]:
        """What the machine knows of the process and its current life, by name."""

    def records(self, index: int) -> bytes:
        """The flight recorder's lines of this process's current life, as bytes."""

    def trace(self) -> List[Tuple[str, int, int, int, int, int, int, int]]:
        """(event, process, site, offset, value, order, tape length, age) of each thing that
        happened. Age: with RA, so many messages are newer than the one that a load read."""

    def arm(
        self, index: int, step: int, occurrence: int = 1, after: int = 0, phase: str = "messages"
    ) -> None:
        """Hold the process when it comes to the step for that time within one operation, having
        completed `after` of them and come to one of PHASES."""

    def hold_after(self, index: int, completed: int) -> None:
        """Hold it before its next operation once so many are completed."""

    def release(self, index: int) -> None: ...
    def kill(self, index: int) -> None: ...
    def restart(self, index: int) -> None:
        """Its next life begins; it is held once it is attached."""

    def hold_back(self, index: int, is_held_back: bool = True) -> None:
        """In executions that `begin` from now on it is not started with the others."""

    def attach(self, index: int) -> None:
        """The life of one that was held back begins; it is held once it is attached."""

    def stop_attached(self, index: int) -> None:
        """Hold it once it is attached, where a trigger kept it from being so at the start."""

    def pause(self, index: int) -> None: ...
    def resume(self, index: int) -> None: ...
    def slow(self, index: int, per_operation_ns: int) -> None: ...
    def raise_in_read(self, index: int) -> None: ...

    def evidence(self) -> List[Dict[str, Any]]:
        """What each process is at, as plain dictionaries, in order of processes.

        `position`: of a ring's message (the writer's: messages sent), or in its program.
        `progress`: messages, or the place in its program, where a loop of "jump" is one place.
        `watches`: (offset, value now, last writer or None) of what it looks at to go on.
        `futex`: what a sleeper sleeps on. `retries`: it looks again before it believes a wake-up.
        `buffered`: stores (offset, value) that nobody else sees yet. `stores_ahead`: offsets that
        the rest of a program stores to or wakes.
        """

    def values(self) -> Dict[int, int]:
        """What memory holds: value by offset, without what is still in a buffer."""

    def state_of_programs(self) -> Optional[int]:
        """Memory, registers, positions and buffers of litmus programs as one number; two moments
        with the same one go on alike. None where that cannot be told: rings, RA, within `put2`,
        `get2`."""

    def wake(self, index: int) -> None:
        """A spurious wake-up: a sleeper's FUTEX_WAIT returns. ValueError: it does not sleep."""

    def revive(self, index: int) -> None:
        """Undo a death: the life goes on where it ended. ValueError: it is not dead."""
