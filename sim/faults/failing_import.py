"""The body of a module raises while a program imports it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Mapping, Optional

from sim.faults.hooked import ImportFault


@dataclass(frozen=True)
class FailingImport(ImportFault):
    alias: ClassVar[str] = "failing_import"
    doc: ClassVar[str] = "the body of a module raises while a program imports it"
    hook: ClassVar[str] = "failing"

    exception: str = field(metadata={"doc": 'a built-in one, or "their_pkg.module:Error"'})
    message: str = field(default="planted by failing_import", metadata={"doc": "its text"})
    at_statement: int = field(default=0, metadata={"doc": "after so many statements of its body"})
    imports_max: Optional[int] = field(
        default=None, metadata={"doc": "in so many imports of a process; absent: in all"}
    )

    def does(self) -> Mapping[str, Any]:
        return {"exception": self.exception, "message": self.message, "at": self.at_statement}
