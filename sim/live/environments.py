"""Virtual environments for programs of other interpreters: cy_kernels and posix_ipc, built once.

Each is kept in the user's cache and found again by what it was made of: the sources of the kernels
and the interpreter. It is built under another name and renamed when it is whole, so that nobody
ever uses half of one. A builder holds a lock, and what it starts inherits that lock: whoever comes
next waits until the last process of a builder that was killed is gone, and then clears up after it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, TypeVar, Union

import cy_kernels
from sim.live.death import die_with_parent
from sim.live.interpreters import Interpreter, Lack, find, is_our_own, status_within

# As pyproject.toml has them; the kernels need no other dependency.
NEEDS = ("posix_ipc>=1.3",)
BUILD_NEEDS = ("setuptools>=77", "Cython>=3.1")
SOURCES = (".py", ".pyx", ".pxd", ".pxi")
CARRIED_SETUP = "_setup.py"  # setup.py, as an installation has it among its kernels
FACTS = "spinbed.json"  # written last, so that what has none is no environment
FORM = 1  # of an environment: what is built differently counts as another one

STEP_DEADLINE_S = 900.0  # the kernels take a minute of one core; a laden host some more
LOCK_DEADLINE_S = 2000.0  # for two builders in front of us
LOCK_POLL_S = 0.1
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--retries", "1", "install")
VENV_HINT = "(Debian package python3-venv)"
ABI3_BUILDER = "3.11"  # setup.py takes no other headers (decision 14)
NOT_TO_INHERIT = ("PYTHON", "SPINBED_", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "VIRTUAL_ENV")

ASK = """
import json, logging
logging.disable()
import posix_ipc, cy_kernels
print(json.dumps(str(cy_kernels.status())))
"""

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Environment:
    """Where a program of an interpreter finds the kernels."""

    interpreter: Interpreter
    python: str  # what to start it with
    kernels: str  # "compiled", or "pure: " and why

    @property
    def is_compiled(self) -> bool:
        return self.kernels == "compiled"


def environment_for(
    interpreter: Interpreter,
    *,
    cache: Optional[Path] = None,
    tell: Callable[[str], None] = lambda line: None,
    lock_deadline_s: float = LOCK_DEADLINE_S,
) -> Union[Environment, Lack]:
    """Ours for our own interpreter, else one from the cache, built where it is not there yet.

    Building takes a minute and asks the package index for posix_ipc, setuptools and Cython; after
    that nothing is asked of anybody. `tell` hears of it before it begins. Kernels that cannot be
    compiled make the environment pure; without posix_ipc there is none.
    """
    if is_our_own(interpreter):
        return Environment(interpreter, interpreter.executable, str(cy_kernels.status()))

    def known(final: Path) -> Optional[Environment]:
        return _known(interpreter, final)

    def build(final: Path, folder: Path, lock: int) -> Union[Path, Lack]:
        return _Build(interpreter, folder, lock).environment_for(final)

    what = f"the kernels for {interpreter}"
    return _once(cache, tag(interpreter), known, what, build, tell, lock_deadline_s)


def stable_kernels(
    *,
    cache: Optional[Path] = None,
    tell: Callable[[str], None] = lambda line: None,
    lock_deadline_s: float = LOCK_DEADLINE_S,
) -> Union[Path, Lack]:
    """A folder with cy_kernels as the stable ABI's wheel has it; kept and built as an environment
    is."""
    interpreter = find(ABI3_BUILDER)
    if isinstance(interpreter, Lack):
        return Lack(f"kernels of the stable ABI are built by {ABI3_BUILDER} alone: {interpreter}")
    builder = interpreter

    def known(final: Path) -> Optional[Path]:
        return final if (final / FACTS).is_file() else None

    def build(final: Path, folder: Path, lock: int) -> Union[Path, Lack]:
        return _Build(builder, folder, lock).stable_kernels()

    what = "the kernels of the stable ABI"
    return _once(cache, f"abi3-{tag(builder)}", known, what, build, tell, lock_deadline_s)


def _once(
    cache: Optional[Path],
    name: str,
    known: Callable[[Path], Optional[Kept]],
    what: str,
    build: Callable[[Path, Path, int], Union[Path, Lack]],
    tell: Callable[[str], None],
    lock_deadline_s: float,
) -> Union[Kept, Lack]:
    """What is known to be in the cache under that name, else built now: `build` makes a folder
    within the one that it is given, which then gets its final name."""
    try:
        final = (cache_folder() if cache is None else cache) / key() / name
        there = known(final)
        if there is not None:
            return there
        final.parent.mkdir(parents=True, exist_ok=True)
        with _locked(final.parent / f"{final.name}.lock", lock_deadline_s) as lock:
            if lock is None:
                return Lack(f"somebody else has been building {final} for {lock_deadline_s:g} s")
            there = known(final)
            if there is not None:
                return there
            tell(f"building {what}, once, into {final}")
            with _building(final) as folder:
                made = build(final, folder, lock)
                if isinstance(made, Lack):
                    return made
                made.rename(final)
            there = known(final)
            gone = Lack(f"{final} was taken away as soon as it was built")
            return gone if there is None else there
    except OSError as error:
        return Lack(f"no place for {what}: {error}")


def cache_folder() -> Path:
    """By the XDG base directory specification, which has relative paths ignored."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "spinbed"


