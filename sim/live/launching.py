"""How the programs of a run are started: what faults have asked for, made into one order each."""

from __future__ import annotations

import os
import re
import resource
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from sim.checkers.environ import Environ
from sim.checkers.imports import Imports
from sim.errors import WorldError
from sim.inside import start_hooks
from sim.inside.channel import ADDRESS, DESCRIPTOR
from sim.inside.probing import HOLDS
from sim.live import attaching, inside_folder
from sim.live.broken_modules import Broken, Files, Foreign
from sim.live.damage import How
from sim.live.environments import lay_out_product
from sim.live.exec_child import NOT_EXECUTABLE, Order
from sim.live.program import LiveProgram
from sim.live.pythons import facts_in, python_for
from sim.live.strays import RUN
from sim.live.supervisor import Supervisor
from sim.live.watcher import OWNER
from sim.scenario.plan import ProcessPlan, ProgramWorkload

FOLDER = "SPINBED_FOLDER"
PATH = "PYTHONPATH"
BOOT = "from spinbed_inside.boot import main; main()"
# What a checker cannot do without, inside of each program.
WATCHED_FOR = {Imports.alias: {"kind": "watch"}, Environ.alias: {"kind": "environ"}}


@dataclass
class _Asked:
    """Of one process, by faults."""

    variables: Dict[str, Optional[str]] = field(default_factory=dict)
    limits: List[Tuple[str, int]] = field(default_factory=list)
    hooks: List[Mapping[str, Any]] = field(default_factory=list)
    modules: Dict[str, str] = field(default_factory=dict)  # their text, by name
    broken: Dict[str, Union[Broken, Foreign]] = field(default_factory=dict)  # by module


