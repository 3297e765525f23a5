"""A program finds no module of a name, as if it were not installed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Optional

from sim.faults.hooked import ImportFault


@dataclass(frozen=True)
class MissingModule(ImportFault):
    alias: ClassVar[str] = "missing_module"
    doc: ClassVar[str] = "a program finds no module of this name, as if it were not installed"
    hook: ClassVar[str] = "missing"

    imports_max: Optional[int] = field(
        default=None, metadata={"doc": "in so many imports of a process; absent: in all"}
    )
