"""Compiled modules of which a program finds a private copy first, with something wrong in it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from sim.errors import WorldError
from sim.faults.foreign_abi import ABI3
from sim.live import damage
from sim.live.damage import How
from sim.live.pythons import python_for, stable_kernels_here
from sim.scenario.plan import ProgramWorkload

# Where a module's file would be found, without importing it: its package is not either.
FIND = """
import importlib.machinery, importlib.util, json, os, sys
package, _, name = sys.argv[1].rpartition(".")
if sys.argv[2] == "last" and sys.path[0] == "":
    sys.path.append(os.path.abspath(sys.path.pop(0)))
folders = [os.path.abspath(folder) for folder in sys.path]
if package:
    found = importlib.util.find_spec(package.partition(".")[0])
    folders = list(found.submodule_search_locations or ()) if found else []
    folders = [os.path.join(folder, *package.split(".")[1:]) for folder in folders]
paths = [os.path.join(folder, name + suffix)
         for folder in folders for suffix in importlib.machinery.EXTENSION_SUFFIXES]
print(json.dumps(next((path for path in paths if os.path.isfile(path)), None)))
"""
ABI3_SUFFIX = ".abi3.so"
FIND_DEADLINE_S = 60.0  # a cold start of an interpreter


class Broken:
    """Its file is broken."""

    def __init__(self, module: str, how: How, files: Files) -> None:
        self.module = module
        self._files = files
        self.done: Mapping[str, Any] = {}
        self._how = how
        self._file: Optional[Path] = None
        self._into: Optional[Path] = None

    @property
    def when(self) -> str:
        return damage.KINDS[damage.parsed(self._how)[0]].when

    def copy(
        self, interpreter: str, work: ProgramWorkload, into: Path, env: Mapping[str, str]
    ) -> None:
        """Raises WorldError where the program would find no compiled file of that module."""
        self._into = into
        self._file = self._files.copied(self.module, interpreter, work, into, env)

    def damage(self) -> List[str]:
        """What must come before the program's command line."""
        assert self._file is not None and self._into is not None
        _, argument = damage.parsed(self._how)
        meant = damage.expected(self._file, self._how)
        done = damage.break_file(self._file, self._how, folder=self._into)
        words = {"path": str(self._file), "module": self.module, "argument": str(argument)}
        import_gives = meant.told({**words, "last": self.module.rpartition(".")[2]})
        self.done = {**done, "data": {**done["data"], "import_gives": import_gives}}
        return list(self.done["launch"])


class Foreign:
    """Its file is one that another interpreter was built for, under the name that this one loads.

    `built_by` is the version of that interpreter, of whose environment it is, or "abi3", for every
    one from 3.11 on, or a file's path.
    """

    when = "before_load"

    def __init__(self, module: str, built_by: str, files: Files) -> None:
        self.module = module
        self._files = files
        self.done: Mapping[str, Any] = {}
        self._built_by = built_by
        self._file: Optional[Path] = None

    def copy(
        self, interpreter: str, work: ProgramWorkload, into: Path, env: Mapping[str, str]
    ) -> None:
        """Raises WorldError where the program would find no compiled file of that module, or the
        other interpreter has none of it."""
        self._file = self._files.copied(self.module, interpreter, work, into, env)

    def damage(self) -> List[str]:
        """What must come before the program's command line: nothing."""
        assert self._file is not None
        foreign = self._foreign()
        before = _digest(self._file)
        # Another file: the copy may share its inode with somebody's.
        new = self._file.with_name(self._file.name + ".new")
        shutil.copyfile(foreign, new)
        os.replace(new, self._file)
        after = _digest(self._file)
        what = f"{self._file.name} is {foreign.name}, built by {self._built_by}"
        if before == after:
            what = f"{self._file.name} is what {self._built_by} built, as it is"
        data = {"built_by": self._built_by, "from": str(foreign), "was": before, "is": after}
        self.done = {"proven": before != after, "what": what, "data": data}
        return []

    def _foreign(self) -> Path:
        if "/" in self._built_by:
            return Path(self._built_by).expanduser()
        if self._built_by == ABI3:
            built = stable_kernels_here().joinpath(*self.module.split(".")).with_suffix(ABI3_SUFFIX)
            if not built.is_file():
                raise WorldError("find", detail=f"{ABI3} has no compiled file of {self.module}")
            return built
        python = python_for(self._built_by)
        env, cwd = dict(os.environ), None
        if not python.is_ours:  # what our own one finds there is not for it
            env.pop("PYTHONPATH", None)
            cwd = "/"
        found = self._files.found(self.module, python.executable, "last", cwd, env)
        if found is None:
            has_none = f"{self._built_by} has no compiled file of {self.module}"
            raise WorldError("find", detail=f"{has_none}: its kernels are {python.facts}")
        return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


class Files:
    """Of the modules of one run, as its programs find them."""

    def __init__(self) -> None:
        self._found: Dict[object, Optional[Path]] = {}

    def copied(
        self,
        module: str,
        interpreter: str,
        work: ProgramWorkload,
        into: Path,
        env: Mapping[str, str],
    ) -> Path:
        """Copies its package into the folder `into`, which is to be first on the program's path;
        the module's file there."""
        own = "first" if work.program is None else "last"
        found = self.found(module, interpreter, own, work.cwd, env)
        if found is None:
            raise WorldError("break", detail=f"{module}: there is no compiled file of it")
        depth = module.count(".")
        source = found.parents[depth - 1] if depth else found
        return damage.private_copy(source, into) / found.relative_to(source.parent)

    def found(
        self, module: str, interpreter: str, own: str, cwd: Optional[str], env: Mapping[str, str]
    ) -> Optional[Path]:
        """An interpreter takes 50 ms to say, and the targets of a fault are alike: asked once."""
        asked = (module, interpreter, own, cwd, frozenset(env.items()))
        if asked not in self._found:
            self._found[asked] = _file_of(module, interpreter, own, cwd, env)
        return self._found[asked]


def _file_of(
    module: str, interpreter: str, own: str, cwd: Optional[str], env: Mapping[str, str]
) -> Optional[Path]:
    """As a program would find it that has its own folder first, or last, on its path."""
    try:
        done = subprocess.run(
            [interpreter, "-c", FIND, module, own],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            timeout=FIND_DEADLINE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise WorldError("find", detail=f"{module}: {error}") from error
    found = json.loads(done.stdout)
    return None if found is None else Path(found)
