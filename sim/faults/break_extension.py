"""The file of a compiled module is broken, in a private copy that a program finds first."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Mapping, Optional, Sequence, Union

from sim.abc import Capability, Evidence, World
from sim.faults.hooked import check_module
from sim.history.history import Allowance

# Each way and, where it has one, what its argument is. sim/live/damage.py is how they are done.
SIZE, NAME = "a number of bytes, or 'half'", "a name of letters, digits, and _ . + -"
SYMBOL = re.compile(r"[A-Za-z_][\w.+-]{0,200}")
KINDS: Mapping[str, Optional[str]] = {
    **dict.fromkeys(("missing", "dangling_link", "directory", "foreign_tag"), None),
    **dict.fromkeys(("empty", "short", "script", "text"), None),
    "truncated_to": SIZE,
    **dict.fromkeys(("wrong_machine", "elf32", "big_endian", "et_exec", "no_init"), None),
    "undefined_symbol": NAME,
    "missing_library": NAME,
    **dict.fromkeys(("init_raises", "init_null", "init_error_set", "init_non_module"), None),
    **dict.fromkeys(("sigill", "sigsegv", "abort", "unreadable", "noexec"), None),
    "truncated_live": None,
}


@dataclass(frozen=True)
class BreakExtension:
    """docs/broken-extensions.md has every way, how it is made and what it does."""

    alias: ClassVar[str] = "break_extension"
    doc: ClassVar[str] = "breaks the file of a compiled module that a program loads"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})

    target: str
    how: Union[str, Dict[str, Any]] = field(
        metadata={"doc": 'a kind, "empty", or one with its argument, { truncated_to = 4096 }'}
    )
    module: str = field(
        default="cy_kernels.spinloop", metadata={"doc": "whose file it is, by its full name"}
    )

    def __post_init__(self) -> None:
        check_module(self.module)
        how: Dict[str, Any] = self.how if isinstance(self.how, dict) else {self.how: None}
        if len(how) != 1:
            raise ValueError(f"`how` has {len(how)} keys: it is one kind, with its argument")
        [(kind, argument)] = how.items()
        if kind not in KINDS:
            near = difflib.get_close_matches(str(kind), KINDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(KINDS)}"
            raise ValueError(f"`how` is {kind!r}, no way to break an extension: {hint}")
        wanted = KINDS[kind]
        is_size = argument == "half" or (type(argument) is int and argument >= 0)
        is_name = isinstance(argument, str) and SYMBOL.fullmatch(argument) is not None
        is_right = is_size if wanted == SIZE else is_name
        if argument is not None and (wanted is None or not is_right):
            raise ValueError(f"`how`: {kind} takes {wanted or 'no argument'}, not {argument!r}")

    def prepare(self, world: World) -> None:
        world.launch.damage(self.target, self.module, self.how)

    def inject(self, world: World) -> Evidence:
        done = world.launch.damaged(self.target, self.module)
        return Evidence(bool(done["proven"]), str(done["what"]), done["data"])

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
