"""Why a program does not end, told from outside: evidence in, a class out.

A thread that waits for a lock of its process, without a time-out, can be let go by a thread of that
process alone: where all of them do, nobody ever will be. What a process waits for may be a child of
it: then the child's reason is its own. Plan and faults are not looked at.
"""

from __future__ import annotations

import platform
from typing import Any, Collection, List, Mapping, Optional, Sequence, Tuple

from sim.hang.classes import Hang, Wait
from sim.history.hang_class import MEANINGS, HangClass

Evidence = Mapping[str, Any]  # as sim.live.program_evidence collects it
Process = Mapping[str, Any]
Frame = Mapping[str, Any]

FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine())
WAITS = (0, 9)  # FUTEX_WAIT, FUTEX_WAIT_BITSET, see futex(2)
PRIVATE = 128
COMMAND = 127
ASKS_PER_S = 50  # who waits for the interpreter lock looks every 5 ms, see Python/ceval_gil
WORKING = 0.1  # of a core, over the window

BOOTSTRAP = "<frozen importlib._bootstrap>"
LOADS = ("_load_unlocked", "_find_and_load")
WAY_OUT = (
    ("threading.py", "_shutdown"),
    ("multiprocessing/util.py", "_exit_function"),
    ("concurrent/futures/thread.py", "_python_exit"),
    ("concurrent/futures/process.py", "_python_exit"),
)
# What says more of the cause comes first.
ORDER = (
    HangClass.FORK_INHERITED_LOCK,
    HangClass.IMPORT_DEADLOCK,
    HangClass.GIL_HELD,
    HangClass.TEARDOWN_STUCK,
    HangClass.DEADLOCK,
    HangClass.PEER_STOPPED,
    HangClass.STARTUP_NEVER,
)


def tell(evidence: Evidence) -> Hang:
    """Of the processes, the one that says most of the cause; UNKNOWN where none says any."""
    processes: Sequence[Process] = evidence["processes"]
    kinds = [(kind_of(each, evidence), each) for each in processes]
    who = tuple(_name(each) for each in processes if each["name"] is not None)
    waits = tuple(_wait(each) for each in processes)
    for kind in ORDER:
        for found, process in kinds:
            if found is kind:
                on = () if process["name"] is not None else (_name(process),)
                why = f"{_name(process)}: {REASONS[kind]}{_at(process)}"
                return Hang(kind, who, on, why, "inferred: nobody has intervened", waits)
    unknown = HangClass.UNKNOWN
    silent = [_silent(each) for each in processes if not each["answers"]]
    why = "; ".join([MEANINGS[unknown], *silent])
    return Hang(unknown, who, (), why, "inferred: nobody has intervened", waits)


def _silent(process: Process) -> str:
    return f"{_name(process)} is in native code, and Python does not answer there{_at(process)}"


REASONS: Mapping[HangClass, str] = {
    HangClass.FORK_INHERITED_LOCK: "a fork of its parent, waits for a lock that no thread of it "
    "can have",
    HangClass.IMPORT_DEADLOCK: "all of its threads wait for locks of its own, one of them for a "
    "module's import",
    HangClass.GIL_HELD: "one thread is in native code and keeps the interpreter lock",
    HangClass.TEARDOWN_STUCK: "on its way out, waits for what does not end",
    HangClass.DEADLOCK: "all of its threads wait for locks of its own",
    HangClass.PEER_STOPPED: "is stopped, or its control group is frozen",
    HangClass.STARTUP_NEVER: "is still in its imports, and has passed no probe",
}