class LiveLaunch:
    """Satisfies sim.abc.Launch. `newest` is the current incarnation of a process; `heard` what its
    hooks have said."""

    def __init__(
        self,
        folder: Path,
        run: str,
        supervisor: Supervisor,
        newest: Callable[[str], LiveProgram],
        heard: Callable[[str, str, str], Sequence[Mapping[str, Any]]],
    ) -> None:
        self._folder = folder
        self._run = run
        self._owner = supervisor.prefix[1:]
        self._asked: Dict[str, _Asked] = {}
        self._files = Files()
        self._watches: List[Mapping[str, Any]] = []
        self._beside: Dict[Tuple[str, str], Mapping[str, Any]] = {}  # by process and region
        self._newest = newest
        self._heard = heard

    def watch_for(self, checkers: Sequence[str]) -> None:
        """Before the start: these checkers will want to know."""
        self._watches = [WATCHED_FOR[alias] for alias in checkers if alias in WATCHED_FOR]

    def order(self, process: ProcessPlan, address: str, holds: Sequence[str]) -> Order:
        """Raises WorldError where what a fault has asked for cannot be had."""
        work = process.workload
        assert isinstance(work, ProgramWorkload)
        asked = self._of(process.name)
        env = {**os.environ, **process.env, OWNER: self._owner, RUN: self._run}
        python = None if work.program is None else python_for(process.python)
        if python is not None and not python.is_ours and PATH not in process.env:
            env.pop(PATH, None)  # what it leads to is for our own interpreter
        for name, value in asked.variables.items():
            env.pop(name, None)
            if value is not None:
                env[name] = value
        inside = self._folder / "inside"
        if not inside.is_dir():
            inside_folder.lay_out(inside)
        for name, text in asked.modules.items():
            _write_module(self._folder / f"modules-{process.name}", name, text)
        if asked.modules:
            env = _with_path(self._folder / f"modules-{process.name}", env)
        argv = list(work.argv)
        facts: Mapping[str, str] = {}
        if work.program is not None:
            assert python is not None
            argv = [python.executable, "-c", BOOT, work.program, process.start]
            facts = facts_in(python, env)
            if not python.is_ours:
                env = _with_path(self._product(), env)
        before: List[str] = []
        firsts: List[Mapping[str, Any]] = []
        for broken in asked.broken.values():
            into = self._folder / f"broken-{process.name}" / broken.module
            broken.copy(_interpreter(argv), work, into, env)
            if broken.when == "before_load":
                before += broken.damage()
            env = _with_path(into, env)
            # What the path begins with, a script's folder, must not hide the copy.
            top = broken.module.partition(".")[0]
            firsts.append({"kind": "first", "module": top, "folder": str(into)})
        env = {
            **env,
            ADDRESS: address,
            FOLDER: str(self._own(process.name)),
            HOLDS: ",".join(holds),
        }
        starts = [each for each in asked.hooks if each["kind"] in start_hooks.KINDS]
        imports = [each for each in asked.hooks if each not in starts] + self._watches + firsts
        spec = {"imports": imports, "starts": starts, "logs": True, "stacks": True}
        env = inside_folder.environment(inside, spec, env)
        return Order([*before, *argv], env, work.cwd, asked.limits, DESCRIPTOR, facts)

    def _own(self, process: str) -> Path:
        """A folder that a program may fill; it goes with the run."""
        folder = self._folder / f"own-{process}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _product(self) -> Path:
        """What another interpreter finds of ours: plain Python, and no package of our own one."""
        folder = self._folder / "product"
        if not folder.is_dir():
            folder.mkdir(parents=True)
            lay_out_product(folder)
        return folder

    # sim.abc.Launch

    def set_variable(self, process: str, name: str, value: Optional[str]) -> None:
        self._of(process).variables[name] = value

    def variable(self, process: str, name: str) -> Optional[str]:
        seen = self._started_with(process, name)
        return self._but_for_ours(process, seen) if name == PATH else seen

    def _started_with(self, process: str, name: str) -> Optional[str]:
        life = self._newest(process)
        try:
            with open(f"/proc/{life.pid}/environ", "rb") as file:
                text = file.read()
        except OSError:
            text = b""
        if not text:  # it has ended: what it was started with
            return life.order.env.get(name)
        found = dict(each.partition(b"=")[::2] for each in text.split(b"\0")).get(os.fsencode(name))
        return None if found is None else os.fsdecode(found)

    def _but_for_ours(self, process: str, path: Optional[str]) -> Optional[str]:
        """What of its PYTHONPATH is not there for our hooks. An empty one is as good as none."""
        folders = (path or "").split(os.pathsep)
        own = os.path.realpath(self._folder)
        theirs = [each for each in folders if not os.path.realpath(each).startswith(own)]
        if any(theirs):
            return os.pathsep.join(theirs)
        return "" if self._of(process).variables.get(PATH) == "" else None

    def limit(self, process: str, resource: str, limit: int) -> None:
        self._of(process).limits.append((resource, limit))

    def limit_of(self, process: str, resource_name: str) -> Optional[int]:
        life = self._newest(process)
        number = getattr(resource, f"RLIMIT_{resource_name}")
        try:
            if not life.is_dead and life.pid is not None:
                return resource.prlimit(life.pid, number)[0]
        except ProcessLookupError:
            pass
        if life.code == NOT_EXECUTABLE:
            return None
        return dict(life.order.limits).get(resource_name)  # it has ended: what it was started with

    def hook(self, process: str, spec: Mapping[str, Any]) -> None:
        self._of(process).hooks.append(spec)

    def add_module(self, process: str, name: str, text: str) -> None:
        self._of(process).modules[name] = text

    def hooked(self, process: str, kind: str, module: str) -> Sequence[Mapping[str, Any]]:
        return self._heard(process, kind, module)

    def regions(self, process: str) -> Sequence[str]:
        life = self._newest(process)
        mapped = [] if life.is_dead or life.pid is None else attaching.mapped_names(life.pid)
        return sorted({*mapped, *(name for who, name in self._beside if who == process)})

    def attach_beside(self, process: str, name: str) -> Mapping[str, Any]:
        if (process, name) not in self._beside:
            python = attaching.interpreter_of(self._newest(process).order.argv, sys.executable)
            env = {**os.environ, OWNER: self._owner}
            was_there = attaching.is_there(name)
            done = attaching.attach_and_exit(python, name, env)
            said = {"was_there": was_there, "is_there": done.is_there, "said": done.said}
            self._beside[process, name] = said
        return self._beside[process, name]

    def damage(self, process: str, module: str, how: How) -> None:
        self._of(process).broken[module] = Broken(module, how, self._files)

    def replace_extension(self, process: str, module: str, built_by: str) -> None:
        self._of(process).broken[module] = Foreign(module, built_by, self._files)

    def damaged(self, process: str, module: str) -> Mapping[str, Any]:
        broken = self._of(process).broken[module]
        if not broken.done:
            if self._newest(process).is_dead:
                return {"proven": False, "what": f"{process} has ended before", "data": {}}
            broken.damage()
        return broken.done

    def _of(self, process: str) -> _Asked:
        return self._asked.setdefault(process, _Asked())


def _with_path(folder: Path, env: Mapping[str, str]) -> Dict[str, str]:
    path = filter(None, (str(folder), env.get(PATH, "")))
    return {**env, PATH: os.pathsep.join(path)}


def _write_module(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text, encoding="utf-8")


def _interpreter(argv: Sequence[str]) -> str:
    """Raises WorldError for a command that is none."""
    if re.fullmatch(r"(python|pypy)[0-9.]*", os.path.basename(argv[0])) is None:
        raise WorldError("find", detail=f"the interpreter of {argv[0]!r}: it is no python")
    return argv[0]
