"""The models of sim.subjects: one module each, by the same names.

A model has what its subject has: functions of the same names, whose steps are those of the
original, the modules that it brings along, and the same words where it says something.
"""

from __future__ import annotations

import importlib
from typing import Any, Callable, Mapping, Optional, Tuple

from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.modules import Source
from sim.virtual.lifecycle.program import placed
from sim.virtual.lifecycle.steps import Steps

Variant = Callable[[Interpreter], Steps[None]]
SUBJECTS = "sim.subjects."
MODELLED = (
    "fork_with_held_lock",
    "hanging",
    "kernel_loader",
    "lazy_backend",
    "no_main_guard",
    "parallel_import",
    "preload",
    "prewarm",
    "shared_region",
    "start_method",
)


class Model:
    """`files` are what lies on the disk because of it, by path; `modules` what is installed with
    the subject, by name."""

    def __init__(self, name: str) -> None:
        self._made: Any = importlib.import_module(f"{__name__}.{name}")
        self.subject: str = self._made.SUBJECT
        self.variants: Mapping[str, Variant] = self._made.VARIANTS
        self.files: Mapping[str, Source] = self._made.FILES
        made = getattr(self._made, "EXTENSIONS", {})
        self.extensions = {name: make() for name, make in made.items()}
        bodies = {self.subject: self._made.body, **getattr(self._made, "MODULES", {})}
        self.modules = {name: Source(placed(name), each) for name, each in bodies.items()}


def model_of(program: Optional[str]) -> Optional[Tuple[Model, Variant]]:
    """Of what `program = "sim.subjects.x:variant"` names; None: there is none."""
    module, _, variant = (program or "").partition(":")
    name = module[len(SUBJECTS) :]
    if not module.startswith(SUBJECTS) or name not in MODELLED:
        return None
    model = Model(name)
    return (model, model.variants[variant]) if variant in model.variants else None


def modelled_programs() -> Tuple[str, ...]:
    return tuple(
        f"{SUBJECTS}{name}:{variant}" for name in MODELLED for variant in Model(name).variants
    )
