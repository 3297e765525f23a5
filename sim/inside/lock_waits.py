"""For which locks of its own each thread of this process waits, said when a signal asks.

From outside it shows in the system call that a thread is in, which is for those alone who may trace
the process. Here the innermost frame of a thread is looked at: its line is `with LOCK:`, or has one
call only, LOCK.acquire(), without a time-out, and what LOCK names there is a lock of the
interpreter's, which no other process can let go. Names are looked up as they lie in memory: nothing
of the program's own runs.

The handler is one of Python's level: it runs when the main thread comes back from native code, or
is in a wait that lets itself be interrupted, as that for a lock is. So no answer tells something,
too: the main thread is in native code, or waits there for the interpreter lock.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys

from . import channel, shared_locks

TYPE_CHECKING = False  # see channel
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any, Dict, Iterator, List, Optional, Tuple

SIGNAL = int(signal.SIGRTMAX) - 2
ANSWER = "locks"
THREADS_MAX = 500  # of which a message has room
BOOTSTRAP = "<frozen importlib._bootstrap>"
ONLY_AST = 0x400  # see ast.PyCF_ONLY_AST; ast itself takes 5 ms to import
# What waits for a thread of the same process: by the type's module and name, the methods.
WAITS = {
    ("_thread", "lock"): ("acquire", "__enter__"),
    ("_thread", "RLock"): ("acquire", "__enter__"),
    ("_thread", "_ThreadHandle"): ("join",),
    ("_queue", "SimpleQueue"): ("get",),
}


def listen() -> None:
    """A no-op in an interpreter that handles no signals, as one inside of another does not."""
    try:
        signal.signal(SIGNAL, _answer)
    except ValueError:
        pass


def _answer(_: int, frame: Optional[FrameType]) -> None:
    channel.say({"answer": ANSWER, "locks": waits(frame), "shared": shared_locks.known()})


def waits(interrupted: Optional[FrameType]) -> List[Dict[str, Any]]:
    """By thread that waits for one: `tid` as the OS has it, and `lock`, how the program calls it.
    To be called in the main thread, with the frame that it is in."""
    frames = {**sys._current_frames()}
    frames.pop(_thread.get_ident())
    threads = {**getattr(sys.modules.get("threading"), "_active", {})}
    found: List[Tuple[int, Optional[FrameType]]] = [(os.getpid(), interrupted)]
    for ident, frame in frames.items():
        found.append((getattr(threads.get(ident), "native_id", None) or 0, frame))
    named = []
    for tid, innermost in found[:THREADS_MAX]:
        lock = lock_waited_for(innermost) if tid and innermost is not None else None
        if lock is not None:
            named.append({"tid": tid, "lock": lock})
    return named


def lock_waited_for(frame: FrameType) -> Optional[str]:
    """As the program calls it; None: the frame's line may be waiting for something else."""
    code = frame.f_code
    if code.co_filename == BOOTSTRAP:
        lock = frame.f_locals.get("self") if code.co_name == "acquire" else None
        return None if lock is None else f"the import of {getattr(lock, 'name', '?')}"
    statement = _statement(code, frame.f_lineno)
    if statement is None:
        return None
    if type(statement).__name__ == "With":
        held = [each.context_expr for each in statement.items]
        found = [_own(expression, "acquire", frame) for expression in held]
        return None if None in found else " or ".join(dict.fromkeys(map(str, found)))
    calls = [each for each in _nodes(statement) if type(each).__name__ == "Call"]
    if len(calls) != 1 or type(calls[0].func).__name__ != "Attribute":
        return None
    given = [*calls[0].args, *(each.value for each in calls[0].keywords)]
    if not all(_is_for_ever(each, frame) for each in given):
        return None
    return _own(calls[0].func.value, calls[0].func.attr, frame)


def _statement(code: CodeType, line: Optional[int]) -> Any:
    """Of one line; None: its file is not to be had, or it does not stand on one line."""
    try:
        if line is None or not os.path.isfile(code.co_filename):
            return None
        with open(code.co_filename, encoding="utf-8", errors="replace") as file:
            text = file.read().split("\n")[line - 1].strip()
    except (OSError, IndexError):
        return None
    for whole in (text, f"{text} pass", f"{text[2:]} pass"):  # what has a body; elif
        try:
            statements = compile(whole, "", "exec", ONLY_AST, dont_inherit=True).body
        except (SyntaxError, ValueError):
            continue
        return statements[0] if len(statements) == 1 else None
    return None


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for name in node._fields:
        value = getattr(node, name, None)
        for each in value if isinstance(value, list) else [value]:
            if hasattr(each, "_fields"):
                yield from _nodes(each)


def _own(expression: Any, method: str, frame: FrameType) -> Optional[str]:
    """The expression's text, where it names something that the method waits for."""
    named = _path(expression)
    if named is None:
        return None
    try:
        kind = type(_valued(named, frame))
    except LookupError:
        return None
    waiting = WAITS.get((kind.__module__, kind.__name__), ())
    return ".".join(named) if method in waiting else None


def _path(expression: Any) -> Optional[List[str]]:
    """NAME.NAME.NAME"""
    names: List[str] = []
    while type(expression).__name__ == "Attribute":
        names.insert(0, expression.attr)
        expression = expression.value
    return [expression.id, *names] if type(expression).__name__ == "Name" else None


def _valued(path: List[str], frame: FrameType) -> Any:
    """Raises LookupError."""
    known = frame.f_locals if path[0] in frame.f_locals else frame.f_globals
    value = known[path[0]]
    for name in path[1:]:
        value = _attribute(value, name)
    return value


def _attribute(value: Any, name: str) -> Any:
    """As it lies there: a property would run. Raises LookupError."""
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    if name in own:
        return own[name]
    for kind in type(value).__mro__:
        found: Any = kind.__dict__.get(name)
        if type(found).__name__ == "member_descriptor":  # of __slots__
            try:
                return found.__get__(value)
            except AttributeError:
                break
        if found is not None:
            return found
    raise LookupError(name)


def _is_for_ever(argument: Any, frame: FrameType) -> bool:
    """As each argument of theirs may be: to block, and no time-out."""
    value = None
    if type(argument).__name__ == "UnaryOp":
        is_negative = type(argument.op).__name__ == "USub"
        return is_negative and getattr(argument.operand, "value", 0) == 1
    if type(argument).__name__ == "Constant":
        value = argument.value
    else:
        named = _path(argument)
        try:
            value = _valued(named, frame) if named is not None else 0
        except LookupError:
            return False
    return value is True or value is None or (type(value) is int and value == -1)
