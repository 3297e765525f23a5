"""A process that is ready to show its Python stacks when a monitor asks for them by a signal.

A signal that nobody catches kills, and one that the program catches for itself makes it do
something else. So whoever asks needs a proof that the handler is ours, and gets it from the
descriptor that faulthandler writes to: a memfd, whose name says which signal asks. A fork hands on
the descriptor and the handler, an exec takes away both. Who has no such descriptor is not asked.
The name also says in which process all this began, so that orphans are found: the family.

faulthandler writes in C, from the signal handler: no GIL is needed, and no thread but one that the
OS interrupts. What can still fail: a signal that is blocked in all threads, and a program that
later handles the signal itself, which is then called.

Children of multiprocessing get ready by themselves: each process hands its `_config` to those that
it makes, and they theirs. Under spawn and forkserver it is pickled; to unpickle what we put there
is to register.
"""

from __future__ import annotations

import faulthandler
import fcntl
import os
import signal
from typing import Any, Callable, Iterator, NamedTuple, Optional, Tuple

from sim.live.procfs import has_signal, read, stat

MEMORY = "spinbed-watched"  # .<number of the signal>.<family>
LINK = f"/memfd:{MEMORY}."
KEY = "spinbed_watched"

_descriptor = -1  # where faulthandler writes; a child of fork has the same
_family = ""


class Registered(NamedTuple):
    descriptor: int  # there
    signal: int
    family: str


def watchable() -> None:
    """Make this process and the processes that it starts by multiprocessing ready to be asked.

    `watch` does it, and so do children of multiprocessing. It is for programs that a watching
    process starts in another way. It takes one signal that the program does not use.
    """
    _register(_family or family_of(os.getpid()))
    _hand_on()


def family_of(pid: int) -> str:
    """What the processes are called by that have begun with this one; "" where it has ended."""
    found = stat(pid)
    return f"{pid}-{found.start_ticks}" if found is not None else ""


def free_signal() -> int:
    """One that nobody here catches or ignores. OSError where there is none."""
    status = read(os.getpid(), "status")
    # From the end that the fewest programs use: one may take SIGUSR1 after we have looked.
    of_real_time = range(signal.SIGRTMAX - 1, signal.SIGRTMIN, -1)
    for number in (*of_real_time, signal.SIGUSR2, signal.SIGUSR1):
        if not any(has_signal(status, field, number) for field in (b"SigCgt:", b"SigIgn:")):
            return int(number)
    raise OSError("every signal that a program may use is in use")


def registered(pid: int) -> Optional[Registered]:
    """None: it is not ready. PermissionError where we may not look."""
    for descriptor, link in _links(pid):
        if link.startswith(LINK):
            number, _, family = link[len(LINK) :].split()[0].partition(".")
            return Registered(descriptor, int(number), family)
    return None


def _links(pid: int) -> Iterator[Tuple[int, str]]:
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError):
        return
    for name in names:
        try:
            yield int(name), os.readlink(f"{folder}/{name}")
        except (FileNotFoundError, ProcessLookupError):
            pass  # closed meanwhile


def _register(family: str) -> None:
    global _descriptor, _family
    _family = family
    if _is_ours(_descriptor):
        return
    number = free_signal()
    made = os.memfd_create(f"{MEMORY}.{number}.{family}", os.MFD_CLOEXEC)
    # The reader empties it; a writer that shares its offset with others writes at the end.
    fcntl.fcntl(made, fcntl.F_SETFL, fcntl.fcntl(made, fcntl.F_GETFL) | os.O_APPEND)
    faulthandler.register(number, file=made, all_threads=True)
    _descriptor = made


def _is_ours(descriptor: int) -> bool:
    """A program that becomes a daemon may have closed it."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith(LINK)
    except OSError:
        return False


class _Readiness:
    """Unpickled, it makes the process ready in which that happens."""

    def __reduce__(self) -> Tuple[Callable[[str], _Readiness], Tuple[str]]:
        return _arrive, (_family,)


def _arrive(family: str) -> _Readiness:
    try:
        _register(family)
    except OSError:
        pass  # the program must not fail of it; that it cannot be asked is said then
    return _Readiness()


def _hand_on() -> None:
    from multiprocessing import process

    of_all: Any = process
    of_all.current_process()._config[KEY] = _Readiness()
    for made in list(of_all._dangling):  # those that were made before: some may start yet
        made._config.setdefault(KEY, _Readiness())