def key() -> str:
    """Our version, and a digest of all that an environment is made of but the interpreter."""
    digest = hashlib.sha256(repr((FORM, NEEDS, BUILD_NEEDS)).encode())
    for name, path in sorted(sources().items()):
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    from importlib import metadata  # 15 ms

    try:
        version = metadata.version("spinbed")
    except metadata.PackageNotFoundError:  # a checkout on the path
        version = "0"
    return f"{version}-{digest.hexdigest()[:16]}"


def tag(interpreter: Interpreter) -> str:
    where = hashlib.sha256(os.path.realpath(interpreter.executable).encode()).hexdigest()[:8]
    return f"{interpreter.soabi}-{interpreter.version}-{where}"


def sources() -> Dict[str, Path]:
    """What the kernels are built from, by its path in the tree: that of this installation."""
    package = Path(cy_kernels.__file__).resolve().parent
    found = {
        str(path.relative_to(package.parent)): path
        for path in package.rglob("*")
        if path.suffix in SOURCES and path.name != CARRIED_SETUP
    }
    for setup in (package / CARRIED_SETUP, package.parent / "setup.py"):
        if setup.is_file():
            return {**found, "setup.py": setup}
    return found  # nothing can be compiled of it


def lay_out_product(folder: Path) -> None:
    """Puts links to `sim` and `spinbed` of this installation into a folder, which is then for the
    path of a program in one of the environments: they are plain Python, and need nothing built."""
    ours = Path(__file__).resolve().parents[2]
    for name in ("sim", "spinbed.py"):
        (folder / name).symlink_to(ours / name)


def _known(interpreter: Interpreter, final: Path) -> Optional[Environment]:
    python = final / "bin/python"
    try:
        kernels = json.loads((final / FACTS).read_text(encoding="utf-8"))["kernels"]
    except (OSError, ValueError, KeyError):
        return None
    return Environment(interpreter, str(python), kernels) if os.access(python, os.X_OK) else None


