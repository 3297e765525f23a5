"""The table of commands; each is imported when it was asked for."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import os
import signal
import sys
import traceback
from typing import Callable, Mapping, NoReturn, Sequence

import cy_kernels
from sim.arguments import parse, version
from sim.errors import ExitStatus, Problem, ScenarioError, WorldError
from sim.exploring_arguments import explorer
from sim.live import termination

PIPE_CLOSED = 128 + signal.SIGPIPE
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
REPORT_A_BUG = "This is a bug in spinbed. Please report it, with the lines above and the command."


def execute(argv: Sequence[str]) -> int:
    """The exit status; says what went wrong on standard error. Raises KeyboardInterrupt."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name the locale cannot show
    try:
        arguments = parse(argv)
        command = COMMANDS[arguments.command]()  # imports what takes long
        termination.become(termination.OPEN)
        status = command(arguments)
        sys.stdout.flush()
        return int(status)
    except ScenarioError as error:
        return _say(error, ExitStatus.BAD_INPUT)
    except BrokenPipeError:
        _give_up_stdout()
        return PIPE_CLOSED
    except WorldError as error:
        return _say(error, ExitStatus.UNKNOWN)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            _give_up_stdout()
            return _say(f"cannot write the report: {error.strerror}", ExitStatus.UNKNOWN)
        traceback.print_exc()
        return _say(REPORT_A_BUG, ExitStatus.BUG)


def _open_closed_streams() -> None:
    """A stream that our caller closed goes nowhere; left alone, its number would be taken by the
    next socket or journal, and whatever a participant prints would end in there."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere < number:  # the lowest free one: that of an earlier stream
                os.dup2(nowhere, number)
                os.close(nowhere)
                nowhere = number
            os.set_inheritable(nowhere, True)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(nowhere, mode, encoding="utf-8", closefd=False))


def _give_up_stdout() -> None:
    """The interpreter's own flush at exit must not fail a second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(what: object, status: ExitStatus) -> int:
    with contextlib.suppress(OSError):  # nobody reads, or the disk is full
        print(what, file=sys.stderr, flush=True)
    return int(status)


def _version(arguments: argparse.Namespace) -> ExitStatus:
    print(f"spinbed {version()} ({cy_kernels.status()})")
    return ExitStatus.OK


def _refuse(message: str) -> NoReturn:
    raise ScenarioError([Problem("spinbed", None, None, message)])


Command = Callable[[argparse.Namespace], ExitStatus]


def _later(module: str, name: str) -> Callable[[], Command]:
    """A command of a module that only this one needs."""

    def imported() -> Command:
        command: Command = getattr(importlib.import_module(module), name)
        return command

    return imported


def _simulated(module: str, name: str) -> Callable[[], Command]:
    """A command that needs the simulated machine, which is there only where it was compiled."""

    def imported() -> Command:
        try:
            explorer()
        except argparse.ArgumentTypeError as error:
            _refuse(str(error))
        return _later(module, name)()

    return imported


COMMANDS: Mapping[str, Callable[[], Command]] = {
    "run": _later("sim.running", "run_command"),
    "list": _later("sim.reading", "list_command"),
    "validate": _later("sim.reading", "validate_command"),
    "schema": _later("sim.reading", "schema_command"),
    "try": _later("sim.trying", "try_command"),
    "matrix": _later("sim.matrix", "matrix_command"),
    "new": _later("sim.trying", "new_command"),
    "report": _later("sim.reporting", "report_command"),
    "attach": _later("sim.attaching", "attach_command"),
    "bench": _later("sim.benching", "bench_command"),
    "doctor": _later("sim.surroundings", "doctor_command"),
    "explore": _simulated("sim.exploration", "explore"),
    "replay": _simulated("sim.replaying", "replay"),
    "shrink": _simulated("sim.tapes", "shrink_tape"),
    "diff": _simulated("sim.tapes", "diff"),
    "check": _simulated("sim.checking", "check_command"),
    "version": lambda: _version,
}
