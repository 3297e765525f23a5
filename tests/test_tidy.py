"""The house rules as tests: each message says what to do instead, each rule is itself tested."""

from __future__ import annotations

import ast
import builtins
import re
import subprocess
from collections import Counter
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, Optional

import pytest
from tidy_examples import INNOCENT, PLANTED

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("sim/", "cy_kernels/", "spinbed.py")
CODE = (*PRODUCT, "tests/", "benchmarks/", "setup.py")
PYTHON = (".py", ".pyi")
TEXT = (*PYTHON, ".pyx", ".pxd", ".pxi", ".c", ".toml", ".md", ".ini", ".json", ".in", "Makefile")

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 75
COLUMNS_MAX = 100
BANNED_MODULES = {"utils", "helpers", "common", "base", "core", "manager"}

# docs/architecture.md, "Who may import whom": a layer may import the ones above it and itself.
LAYERS = (
    ("cy_kernels",),
    ("inside",),
    ("errors", "history", "abc", "plugin", "version"),
    ("transport", "faults", "checkers"),
    ("scenario",),
    ("subjects", "expectations", "jobs"),
    ("nemesis", "ringless", "verdict"),
    ("virtual", "live", "cluster"),
    ("hang", "watch", "inclusion", "bench"),
    ("report",),
    ("bundle", "loading", "run", "worlds"),
    ("argument_types", "exploring_arguments", "trying_arguments", "attaching_arguments"),
    ("benching_arguments",),
    ("arguments", "selection"),
    ("crew", "running"),
    ("matrix", "reading", "reporting", "surroundings", "exploration", "tapes", "trying"),
    ("attaching", "replaying", "checking", "benching"),
    ("cli", "commands", "pytest_plugin", "pytest_watch"),
    ("testing",),
    ("spinbed",),
)
BESIDE = ({"cli", "pytest_plugin"}, {"commands", "running", "pytest_plugin"})
NEVER = ({"transport", "faults", "checkers"}, {"virtual", "live", "cluster"}, *BESIDE)
# Narrower than their layer. A fault names Allowance, which abc takes from history.
ONLY = {
    "inside": set(),  # it is copied in front of programs of other interpreters
    "faults": {"abc", "history"},
    "checkers": {"abc", "history"},
    "subjects": {"cy_kernels", "spinbed"},  # as any program of somebody else's
}


class Source(NamedTuple):
    path: str  # from the root, with slashes
    text: str


class Ban(NamedTuple):
    names: tuple[str, ...]  # dotted, as fnmatch patterns
    within: tuple[str, ...]  # path prefixes where the ban holds ...
    except_in: tuple[str, ...]  # ... but for these: the homes
    instead: str


PROCESS_NAMES = (
    *("subprocess", "multiprocessing", "mmap", "posix_ipc"),
    *("subprocess.*", "multiprocessing.*", "mmap.*", "posix_ipc.*"),
    *("os.kill*", "os.fork*", "os.exec*", "os.spawn*", "os.posix_spawn*", "os.system", "os.popen"),
    *("signal.signal", "signal.pidfd_send_signal", "signal.pthread_kill", "signal.raise_signal"),
)
CLOCK_NAMES = (
    *("time.time*", "time.monotonic*", "time.perf_counter*", "time.clock_gettime*", "time.sleep"),
    *("datetime.datetime.now", "datetime.datetime.utcnow"),
)
UNDER_TEST = ("sim/inside/", "sim/subjects/", "sim/testing/kit_program")  # not in the bed
WATCHING = ("sim/watch/", "sim/pytest_watch")  # of programs and tests, no bed around them
BENCH = ("sim/bench/",)  # each peer in processes of its own, outside of any world
PEERS = ("sim/transport/peers/",)  # what others make of processes is what is driven there
OWN_PROCESS = ("cy_kernels/owner.py",)  # proof of an owner's death
COMMAND_LINE = (
    *("sim/running", "sim/crew", "sim/report/progress", "sim/tapes", "sim/exploration"),
    *("sim/trying", "sim/matrix"),
)
PRINTS = (
    *("sim/commands.py", "sim/arguments.py", "sim/running.py", "sim/reading.py"),
    *("sim/surroundings.py", "sim/trying.py", "sim/matrix.py", "sim/reporting.py"),
    *("sim/attaching.py", "sim/benching.py"),
)
BANS = {
    "print": Ban(
        ("print",),
        PRODUCT,
        ("sim/report/", *PRINTS, "sim/subjects/"),
        "return the text; sim/report/ and the commands print it",
    ),
    "dice": Ban(
        ("random", "random.*", "numpy.random*"),
        PRODUCT,
        ("sim/scenario/plan", "sim/live/workload.py"),  # payload bytes: a function of the seed
        "let sim/scenario/planning.py roll, and carry the outcome in the Plan",
    ),
    "processes": Ban(
        PROCESS_NAMES,
        PRODUCT,
        ("sim/live/", *UNDER_TEST, "sim/testing/wait_", *OWN_PROCESS, *WATCHING, *BENCH, *PEERS),
        "ask a verb of the World; processes, signals and memory are made in sim/live/",
    ),
    "clocks": Ban(
        CLOCK_NAMES,
        PRODUCT,
        ("sim/live/", *UNDER_TEST, "cy_kernels/", *COMMAND_LINE, *WATCHING, *BENCH, *PEERS),
        "ask world.now_ns(); wall clocks live in sim/live/ and cy_kernels/",
    ),
    "sleeps": Ban(
        ("time.sleep", "asyncio.sleep"),
        ("tests/",),
        (),
        "tests never sleep: use an event or a barrier with a deadline, or the step gate",
    ),
}

