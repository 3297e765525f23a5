"""How simulated programs are started, and what faults have asked for before."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple, Union

from sim.virtual.lifecycle import tracking
from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.loading import Damage
from sim.virtual.lifecycle.machine import Machine, Process
from sim.virtual.lifecycle.program import Program
from sim.virtual.lifecycle.steps import Steps
from sim.virtual.lifecycle.versions import Behaviour
from sim.virtual.lifecycle.written import source_of


class SimulatedLaunch:
    """Satisfies sim.abc.Launch. `await_end` lets everybody go on until these have ended."""

    def __init__(
        self,
        machine: Machine,
        programs: Mapping[str, Program],
        behaviours: Mapping[str, Behaviour],
        heard: Callable[[str, str, str], Sequence[Mapping[str, Any]]],
        await_end: Callable[[Sequence[Process]], None],
    ) -> None:
        self._machine = machine
        self._programs = programs
        self._behaviours = behaviours
        self._heard = heard
        self._await_end = await_end
        self._damages: Dict[Tuple[str, str], Damage] = {}
        self._beside: Dict[Tuple[str, str], Mapping[str, Any]] = {}

    def set_variable(self, process: str, name: str, value: Optional[str]) -> None:
        environ = self._programs[process].environ
        environ.pop(name, None)
        if value is not None:
            environ[name] = value

    def variable(self, process: str, name: str) -> Optional[str]:
        return self._programs[process].environ.get(name)

    def limit(self, process: str, resource: str, limit: int) -> None:
        self._programs[process].limits[resource] = limit

    def limit_of(self, process: str, resource: str) -> Optional[int]:
        top = self._programs[process].top
        return None if top is None else top.limits.get(resource)

    def hook(self, process: str, spec: Mapping[str, Any]) -> None:
        self._programs[process].hooks.append(spec)

    def add_module(self, process: str, name: str, text: str) -> None:
        program = self._programs[process]
        program.install(name, source_of(f"/run/modules-{process}/{name}.py", text))

    def hooked(self, process: str, kind: str, module: str) -> Sequence[Mapping[str, Any]]:
        return self._heard(process, kind, module)

    def regions(self, process: str) -> Sequence[str]:
        program = self._programs[process]
        theirs = [each for each in self._machine.processes.values() if each.program is program]
        attached = {name for who, name in self._beside if who == process}
        return sorted({*tracking.mapped_names(self._machine, theirs), *attached})

    def attach_beside(self, process: str, name: str) -> Mapping[str, Any]:
        """An interpreter that the program knows nothing of, with a tracker of its own."""
        if (process, name) in self._beside:
            return self._beside[process, name]
        was_there = name in self._machine.regions
        program = Program("beside", lambda *said: None, {})
        made = self._machine.start_process(None, program, "beside")
        program.top = made
        py = Interpreter(self._machine, made, self._behaviours[process], {})

        def main(them: Interpreter) -> Steps[None]:
            yield from tracking.attach(them, name)

        self._machine.start_thread(made, py.run(main))
        self._await_end([made])
        rest = [each for each in self._machine.processes.values() if each.program is program]
        self._await_end(rest)
        said = {"was_there": was_there, "is_there": name in self._machine.regions}
        self._beside[process, name] = {**said, "said": program.stderr}
        return self._beside[process, name]

    def damage(self, process: str, module: str, how: Union[str, Mapping[str, Any]]) -> None:
        extensions = self._programs[process].extensions
        self._damages[process, module] = Damage(extensions[module], how)

    def replace_extension(self, process: str, module: str, built_by: str) -> None:
        raise AssertionError("nobody has built a file here")

    def damaged(self, process: str, module: str) -> Mapping[str, Any]:
        damage = self._damages[process, module]
        damage.do()
        return damage.told
