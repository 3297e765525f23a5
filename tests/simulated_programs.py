"""Small programs on the simulated machine, for tests of its mechanisms."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from sim.virtual.lifecycle.choosing import Chooser, Replayed
from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.machine import Machine, Process
from sim.virtual.lifecycle.modules import Body, Source
from sim.virtual.lifecycle.program import Program
from sim.virtual.lifecycle.versions import named

MAX_NS = 100_000_000_000


class Made:
    """One program, run until nothing moves any more."""

    def __init__(
        self,
        main: Callable[[Interpreter], Any],
        modules: Optional[Mapping[str, Body]] = None,
        *,
        python: str = "3.11",
        chooser: Optional[Chooser] = None,
        hooks: Tuple[Mapping[str, Any], ...] = (),
    ) -> None:
        self.said: List[Tuple[str, Dict[str, Any]]] = []
        self.machine = Machine(chooser or Replayed(b""), lambda process: None)
        self.program = Program("app", self._hears, {}, list(hooks))
        for name, body in (modules or {}).items():
            self.program.install(name, Source(f"/site/{name}.py", body))
        self.top: Process = self.machine.start_process(None, self.program, "app")
        self.program.top = self.top
        self.py = Interpreter(self.machine, self.top, named(python), {})
        self.machine.start_thread(self.top, self.py.run(main))
        while self.machine.step(MAX_NS):
            pass

    def _hears(self, program: Program, process: Process, kind: str, said: Dict[str, Any]) -> None:
        self.said.append((kind, said))

    @property
    def alive(self) -> List[Process]:
        return [each for each in self.machine.processes.values() if not each.is_dead]
