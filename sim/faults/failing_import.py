"""The body of a module raises while a program imports it."""

from __future__ import annotations

import builtins
import difflib
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Mapping, Optional

from sim.faults.hooked import NAME, ImportFault

BUILT_IN = tuple(
    name
    for name, each in vars(builtins).items()
    if isinstance(each, type) and issubclass(each, BaseException)
)


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

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _can_be_raised(self.exception):
            near = difflib.get_close_matches(self.exception, BUILT_IN, n=1)
            hint = f"did you mean {near[0]!r}?" if near else 'or "their_pkg.module:Error"'
            raise ValueError(f"`exception` is {self.exception!r}, no built-in exception: {hint}")

    def does(self) -> Mapping[str, Any]:
        exception = self.exception.replace(":", ".")
        return {"exception": exception, "message": self.message, "at": self.at_statement}


def _can_be_raised(name: str) -> bool:
    return name in BUILT_IN or re.fullmatch(rf"{NAME}:[^\W\d]\w*", name) is not None
