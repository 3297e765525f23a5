"""Faults that strike by a hook inside a program, and prove it by that hook's own word."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Mapping, Optional, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance

NAME = r"[^\W\d]\w*(\.[^\W\d]\w*)*"


def check_module(module: str) -> None:
    """Raises ValueError for what a hook would not take: in the program that is too late."""
    if re.fullmatch(NAME, module) is None:
        raise ValueError(f"`module` is {module!r}, not the name of a module")


def hooked(
    world: World, target: str, kind: str, module: str, *, what: str = "imports {}"
) -> Evidence:
    """A program that has ended without it, or ran on, has not met the fault. `what` the program
    then does, with the module in the place of {}."""
    said = world.launch.hooked(target, kind, module)
    events = [str(each.get("event")) for each in said]
    struck = [event for event in events if event != "impossible"]
    if not said:
        never = f"{target} never {what.format(module)}".replace("never imports", "never imported")
        return Evidence(False, never, {"module": module})
    why = next((str(each["why"]) for each in said if "why" in each), "")
    seen = f"{target} {what.format(module)}" if struck else f"{module}: {why}"
    return Evidence(bool(struck), seen, {"module": module, "events": events[:16]})


@dataclass(frozen=True)
class HookedFault:
    """What all of them are; each adds its name, what is planted, and what proves that it struck."""

    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})
    is_proven_at_end: ClassVar[bool] = True

    target: str

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()


@dataclass(frozen=True)
class ImportFault(HookedFault):
    """In the import of a module."""

    hook: ClassVar[str]  # its kind, of sim.inside.import_hooks

    module: str = field(metadata={"doc": "its full name"})

    def __post_init__(self) -> None:
        check_module(self.module)
        imports_max: Optional[int] = getattr(self, "imports_max", None)
        if imports_max is not None and imports_max < 1:
            raise ValueError(f"`imports_max` is {imports_max}: 1 is the least")

    def does(self) -> Mapping[str, Any]:
        """What the hook is told, beside its kind and the module."""
        return {}

    def prepare(self, world: World) -> None:
        spec: Dict[str, Any] = {"kind": self.hook, "module": self.module, **self.does()}
        imports_max: Optional[int] = getattr(self, "imports_max", None)
        if imports_max is not None:
            spec["times"] = imports_max
        world.launch.hook(self.target, spec)

    def inject(self, world: World) -> Evidence:
        return hooked(world, self.target, self.hook, self.module)
