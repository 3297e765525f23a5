"""A module is executed twice: two objects share a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sim.faults.hooked import ImportFault


@dataclass(frozen=True)
class ImportTwice(ImportFault):
    alias: ClassVar[str] = "import_twice"
    doc: ClassVar[str] = "a module is executed twice in a program: two objects share a name"
    hook: ClassVar[str] = "twice"
