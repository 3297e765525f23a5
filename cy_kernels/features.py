"""What a CPU offers to whoever waits on memory, and SPINBED_CPU, which overrides it.

The variable is a list of names, separated by commas, in which a name may occur once:

    waitpkg                        treat it as there, and execute it
    -monitorx                      treat it as absent
    monitor_line_max_bytes=128     a size, or a rate: a decimal number, 0 for unknown
    none                           first in the list: nothing to wait with; what follows adds to it

What is forced is really executed: forced on a CPU that lacks it, WAITPKG is an illegal instruction
unless somebody catches that. Instructions of another kind of machine cannot be forced.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, fields, replace
from typing import Dict, Iterable, Mapping, NoReturn, Optional, Tuple, Union

VARIABLE = "SPINBED_CPU"
NONE = "none"
X86 = "x86_64"
ARM = "aarch64"
# The features that a wait strategy may need, and the machines that can have them.
MACHINES: Mapping[str, str] = {
    "monitorx": X86,
    "waitpkg": X86,
    "wfe": ARM,
    "wfxt": ARM,
    "evtstrm": ARM,
}
FLAGS = (*MACHINES, "invariant_tsc")
# The largest that make sense, so that a slip of the hand does not become a wait without end.
NUMBERS_MAX: Mapping[str, int] = {
    "monitor_line_min_bytes": 4096,
    "monitor_line_max_bytes": 4096,
    "tsc_hz": 100_000_000_000,
}
DIGITS_MAX = 12
NAMES = (*FLAGS, *NUMBERS_MAX)

Value = Union[bool, int]


class BadOverride(ValueError):
    """The override, or the variable, names no feature, or gives one a value that it cannot have."""


@dataclass(frozen=True)
class Features:
    """What one CPU offers. Sizes and rates are 0 where nobody can say.

    A waiter is surely woken by a store within monitor_line_min_bytes of the address that it
    watches (rounded down to such a line), and may be woken by any within monitor_line_max_bytes:
    fit what is watched into the smallest, keep the rest of the world out of the largest (Intel SDM
    vol. 3, "Monitor/Mwait Address Range Determination").
    """

    machine: str  # "x86_64", "aarch64"
    monitorx: bool = False  # MONITORX and MWAITX
    waitpkg: bool = False  # UMONITOR, UMWAIT and TPAUSE
    wfe: bool = False
    wfxt: bool = False  # WFET
    evtstrm: bool = False  # the OS makes events at a steady rate: a WFE ends without any other
    monitor_line_min_bytes: int = 0
    monitor_line_max_bytes: int = 0
    invariant_tsc: bool = False  # the counter runs at one rate, whatever the core does
    tsc_hz: int = 0  # of the counter that tsc() of instructions.pxd reads
    tsc_source: str = ""  # who says so: "CPUID 15h", "calibrated"
    source: str = ""  # who says the rest: "CPUID", "/proc/cpuinfo"
    override: str = ""  # what was forced, as it was written

    def __post_init__(self) -> None:
        assert self.machine
        assert all(getattr(self, name) >= 0 for name in NUMBERS_MAX)
        if self.monitor_line_min_bytes and self.monitor_line_max_bytes:
            assert self.monitor_line_min_bytes <= self.monitor_line_max_bytes

    def __str__(self) -> str:
        own = [name for name, machine in MACHINES.items() if machine == self.machine]
        parts = [name if getattr(self, name) else f"no {name}" for name in own]
        sizes = [self.monitor_line_min_bytes, self.monitor_line_max_bytes]
        smallest, largest = (str(size) if size else "unknown" for size in sizes)
        line = smallest if smallest == largest else f"{smallest} to {largest}"
        unit = "" if line == "unknown" else " bytes"
        return ", ".join([self.machine, *parts, f"monitor line {line}{unit} ({self.source})"])


def overridden(found: Features, override: Optional[str] = None) -> Features:
    """`found` as `override` would have it, else the variable SPINBED_CPU; "" asks for neither.

    Raises BadOverride, and TypeError for what is no string.
    """
    if override is None:
        text, label = os.environ.get(VARIABLE, ""), VARIABLE
    elif isinstance(override, str):
        text, label = override, "override"
    else:
        raise TypeError(f"override must be a str or None, not {type(override).__name__}")
    if not text.strip():
        return found
    try:
        changes = _changes(text, found.machine)
        smallest = int(changes.get("monitor_line_min_bytes", found.monitor_line_min_bytes))
        largest = int(changes.get("monitor_line_max_bytes", found.monitor_line_max_bytes))
        if smallest and largest and smallest > largest:
            raise BadOverride(
                f"monitor_line_min_bytes {smallest} is more than monitor_line_max_bytes {largest}"
            )
    except BadOverride as error:
        raise BadOverride(f"{label}={text!r}: {error}") from None
    tsc_source = "override" if "tsc_hz" in changes else found.tsc_source
    return replace(found, **changes, tsc_source=tsc_source, override=text)  # type: ignore[arg-type]


def nearest(name: str, names: Iterable[str]) -> str:
    """For the end of a message: the valid name that was probably meant, else all of them."""
    known = list(names)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"one of {', '.join(known)}"


def _changes(text: str, machine: str) -> Dict[str, Value]:
    items = [item.strip() for item in text.split(",")]
    changes: Dict[str, Value] = {}
    if items[0] == NONE:
        changes.update(dict.fromkeys(MACHINES, False))
        del items[0]
    named = [_item(item, machine) for item in items]
    for name, value in named:
        if [each for each, _ in named].count(name) > 1:
            raise BadOverride(f"{name!r} is named twice")
        changes[name] = value
    return changes


def _item(item: str, machine: str) -> Tuple[str, Value]:
    name, equals, number = (part.strip() for part in item.partition("="))
    is_off = name.startswith("-")
    name = name[1:].strip() if is_off else name
    if name == NONE:
        raise BadOverride(f"{NONE!r} comes first, and has no sign")
    if name not in NAMES:
        _refuse(f"no feature is called {name!r}", name)
    if name in FLAGS:
        if equals:
            raise BadOverride(f"{name!r} takes no value: write {name!r} or '-{name}'")
        own = MACHINES.get(name, machine)
        if own != machine and not is_off:
            raise BadOverride(f"{name!r} is of {own}, and this is {machine}")
        return name, not is_off
    if is_off or not equals:
        raise BadOverride(f"{name!r} needs a number: '{name}=64'")
    is_number = number.isascii() and number.isdecimal() and len(number) <= DIGITS_MAX
    if not is_number or int(number) > NUMBERS_MAX[name]:
        raise BadOverride(f"{name}={number!r} is not a number from 0 to {NUMBERS_MAX[name]}")
    return name, int(number)


def _refuse(message: str, name: str) -> NoReturn:
    raise BadOverride(f"{message} ({nearest(name, (*NAMES, NONE))})")


assert {each.name for each in fields(Features)} >= set(NAMES)
