"""The arguments of the command, and what is said about wrong ones."""

from __future__ import annotations

import argparse
import errno
import hashlib
import importlib.util
import os
import re
import shlex
import stat
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, NoReturn, Optional, Sequence

from sim.argument_types import (
    JOBS_MAX,
    JOURNALS,
    WORLDS,
    count,
    file,
    folder,
    hint,
    nearest,
    seed,
    world,
)
from sim.errors import ExitStatus, Problem, ScenarioError
from sim.report import DRAWN, REPORTS
from sim.selection import selection

if TYPE_CHECKING:
    from sim.scenario.plan import Plan
    from sim.scenario.scenario import Scenario

REPEAT_MAX = 1_000_000
JOURNAL_NAME_MAX = 100  # of the 255 bytes of a file name, with room for seed and suffix


@dataclass(frozen=True)
class ReportTo:
    """A report and where it goes; None is standard output."""

    alias: str
    file: Optional[Path]


class Parser(argparse.ArgumentParser):
    """argparse, but wrong usage is bad input like any other: status 64 and the nearest name."""

    def error(self, message: str) -> NoReturn:
        raise ScenarioError([Problem(file=self.prog, line=None, key=None, message=message)])


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Raises ScenarioError for wrong usage, SystemExit for --help and --version."""
    parser, commands = _parsers(argv)
    if not argv:
        parser.print_help(sys.stderr)
        raise SystemExit(ExitStatus.BAD_INPUT)
    command = argv[0]
    if command.startswith("-"):
        _known_flags("", argv, parser)
    elif command not in commands:
        _refuse(f"no command {command!r}", command, commands)
    else:
        _known_flags(f"{command} has ", argv[1:], commands[command])
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        _refuse(f"{command} takes no argument {unknown[0]!r}")
    if arguments.command is None:
        _refuse("no command is named", "", commands)
    if arguments.command == "run":
        _one_report_on_stdout(arguments)
    if arguments.command == "explore":
        _refuse_no_folder(arguments.tape_dir, f"--tape-dir {arguments.tape_dir}")
    if arguments.command == "shrink" and arguments.output is not None:
        _refuse_irregular(arguments.output, f"--output {arguments.output}")
        _refuse_no_folder(arguments.output.parent, f"--output {arguments.output}")
    if arguments.command == "bench":
        for flag in ("json", "page"):
            file = getattr(arguments, flag)
            if file is not None:
                _refuse_unwritable(file, f"--{flag} {file}")
        if arguments.plots is not None:
            _refuse_no_folder(arguments.plots, f"--plots {arguments.plots}")
    if arguments.command == "replay" and arguments.svg is not None:
        _refuse_unwritable(arguments.svg, f"--svg {arguments.svg}")
    return arguments


def _known_flags(lead: str, words: Sequence[str], parser: Parser) -> None:
    """argparse would first complain of what is missing, though the misspelt flag is the reason."""
    flags = parser._option_string_actions
    for word in words:
        if word == "--":
            return
        flag = word.split("=", 1)[0]
        if flag.startswith("--") and flag not in flags:
            _refuse(f"{lead}no option {flag!r}", flag, flags)


def _parsers(argv: Sequence[str]) -> tuple[Parser, dict[str, Parser]]:
    """Of the commands that argv has no word of, the options are left out: that saves imports."""
    parser = Parser(
        prog="spinbed",
        description="Run writer and reader processes over shared memory, break them, judge them.",
        epilog="Exit status of run, the worst wins: 70 bug in spinbed, 64 bad input, 1 safety or "
        "an unmet expectation, 4 crash, 3 liveness, 5 leak, 2 unknown, 0 all as expected.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version)
    table = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands = {}
    for name, what in (
        ("run", "run scenario files and judge what happened"),
        ("list", "name the runs that scenario files make"),
        ("validate", "say everything that is wrong with scenario files; import and start nothing"),
        ("schema", "print the JSON Schema of a scenario file"),
        ("try", "run a command of your own under faults, and say what happened"),
        ("matrix", "run scenarios of programs in several interpreters, and print one table"),
        ("attach", "say why processes stand still that something else has started"),
        ("bench", "measure transports side by side on this machine"),
        ("new", "write a commented scenario to begin with"),
        ("report", "print what is known of a hang, from its bundle"),
        ("doctor", "say what this host offers, what is missing, and what dead runs left over"),
        ("explore", "run scenarios in the virtual world, by many schedules"),
        ("replay", "make an execution again from its tape"),
        ("shrink", "find the smallest execution that fails like that of a tape"),
        ("diff", "name the first step in which the executions of two tapes differ"),
        ("check", "say whether a live run's journal is one that the simulated machine allows"),
        ("version", "print the version"),
    ):
        commands[name] = table.add_parser(name, help=what, description=what, allow_abbrev=False)
    for name in commands.keys() & set(argv):
        _options(name, commands[name])
    return parser, commands


class _Version(argparse.Action):
    """argparse's own wants to know the version before anybody asks for it."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        what = "show program's version number and exit"
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=what)

    def __call__(self, parser: argparse.ArgumentParser, *parsed: Any) -> NoReturn:
        print(f"spinbed {version()}")
        parser.exit()