NOT_OURS_TO_TELL = (  # written so that they do not match themselves
    (r"/[r]oot/|/[h]ome/\w+|/[w]ork/\w|/[t]mp/w\b", "a path of one machine: use a relative one"),
    (r"(?i)\b[i]ssue #?\d{1,2}\b", "a ticket number explains nothing here: write the reason"),
    (r"\b(?:[T]ODO|[F]IXME)\b", "do it, or describe the limit in docs/"),
)


@cache
def parsed(source: Source) -> ast.Module:
    return ast.parse(source.text, source.path)


@cache
def nodes(source: Source) -> list[ast.AST]:
    return list(ast.walk(parsed(source)))


def python(sources: list[Source], *within: str) -> Iterator[Source]:
    for source in sources:
        if source.path.endswith(PYTHON) and source.path.startswith(within):
            yield source


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """Every module or name imported, dotted and absolute, wherever in the file."""
    package = source.path.rsplit("/", 1)[0].split("/")
    for node in nodes(source):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            head = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*head, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args:
            name, argument = dotted(node.func), node.args[0]
            if name and name.split(".")[-1] in ("import_module", "__import__"):
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield node.lineno, argument.value


def dotted(node: ast.AST) -> Optional[str]:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return head and f"{head}.{node.attr}"
    return None