def kind_of(process: Process, evidence: Evidence) -> Optional[HangClass]:
    """Of one process by itself; None: it may be waiting for another, or be at work."""
    if process["state"] in "Tt" or process["is_frozen"]:
        return HangClass.PEER_STOPPED
    threads: Sequence[Mapping[str, Any]] = process["threads"]
    stacks: Sequence[Sequence[Frame]] = process["stacks"]
    main = stacks[-1] if stacks else []
    said = {each["tid"] for each in process["locks"]}
    is_locked = bool(threads) and all(_waits_for_own_lock(each, said) for each in threads)
    if is_locked and process["is_fork"] and len(threads) == 1:
        return HangClass.FORK_INHERITED_LOCK
    if is_locked and any(_waits_for_import(stack) for stack in stacks):
        return HangClass.IMPORT_DEADLOCK
    if keeps_interpreter_lock(threads, evidence["window_ns"]):
        return HangClass.GIL_HELD
    if not is_locked and is_in_native_code(process):
        return HangClass.GIL_HELD
    if any((_tail(frame["file"]), frame["function"]) in WAY_OUT for frame in main):
        return HangClass.TEARDOWN_STUCK
    if is_locked:
        return HangClass.DEADLOCK
    is_at_work = any(each["cpu_ns"] > WORKING * evidence["window_ns"] for each in threads)
    if not is_at_work and process["name"] not in {None, *evidence["last_probes"]}:
        if any(frame["file"] == BOOTSTRAP and frame["function"] in LOADS for frame in main):
            return HangClass.STARTUP_NEVER
    return None


def _waits_for_own_lock(thread: Mapping[str, Any], said: Collection[int]) -> bool:
    """For ever, for a word that only its own process can wake it from. `said`: the threads of which
    the interpreter says so."""
    number, arguments = _call(thread)
    if number is None:  # not ours to know: asleep all the time, in a futex, or where it was said
        is_asleep = thread["state"] == "S" and not thread["switches"] and not thread["cpu_ns"]
        channel = thread["wait_channel"]
        return is_asleep and (channel.startswith("futex") if channel else thread["tid"] in said)
    if number != FUTEX or len(arguments) < 4:
        return False
    command, timeout = arguments[1], arguments[3]
    return bool(command & PRIVATE) and command & COMMAND in WAITS and not timeout


def keeps_interpreter_lock(threads: Sequence[Mapping[str, Any]], window_ns: int) -> bool:
    """All but one look again and again whether a word has changed, and have nothing to do."""
    asking = [each for each in threads if _asks(each, window_ns)]
    return len(asking) > 0 and len(asking) == len(threads) - 1


def is_in_native_code(process: Process) -> bool:
    """With the interpreter lock: Python neither sleeps with that, nor leaves a signal unheard."""
    gil = process["gil"]
    return gil is not None and (gil["is_asleep"] or not process["answers"])


def _asks(thread: Mapping[str, Any], window_ns: int) -> bool:
    number, arguments = _call(thread)
    is_timed = number is None or (number == FUTEX and len(arguments) > 3 and bool(arguments[3]))
    looks = thread["switches"] / (window_ns / 1e9)
    is_idle = thread["cpu_ns"] < WORKING * window_ns
    return is_timed and is_idle and looks > ASKS_PER_S


def _call(thread: Mapping[str, Any]) -> Tuple[Optional[int], List[int]]:
    """The number of the system call that it is in, -1 in none, None where that is not known."""
    words = thread["system_call"].split()
    if not words:
        return None, []
    if words[0] == "running":
        return -1, []
    return int(words[0]), [int(word, 16) for word in words[1:7]]


def _waits_for_import(stack: Sequence[Frame]) -> bool:
    return any(frame["file"] == BOOTSTRAP and frame["function"] == "acquire" for frame in stack[:4])


def _tail(path: str) -> str:
    """As WAY_OUT has it."""
    parts = path.split("/")
    for file, _ in WAY_OUT:
        if parts[-1 - file.count("/") :] == file.split("/"):
            return file
    return path


def _at(process: Process) -> str:
    """The innermost line of the main thread that is the program's own."""
    main: Sequence[Frame] = process["stacks"][-1] if process["stacks"] else ()
    for frame in main:
        if not frame["file"].startswith("<frozen "):
            return f", at {frame['file']}:{frame['line']} in {frame['function']}"
    return ""


def _name(process: Process) -> str:
    return process["name"] or f"process {process['pid']}"


def _wait(process: Process) -> Wait:
    at = _at(process)[len(", at ") :] or process["command"]
    return Wait(_name(process), _where(process), at, (), ())


def _where(process: Process) -> str:
    channels = sorted({each["wait_channel"] for each in process["threads"]} - {""})
    locks = sorted({each["lock"] for each in process["locks"]})
    if channels or locks:
        return ", ".join(channels or locks)
    return "asleep" if all(each["state"] == "S" for each in process["threads"]) else "running"