def _options(name: str, parser: Parser) -> None:
    if name in ("run", "list", "validate", "explore", "matrix"):
        parser.add_argument(
            "paths", nargs="+", metavar="PATH", help="a scenario file, or a folder of them"
        )
    if name in ("run", "list", "explore", "matrix"):
        parser.add_argument(
            "-k",
            type=_expression,
            dest="expression",
            metavar="EXPR",
            default=None,
            help="only runs whose name has these words ('a b', 'not a', 'a or b'; '=name' exactly)",
        )
    if name == "run":
        _run_options(parser)
    elif name in ("try", "new", "matrix"):
        from sim import trying_arguments

        trying_arguments.OPTIONS[name](parser)
    elif name in ("explore", "replay", "shrink", "diff"):
        from sim import exploring_arguments

        exploring_arguments.OPTIONS[name](parser)
    elif name == "check":
        parser.add_argument(
            "journals", nargs="+", type=file, metavar="JOURNAL", help="of a live run of a ring"
        )
    elif name == "report":
        parser.add_argument(
            "bundle", type=folder, metavar="BUNDLE", help="the folder that a hang's run has kept"
        )
    elif name == "attach":
        from sim import attaching_arguments

        attaching_arguments.attach_options(parser)
    elif name == "bench":
        from sim import benching_arguments

        benching_arguments.bench_options(parser)
    elif name == "doctor":
        parser.add_argument(
            "--reap", action="store_true", help="remove what dead runs left over, and only that"
        )


def _run_options(parser: Parser) -> None:
    parser.add_argument(
        "--world",
        type=world,
        default=None,
        metavar="|".join(WORLDS),
        help="default: live, or virtual for a scenario that names no other",
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="the u64 all choices come from (default 0); 'random' draws one and prints it",
    )
    parser.add_argument(
        "--jobs", type=count(JOBS_MAX), default=1, metavar="N", help="runs at a time (default 1)"
    )
    parser.add_argument(
        "--repeat",
        type=count(REPEAT_MAX),
        default=1,
        metavar="N",
        help="the whole selection so many times over (default 1)",
    )
    parser.add_argument(
        "--report",
        type=_report,
        action="append",
        default=[],
        dest="reports",
        metavar="|".join(REPORTS) + "[=FILE]|plots=FOLDER",
        help="may be repeated; to standard output without FILE (default: text); plots of clusters",
    )
    parser.add_argument(
        "--require", action="store_true", help="a run that this host cannot do is a failure"
    )
    parser.add_argument(
        "--journal-dir",
        type=folder,
        default=JOURNALS,
        metavar="DIR",
        help=f"where journals are kept (default {JOURNALS})",
    )
    parser.add_argument(
        "--fail-fast", action="store_true", help="start nothing more after the first failure"
    )
    parser.add_argument(
        "--keep-hangs", action="store_true", help="keep bundles of hangs that were expected, too"
    )


def _one_report_on_stdout(arguments: argparse.Namespace) -> None:
    """Text goes to standard output unless another report was asked for there."""
    printed = [report.alias for report in arguments.reports if report.file is None]
    if len(printed) > 1:
        _refuse(
            f"--report {' and '.join(printed)} would both go to standard output: "
            f"give one of them a file, --report {printed[1]}=FILE"
        )
    if not printed:
        arguments.reports.append(ReportTo("text", None))
    for report in arguments.reports:
        if report.file is not None and report.alias in DRAWN:
            _refuse_no_folder(report.file, f"--report {report.alias}={report.file}")
        elif report.file is not None:
            _refuse_unwritable(report.file, f"--report {report.alias}={report.file}")