@cache
def used(source: Source) -> list[tuple[int, str]]:
    """Every dotted name, with `import x as y` and `from x import y` resolved."""
    aliases = {}
    for node in nodes(source):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                aliases[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    found = list(imported(source))
    for node in nodes(source):
        name = dotted(node)
        if name is not None:
            head, dot, rest = name.partition(".")
            if head in aliases or hasattr(builtins, head):  # else a name of the file's own
                found.append((node.lineno, aliases.get(head, head) + dot + rest))
    return found


def unit(module: str) -> Optional[str]:
    """What the import table knows a dotted name by: "sim.live.child.run" is "live"."""
    parts = module.split(".")
    if parts[0] == "sim":
        return parts[1] if len(parts) > 1 else None
    return parts[0] if parts[0] in ("cy_kernels", "spinbed") else None


def obeys_the_table(importer: str, target: str) -> bool:
    if importer == target:
        return True
    if importer in ONLY:
        return target in ONLY[importer]
    if any({importer, target} <= group for group in NEVER):
        return False
    layer_of = {name: rank for rank, names in enumerate(LAYERS) for name in names}
    return layer_of[target] <= layer_of[importer]


def import_direction(sources: list[Source]) -> Iterator[str]:
    known = {name for names in LAYERS for name in names}
    for source in python(sources, *PRODUCT):
        importer = unit(source.path.rsplit(".", 1)[0].replace("/", "."))
        if importer in (None, "__init__"):
            importer = "errors"  # sim/__init__.py: everybody imports it
        if importer not in known:
            yield f"{source.path}: give sim.{importer} a place in LAYERS and docs/architecture.md"
            continue
        for line, module in imported(source):
            target = unit(module)
            if target in known and not obeys_the_table(importer, target):
                yield (
                    f"{source.path}:{line}: {importer} must not import {target} ({module}): move "
                    "what both need up, into sim/abc.py or sim/history, or pass it as an argument"
                )


def module_length(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        lines = source.text.count("\n")
        if source.path.startswith(CODE) and lines > MODULE_LINES_MAX:
            yield f"{source.path}: {lines} lines; find the second job in it and give it a file"


def function_length(sources: list[Source]) -> Iterator[str]:
    for source in python(sources, *CODE):
        for node in nodes(source):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    yield f"{source.path}:{node.lineno}: {node.name} has {lines} lines; split it"


def line_length(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        for number, line in enumerate(source.text.splitlines(), 1):
            if source.path.startswith(CODE) and len(line) > COLUMNS_MAX:
                yield f"{source.path}:{number}: {len(line)} columns; break the line"


def module_name(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        name = Path(source.path).stem
        if source.path.startswith(CODE) and name in BANNED_MODULES:
            yield f"{source.path}: name the file after the noun it holds, not {name!r}"


def opening_sentence(sources: list[Source]) -> Iterator[str]:
    for source in python(sources, *CODE):
        doc = ast.get_docstring(parsed(source))
        first = doc.split("\n\n")[0] if doc else ""
        if source.text.strip() and not re.search(r"[.?!:]['\"`)]*(\s|$)", first):
            yield f"{source.path}: open it with one docstring sentence that says what it is"


def files_of_tests(sources: list[Source]) -> Iterator[str]:
    names = Counter(Path(s.path).name for s in sources if s.path.startswith("tests/"))
    for source in sources:
        name = Path(source.path).name
        if not source.path.startswith("tests/") or not name.endswith(".py"):
            continue
        if name == "__init__.py":
            yield f"{source.path}: remove it, or the checkout shadows the installed wheel"
        elif names[name] > 1:
            yield f"{source.path}: two files of this name; say the area: test_<area>_<x>.py"


def generated_c(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        if source.text.startswith("/* Generated by " + "Cython"):
            yield f"{source.path}: git rm it; builds write their C into build/"


def told_elsewhere(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        for number, line in enumerate(source.text.splitlines(), 1):
            for pattern, instead in NOT_OURS_TO_TELL:
                if re.search(pattern, line):
                    yield f"{source.path}:{number}: {instead}"


def banned(ban: Ban) -> Callable[[list[Source]], Iterator[str]]:
    is_banned = re.compile("|".join(map(translate, ban.names))).match

    def rule(sources: list[Source]) -> Iterator[str]:
        for source in python(sources, *ban.within):
            if ban.except_in and source.path.startswith(ban.except_in):
                continue
            seen = {(line, n) for line, n in used(source) if is_banned(n)}
            for line, name in sorted(seen):
                yield f"{source.path}:{line}: {name} here: {ban.instead}"

    return rule


RULES: dict[str, Callable[[list[Source]], Iterator[str]]] = {
    "import_direction": import_direction,
    "module_length": module_length,
    "function_length": function_length,
    "line_length": line_length,
    "module_name": module_name,
    "opening_sentence": opening_sentence,
    "test_files": files_of_tests,
    "generated_c": generated_c,
    "told_elsewhere": told_elsewhere,
    **{name: banned(ban) for name, ban in BANS.items()},
}


def files_of_the_tree() -> list[str]:
    if not (ROOT / ".git").exists():  # an unpacked sdist
        return [str(p.relative_to(ROOT)) for top in CODE for p in (ROOT / top).rglob("*.*")]
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return sorted(set(done.stdout.splitlines()))


@pytest.fixture(scope="module")
def tree() -> list[Source]:
    paths = [path for path in files_of_the_tree() if path.endswith(TEXT)]
    files = [(path, ROOT / path) for path in paths if (ROOT / path).is_file()]
    return [Source(path, file.read_text(encoding="utf-8")) for path, file in files]


@pytest.mark.parametrize("rule", RULES)
def test_the_tree_obeys(rule, tree):
    assert any(source.path == "tests/test_tidy.py" for source in tree)
    broken = list(RULES[rule](tree))
    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED)
def test_a_planted_violation_is_caught(rule, path, text):
    [*messages] = RULES[rule]([Source(path, text)])
    assert messages and all(message.startswith(path) for message in messages)


def test_two_test_files_of_one_name_are_caught():
    sources = [Source("tests/a/test_x.py", ""), Source("tests/b/test_x.py", "")]
    assert len(list(files_of_tests(sources))) == 2


@pytest.mark.parametrize(("rule", "path", "text"), INNOCENT)
def test_an_innocent_file_is_left_alone(rule, path, text):
    assert list(RULES[rule]([Source(path, text)])) == []


def test_every_rule_has_a_planted_violation_and_an_innocent_file():
    assert {rule for rule, _, _ in PLANTED} == {rule for rule, _, _ in INNOCENT} == set(RULES)
