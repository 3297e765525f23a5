"""An import is held between two statements of its module, until others are where they matter."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Mapping, Optional

from sim.faults.hooked import ImportFault

UNTIL = r"main_waits|(probe|began|held|released|late|ended|raised|obtained):.+"


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

    def __post_init__(self) -> None:
        super().__post_init__()
        if re.fullmatch(UNTIL, self.until) is None:
            raise ValueError(f"`until` is {self.until!r}, no condition: main_waits")

    def does(self) -> Mapping[str, Any]:
        return {"until": self.until, "at": self.at_statement}