def _refuse_unwritable(file: Path, what: str) -> None:
    """After the runs it would be too late to say so. Tried, for permissions do not tell all; what
    is in the file stays, and a file that this makes is removed again."""
    if not os.path.isdir(file.parent):
        _refuse(f"{what}: no folder {str(file.parent)!r}")
    if os.path.isdir(file):
        _refuse(f"{what}: that is a folder")
    try:
        try:
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            os.close(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
        else:
            os.unlink(file)
    except OSError as error:
        if error.errno != errno.ENXIO:  # a pipe that nobody reads yet
            _refuse(f"{what}: {error.strerror}")


def _refuse_irregular(file: Path, what: str) -> None:
    """A file that is replaced as a whole must be none that is more than its bytes."""
    try:
        if os.path.isdir(file):
            _refuse(f"{what}: that is a folder")
        if not stat.S_ISREG(os.stat(file).st_mode):
            _refuse(f"{what}: that is no regular file")
    except FileNotFoundError:
        return
    except OSError as error:
        _refuse(f"{what}: {error.strerror}")


def _refuse_no_folder(folder: Path, what: str) -> None:
    """Where no files can be made in the folder, nor the folder itself. Makes nothing: it may be
    that there will be nothing to keep."""
    try:
        there = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        _refuse(f"{what}: {error.strerror}")


def _report(text: str) -> ReportTo:
    alias, equals, file = text.partition("=")
    if alias not in (*REPORTS, *DRAWN):
        raise argparse.ArgumentTypeError(f"no report {alias!r}{hint(alias, (*REPORTS, *DRAWN))}")
    if alias in DRAWN and not file:
        raise argparse.ArgumentTypeError(f"{alias} is a folder of pictures: {alias}=FOLDER")
    if alias in DRAWN and importlib.util.find_spec("matplotlib") is None:
        lack = f"{alias} needs matplotlib, which is not installed"
        raise argparse.ArgumentTypeError(f"{lack}: pip install 'spinbed[plots]'")
    if equals and not file:
        raise argparse.ArgumentTypeError(f"{text!r} names no file after '='")
    return ReportTo(alias, Path(file) if file else None)


def _expression(text: str) -> str:
    try:
        selection(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    return text


def reproducing(runs: Sequence[Scenario]) -> Callable[[Plan], str]:
    """For each plan of these files the command that runs it, and it alone, again."""
    count = Counter(run.path for run in runs)

    def command(plan: Plan) -> str:
        words = ["spinbed", "run", plan.path, "--seed", str(plan.seed)]
        words += ["--world", plan.world]
        if count[plan.path] > 1:
            words += ["-k", f"={plan.name}"]  # a plain name could be a part of another one
        return shlex.join(words)

    return command


def journals_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.parent.name == ".spinbed":
            (folder.parent / ".gitignore").write_text("*\n")
        tempfile.TemporaryFile(dir=folder).close()  # after the first run it would be late to fail
    except OSError as error:
        _refuse(f"--journal-dir {folder}: {error.strerror}")
    return folder


def selected(runs: Sequence[Scenario], arguments: argparse.Namespace) -> Sequence[Scenario]:
    """Those that -k names. Raises ScenarioError where it names none."""
    if arguments.expression is None:
        return runs
    selects = selection(arguments.expression)
    selected = [run for run in runs if selects(run.name)]
    if not selected:
        near = nearest(arguments.expression.lstrip("="), [run.name for run in runs])
        message = f"-k {arguments.expression!r} selects no run of {len(runs)}"
        raise ScenarioError([Problem("spinbed", None, None, message, near)])
    return selected


def journal_name(plan: Plan) -> str:
    """Told apart by path too: two files may name their runs alike."""
    return f"{_file_name(plan)}-seed{plan.seed}.jsonl"


def tape_name(plan: Plan, model: str, scheduler: str) -> str:
    by = scheduler.replace(":", "")
    return f"{_file_name(plan)}-{model}-{by}-seed{plan.seed}.tape.json"


def _file_name(plan: Plan) -> str:
    readable = re.sub(r"[^A-Za-z0-9._=,\[\]-]+", "_", plan.name)[:JOURNAL_NAME_MAX].lstrip(".")
    digest = hashlib.sha256(f"{plan.path}\0{plan.name}".encode("utf-8", "replace")).hexdigest()
    return f"{readable}-{digest[:8]}"


def version() -> str:
    from importlib import metadata

    try:
        return metadata.version("spinbed")
    except metadata.PackageNotFoundError:  # a checkout on the path, not installed
        return "0+not-installed"


def _refuse(message: str, word: str = "", names: Iterable[str] = ()) -> NoReturn:
    near = nearest(word, names)
    raise ScenarioError([Problem("spinbed", None, None, message, near)])
