"""Arm, watch and drive the step gate of a process, from any process that maps its control block."""

import enum
from typing import Any, Dict, Optional, Tuple, Type

GATE_BYTES: int
ANY: int
ACTIONS: Dict[str, int]  # stop, kill, token, raise
STEPS: Tuple[Tuple[int, str], ...]

Step: Type[enum.IntEnum]

def number_of(step: str) -> int:
    """The number of a step's name. Raises ValueError for an unknown one."""

def arm(buffer: memoryview, step: Optional[str], action: str, occurrence: int = 1) -> None:
    """At the nth occurrence of `step` within one message, take `action` once.

    The action is taken before the op of the step: stop (SIGSTOP to itself), kill (SIGKILL), token
    (wait for one), raise (GateRaised out of the operation of an end). `step` None: at every step,
    each time (tokens only). Polls of one wait count once. Raises ValueError for an unknown step or
    action.
    """

def disarm(buffer: memoryview) -> None:
    """Nothing more is taken. Who waits for a token still waits for it."""

def grant(buffer: memoryview, tokens: int = 1) -> None:
    """Let the process pass `tokens` steps at which it waits or will wait."""

def await_arrivals(buffer: memoryview, arrivals: int, deadline_ns: int) -> bool:
    """Wait until the action was taken `arrivals` times in all; False: the deadline came first."""

def state(buffer: memoryview) -> Dict[str, Any]:
    """What the gate has seen: armed, arrivals, last_step, last_occurrence, visited (names)."""

def install(buffer: Optional[memoryview]) -> None:
    """Pass every op of this process's kernels through the gate in `buffer`; None: through none.

    The buffer is held for as long. Install before anything runs: a thread inside a kernel may
    still be on its way past the old one.
    """
