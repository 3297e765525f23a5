"""What the code of a simulated thread is made of: generators that yield where others may go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Generator, Optional, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

US = 1_000  # ns
MS = 1_000_000
S = 1_000_000_000

# What things cost, about as measured; models need no more than their order.
START_NS = 20 * MS  # of an interpreter: from exec to the first line of a program
FORK_NS = 1 * MS
BODY_STEPS = 5  # of a module, to be found and compiled: work, in which others may have their turns
SWITCH_NS = 5 * MS  # sys.getswitchinterval()


@dataclass(frozen=True)
class Wait:
    """A thread that yields one stays where it is until `ready`, or until that time.

    Who goes on looks again: others may have been faster.
    """

    ready: Callable[[], bool]
    on: Any = None  # a lock, a thread, a process, an end of a channel; None: the time alone
    until_ns: Optional[int] = None
    is_at_work: bool = False  # it uses a core meanwhile
    keeps_interpreter_lock: bool = False  # native code that does not give it back


Steps = Generator[Optional[Wait], None, T]  # to yield None is to let others go first


def never() -> bool:
    return False


def modelled(error: E) -> E:
    """An exception of the simulated program. Any other one is a defect of the model."""
    error.is_modelled = True  # type: ignore[attr-defined]
    return error


def is_modelled(error: BaseException) -> bool:
    return isinstance(error, SystemExit) or getattr(error, "is_modelled", False)


def suppressed(error: BaseException) -> None:
    """contextlib.suppress: of the program's own exceptions, not of a defect of its model."""
    if not is_modelled(error):
        raise error


class Exited(BaseException):
    """os._exit: the process ends here, and nothing of it runs any more."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