@contextmanager
def _locked(path: Path, deadline_s: float) -> Iterator[Optional[int]]:
    """The descriptor that holds the lock, or None where others held it until the deadline."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield lock if _taken(lock, deadline_s) else None
    finally:
        os.close(lock)


def _taken(lock: int, deadline_s: float) -> bool:
    ends = time.monotonic() + deadline_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= ends:
                return False
        time.sleep(LOCK_POLL_S)


@contextmanager
def _building(final: Path) -> Iterator[Path]:
    """The lock is held: what stands under a temporary name was left by a builder that died."""
    for stale in final.parent.glob(f"{final.name}.building-*"):
        shutil.rmtree(stale)
    building = Path(tempfile.mkdtemp(prefix=f"{final.name}.building-", dir=final.parent))
    try:
        if os.path.lexists(final):  # damaged: it says nothing of its kernels, or has no Python
            final.rename(building / "damaged")
        yield building
    finally:
        shutil.rmtree(building, ignore_errors=True)


class _Build:
    """One environment in the making: the tools that build it are not part of it."""

    def __init__(self, interpreter: Interpreter, folder: Path, lock: int) -> None:
        self.interpreter = interpreter
        self.folder = folder
        self.lock = lock
        self.environment = folder / "environment"
        version = "python{}.{}".format(*interpreter.minor)
        self.packages = self.environment / "lib" / version / "site-packages"
        self.tools = str(folder / "tools/bin/python")
        self.python = str(self.environment / "bin/python")

    def environment_for(self, final: Path) -> Union[Path, Lack]:
        """Whole, but for its name, which is to be `final`."""
        lack = self.make()
        if lack is not None:
            return lack
        facts = {"kernels": self.kernels(final), "of": str(self.interpreter)}
        (self.environment / FACTS).write_text(json.dumps(facts), encoding="utf-8")
        return self.environment

    def stable_kernels(self) -> Union[Path, Lack]:
        failure = self.run(self.interpreter.executable, "-I", "-m", "venv", "tools")
        if failure is not None:
            return Lack(f"{self.interpreter} makes no virtual environment {VENV_HINT}: {failure}")
        self.lay_out()
        why_not = self.compile(SPINBED_ABI3="1")
        if why_not is not None:
            return Lack(f"no kernels of the stable ABI by {self.interpreter}: {why_not}")
        (self.packages / FACTS).write_text(json.dumps({"of": str(self.interpreter)}))
        return self.packages

    def make(self) -> Optional[Lack]:
        interpreter = self.interpreter
        for words in (("tools",), ("--without-pip", "environment")):
            failure = self.run(interpreter.executable, "-I", "-m", "venv", *words)
            if failure is not None:
                return Lack(f"{interpreter} makes no virtual environment {VENV_HINT}: {failure}")
        failure = self.run(self.tools, *PIP, "--target", str(self.packages), *NEEDS)
        if failure is not None:
            return Lack(f"{', '.join(NEEDS)} cannot be had for {interpreter}: {failure}")
        self.lay_out()
        why_pure = self.compile()
        if why_pure is not None:
            note = self.packages / "cy_kernels" / cy_kernels.NOTE
            note.write_text(why_pure + "\n", encoding="utf-8")
        failure = self.run(self.python, "-c", ASK)
        if failure is not None:
            return Lack(f"what was built for {interpreter} cannot be loaded: {failure}")
        return None

    def kernels(self, final: Path) -> str:
        """What it has just said of them, when its files had not their final names."""
        status: str = json.loads(self.said())
        return status.replace(str(self.environment), str(final))

    def lay_out(self) -> None:
        """The sources into a tree of their own, and of those what is plain Python where it is
        imported from."""
        for name, source in sources().items():
            targets = [self.folder / "tree" / name]
            if name.endswith(".py") and name != "setup.py":
                targets.append(self.packages / name)
            for target in targets:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def compile(self, **variables: str) -> Optional[str]:
        """Why that is not possible; None too where setup.py itself has written down why."""
        tree = self.folder / "tree"
        if not (tree / "setup.py").is_file():
            return "this installation does not carry the sources of its kernels"
        failure = self.run(self.tools, *PIP, *BUILD_NEEDS)
        if failure is not None:
            return f"{', '.join(BUILD_NEEDS)} cannot be had: {failure}"
        words = ("setup.py", "-q", "build_ext", "--build-lib", str(self.packages))
        return self.run(self.tools, *words, where=tree, **variables)

    def run(self, *command: str, where: Optional[Path] = None, **variables: str) -> Optional[str]:
        """What went wrong, in a line. What it says is kept in the file `said`."""
        with open(self.folder / "said", "wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder if where is None else where,
                env={**_build_variables(os.environ), **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[self.lock],
                preexec_fn=die_with_parent,
            )
        status = status_within(process, STEP_DEADLINE_S)
        if status == 0:
            return None
        what = f"not done after {STEP_DEADLINE_S:g} s" if status is None else f"status {status}"
        return f"{_complaint(self.said().splitlines())} ({what})"

    def said(self) -> str:
        return (self.folder / "said").read_text(encoding="utf-8", errors="replace").strip()


def _build_variables(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Ours are of our interpreter and our installation."""
    return {
        name: value for name, value in environment.items() if not name.startswith(NOT_TO_INHERIT)
    }


def _complaint(lines: Sequence[str]) -> str:
    """The line that says why: the last that calls itself an error, else the last."""
    told: List[str] = [line.strip() for line in lines if line.strip()]
    errors = [line for line in told if "error" in line.lower()]
    return (errors or told or ["it said nothing"])[-1][:300]
