"""An import is held between two statements of its module, until others are where they matter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Mapping, Optional

from sim.faults.hooked import ImportFault


@dataclass(frozen=True)
class GatedImport(ImportFault):
    alias: ClassVar[str] = "gated_import"
    doc: ClassVar[str] = "an import is held in the middle of its module until something is so"
    hook: ClassVar[str] = "gated"

    until: str = field(
        default="main_waits", metadata={"doc": "main_waits: the main thread waits for this import"}
    )
    at_statement: int = field(default=0, metadata={"doc": "after so many statements of its body"})
    imports_max: Optional[int] = field(
        default=None, metadata={"doc": "in so many imports of a process; absent: in all"}
    )

    def does(self) -> Mapping[str, Any]:
        return {"until": self.until, "at": self.at_statement}
