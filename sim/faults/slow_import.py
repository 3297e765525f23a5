"""The import of a module takes longer than it should."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Mapping, Optional

from sim.faults.hooked import ImportFault


@dataclass(frozen=True)
class SlowImport(ImportFault):
    alias: ClassVar[str] = "slow_import"
    doc: ClassVar[str] = "the import of a module takes so much longer in a program"
    hook: ClassVar[str] = "slow"

    duration_ns: int = field(metadata={"doc": "longer by so much"})
    at_statement: int = field(default=0, metadata={"doc": "after so many statements of its body"})
    imports_max: Optional[int] = field(
        default=None, metadata={"doc": "in so many imports of a process; absent: in all"}
    )

    def does(self) -> Mapping[str, Any]:
        return {"seconds": self.duration_ns / 1e9, "at": self.at_statement}
