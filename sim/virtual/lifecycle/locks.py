"""Locks of one process: a fork copies them as they are, and of its threads only the one that forks.

The owner is the identifier of a thread, as in CPython: in a copy there may be nobody of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from sim.virtual.lifecycle.steps import Steps, Wait

if TYPE_CHECKING:
    from sim.virtual.lifecycle.interpreter import Interpreter


class Lock:
    """threading.Lock: no owner is asked for when it is given back; who has it is for evidence."""

    def __init__(self, name: str = "lock") -> None:
        self.name = name
        self.owner: Optional[int] = None

    @property
    def is_free(self) -> bool:
        return self.owner is None

    def acquire(self, py: Interpreter, *, timeout_ns: Optional[int] = None) -> Steps[bool]:
        until_ns = None if timeout_ns is None else py.now_ns + timeout_ns
        yield None
        while not self.is_free:
            if until_ns is not None and py.now_ns >= until_ns:
                return False
            yield Wait(lambda: self.is_free, self, until_ns)
        self.owner = py.ident
        return True

    def release(self) -> None:
        self.owner = None


class Event:
    """threading.Event."""

    def __init__(self, name: str = "event") -> None:
        self.name = name
        self.is_set = False

    def set(self) -> None:
        self.is_set = True

    def wait(self, py: Interpreter, *, timeout_ns: Optional[int] = None) -> Steps[bool]:
        until_ns = None if timeout_ns is None else py.now_ns + timeout_ns
        yield None
        while not self.is_set:
            if until_ns is not None and py.now_ns >= until_ns:
                return False
            yield Wait(lambda: self.is_set, self, until_ns)
        return True


class Barrier:
    """threading.Barrier, once."""

    def __init__(self, parties: int) -> None:
        self.name = "barrier"
        self.parties = parties
        self.count = 0

    def wait(self, py: Interpreter) -> Steps[None]:
        yield None
        self.count += 1
        while self.count < self.parties:
            yield Wait(lambda: self.count >= self.parties, self)
