"""Emulate the instructions that wait on memory, by the signal that a host without them answers.

umonitor, umwait, tpause, monitorx and mwaitx raise SIGILL where the processor lacks them; with a
marker before them (SPINBED_UD2_MARKERS, cy_kernels.mutants) they do so everywhere. An installed
trap does what they would have done, counts it, and can let wake-ups be missed, early or raced. So
the machine code of every wait strategy runs on any x86-64 host, though not as fast.

The control block may lie in shared memory: other processes disturb by it, and read it after a
death. Times are cycles of the TSC.
"""

from typing import Any, Dict, Optional, Tuple, Union

Block = Union[bytearray, memoryview]

TRAP_BYTES: int
INSTRUCTIONS: Tuple[str, ...]
ENDINGS: Tuple[str, ...]
DISTURBANCES: Tuple[str, ...]
LIMIT_CYCLES: int

def refusal() -> Optional[str]:
    """Why nothing can be installed here; None: it can."""

def install(
    buffer: Optional[Block] = None, *, line_bytes: int = 64, limit_cycles: int = 100_000
) -> None:
    """Emulate from now on what traps in this process; children by fork inherit it.

    After faulthandler.enable(), which would take the signal otherwise. A SIGILL that is not ours
    goes to the handler of before: an illegal instruction still ends the process, with
    faulthandler's dump.

    `buffer`: TRAP_BYTES of zeros, or of earlier use, aligned to 8, held until `uninstall`; None: a
    fresh block of the module's own. `line_bytes`: how much one monitor watches, a power of two from
    8 to 4096. `limit_cycles`: the operating system's limit of umwait and tpause, 0 for none; 100000
    is what Linux sets.

    Memory that is waited on must stay mapped for as long, which hardware does not ask for. A store
    that changes no byte is not noticed, which hardware would do.

    Raises NotImplementedError where there are no such instructions to emulate, RuntimeError where a
    trap is installed already, ValueError for another buffer or line, OSError where the kernel
    refuses.
    """

def uninstall() -> None:
    """SIGILL is as before `install`, and who waits in the emulator has left it. A no-op where
    nothing is installed. Raises OSError where somebody does not leave."""

def is_installed() -> bool:
    """In this process, by this module."""

def disturb(buffer: Optional[Block], how: str, *, every: int = 1, cycles: int = 0) -> None:
    """Disturb every nth wait (for raced_arm: every nth arming) from now on, in the process whose
    trap is in `buffer`; None: in this one.

    missed      no store ends the wait, only its deadline, the limit, or an interrupt
    early       the wait ends after `cycles`, though nothing was stored
    raced_arm   the thread is held before its line is armed, until somebody stores to it
    raced_wait  it is held between arming and waiting, until somebody stores; then it wakes at once
    raced_lost  the same, but that store is not noticed

    Who is held goes on after `cycles` (0: 4,000,000, one to two ms), with a token, at an interrupt,
    or when the disturbance ends. Raises ValueError for an unknown disturbance.
    """

def calm(buffer: Optional[Block]) -> None:
    """Disturb nothing any more: a wait that missed a store notices it now."""

def limit(buffer: Optional[Block], cycles: int) -> None:
    """From their next wait on umwait and tpause end after so many cycles, with the carry set; 0:
    no limit."""

def grant(buffer: Optional[Block], tokens: int = 1) -> None:
    """Let go so many of the threads that a disturbance holds, or will hold."""

def state(buffer: Optional[Block] = None) -> Dict[str, Any]:
    """What has been seen so far, by any thread.

    instructions  of each: emulated, how often; reserved, with bits that the manuals reserve; of
                  mwaitx unbounded, without a timer; and the operands of the last: address,
                  extensions, control (the C-state asked for), deadline, cycles (until then; of
                  mwaitx its timer), and longest_cycles, the most ever asked for
    armings, waits     how many lines were armed, and how many waits had one, or needed none
    waiting, held      threads in such a wait, held by a disturbance: now; stale after a death
    handed_on          SIGILLs that were none of ours
    ended              waits, by what ended them: change, deadline, limit, signal, disturbance,
                       removal (of the trap), unarmed (nothing was armed, so there was no wait)
    disturbed, struck  waits or armings that each disturbance chose; and where it struck: a store
                       was lost or raced, a wake-up was too early
    disturbance        which one now, "calm" for none
    """

def decode(code: Union[bytes, bytearray, memoryview]) -> Optional[Tuple[str, int, int]]:
    """What `code` begins with: the instruction's name, its length in bytes with its marker, and the
    number of the register that it names (0: rax); None: no instruction that waits."""
