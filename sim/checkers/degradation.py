"""degradation: who could not have the better path took the weaker one, and said so, and why.

What a program says of it, which nobody else can know:

    spinbed.probe("degraded", what="pkg.kernel", cause="ImportError: ...")
                                        it takes the weaker path, for it goes without that
    spinbed.probe("result", work=...)   what its work came to, or a digest of it: any JSON value

and a log record that has `what` in its message. The promises, each of which is broken by itself:

- a program from which a fault took a module says "degraded", instead of ending or keeping silent;
- each process of the OS that says it logs it once, at WARNING;
- the record names the cause: the type or text of what the import raises by that fault, or its
  signal; where no fault took a module, the cause that the probe names;
- the work comes to what it does in the processes that have the better path, or, where there is
  none, in all that have not.
"""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar, Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from sim.abc import Result
from sim.checkers.finding import Finding, judged
from sim.checkers.said_inside import Life, hooked, life_of
from sim.history.history import History
from sim.history.op import EXIT, INJECT, LOG, PROBE

DEGRADED, RESULT = "degraded", "result"
# The faults that take a module from a program.
TAKING = ("break_extension", "missing_module", "failing_import")
NOT_FOUND = "ModuleNotFoundError"
REPR = re.compile(r"(\w+)\((.*)\)", re.DOTALL)  # of an exception


class _Taken(NamedTuple):
    """A process of the OS took the weaker path for something."""

    life: Life
    what: str
    cause: Optional[str]
    op: int  # index of the probe


class _Struck(NamedTuple):
    """A process from which a fault took a module, and what an import of it gives."""

    op: int  # index of the injection
    causes: List[str]


class Degradation:
    alias: ClassVar[str] = "degradation"
    doc: ClassVar[str] = "the weaker path is taken, said once with its cause, and gives the same"

    def check(self, history: History) -> Result:
        taken = _taken(history)
        struck = _struck(history)
        invalid: List[Finding] = []
        unknown: List[Finding] = []
        if not taken and not struck:
            unknown.append(Finding('nobody said that it took a weaker path (probe "degraded")'))
        degraded = {each.life[0] for each in taken}
        works = _works(history)
        ends = _ends(history)
        for process, fault in struck.items():
            if process not in degraded:
                found = _not_taken(process, fault, process in works, ends.get(process))
                (unknown if found[1] else invalid).append(found[0])
        for each in taken:
            causes = struck[each.life[0]].causes if each.life[0] in struck else []
            if not causes and each.cause is not None:
                causes = [each.cause]
            _said(each, causes, history, invalid, unknown)
        _compared(degraded, works, ends, invalid, unknown)
        return judged(self.alias, invalid, unknown)


End = Tuple[str, int]  # how, and the index of its op


def _taken(history: History) -> List[_Taken]:
    found: Dict[Tuple[Life, str], _Taken] = {}
    for index, op in enumerate(history.ops):
        detail = op.detail or {}
        if op.f == PROBE and detail.get("probe") == DEGRADED:
            said = detail.get("detail") or {}
            what, cause = str(said.get("what") or ""), said.get("cause")
            taken = _Taken(life_of(op), what, None if cause is None else str(cause), index)
            found.setdefault((taken.life, what), taken)
    return list(found.values())


def _struck(history: History) -> Dict[str, _Struck]:
    found: Dict[str, _Struck] = {}
    for index, op in enumerate(history.ops):
        detail = op.detail or {}
        if op.f == INJECT and detail.get("fired") and detail.get("alias") in TAKING:
            target = str(detail.get("target"))
            struck = found.setdefault(target, _Struck(index, []))
            struck.causes.extend(_causes(target, detail, history))
    return found


def _causes(target: str, injected: Mapping[str, Any], history: History) -> List[str]:
    """As the last line of a traceback would have it, or a signal's name."""
    evidence = injected.get("evidence") or {}
    if injected.get("alias") == "break_extension":
        return [str(evidence["import_gives"])] if evidence.get("import_gives") else []
    module = evidence.get("module")
    if injected.get("alias") == "missing_module":
        return [f"{NOT_FOUND}: No module named {module!r}"]
    causes = []
    for _, op, detail in hooked(history, "failing"):
        shown = REPR.fullmatch(str(detail.get("exception")))
        if op.process == target and detail.get("module") == module and shown is not None:
            text = shown.group(2).strip("'\"")
            causes.append(f"{shown.group(1)}: {text}" if text else shown.group(1))
    return list(dict.fromkeys(causes))


def _works(history: History) -> Dict[str, Set[str]]:
    """What the work of each process came to, as canonical JSON."""
    found: Dict[str, Set[str]] = {}
    for op in history.ops:
        detail = op.detail or {}
        said = detail.get("detail") or {}
        if op.f == PROBE and detail.get("probe") == RESULT and "work" in said:
            work = json.dumps(said["work"], sort_keys=True, default=repr)
            found.setdefault(op.process, set()).add(work)
    return found


def _ends(history: History) -> Dict[str, End]:
    found: Dict[str, End] = {}
    for index, op in enumerate(history.ops):
        if op.f == EXIT:
            is_late = (op.detail or {}).get("ended_by")
            found[op.process] = ("it did not end" if is_late else str(op.outcome), index)
    return found


def _not_taken(
    process: str, fault: _Struck, has_result: bool, end: Optional[End]
) -> Tuple[Finding, bool]:
    """And whether that says nothing of it: who was killed from outside took no path at all."""
    if end is None or end[0] == "SIGKILL":
        return Finding(f"{process}: ended from outside before it took a path", (fault.op,)), True
    how, index = end
    if how != "0":
        how = how if how == "it did not end" else f"it ended by {how}"
        return Finding(f"{process}: took no weaker path: {how}", (index, fault.op)), False
    if has_result:
        why = f"{process}: gave its result and never said that it took a weaker path"
        return Finding(why, (fault.op, index)), False
    why = f'{process}: said neither which path it took nor what came of it (probe "degraded")'
    return Finding(why, (fault.op,)), True


def _said(
    taken: _Taken,
    causes: List[str],
    history: History,
    invalid: List[Finding],
    unknown: List[Finding],
) -> None:
    process, what = taken.life[0], taken.what
    if not what:
        unknown.append(Finding(f"{process}: did not say what it does without", (taken.op,)))
        return
    records = [
        (index, op.detail or {})
        for index, op in enumerate(history.ops)
        if op.f == LOG and life_of(op) == taken.life
        if what in str((op.detail or {}).get("message"))
    ]
    indices = tuple(index for index, _ in records)
    if not records:
        why = f"{process}: took the weaker path for {what} and logged no warning of it"
        invalid.append(Finding(why, (taken.op,)))
        return
    if len(records) > 1:
        why = f"{process}: logged {len(records)} times, not once, that it goes without {what}"
        invalid.append(Finding(why, indices[1:]))
    for index, detail in records:
        if detail.get("level") != "WARNING":
            why = f"{process}: logged at {detail.get('level')}, not at WARNING, of {what}"
            invalid.append(Finding(why, (index,)))
    if not causes:
        unknown.append(Finding(f"{process}: the cause of {what} is not known", (taken.op,)))
    elif not any(_names(str(d.get("message")), cause) for _, d in records for cause in causes):
        why = f"{process}: warned of {what} without its cause, {' or '.join(causes)}"
        invalid.append(Finding(why, indices))


def _names(message: str, cause: str) -> bool:
    """By its type or signal, or by its text. `from package import module` says ImportError."""
    kind, _, text = cause.partition(": ")
    if kind == NOT_FOUND and re.search(r"\bImportError\b", message):
        return True
    named = re.search(rf"\b{re.escape(kind)}\b", message) is not None
    return named or (bool(text) and text in message)


def _compared(
    degraded: Set[str],
    works: Mapping[str, Set[str]],
    ends: Mapping[str, End],
    invalid: List[Finding],
    unknown: List[Finding],
) -> None:
    sound = [name for name in works if name not in degraded]
    weak = [name for name in works if name in degraded]
    for name in sorted(degraded - set(weak)):
        how, index = ends.get(name, ("0", None))
        if how in ("0", "SIGKILL"):
            why = f'{name}: did not say what its work came to (probe "result" with `work`)'
            unknown.append(Finding(why))
        else:
            why = f"{name}: took the weaker path and gave no result: ended by {how}"
            invalid.append(Finding(why, () if index is None else (index,)))
    if not weak:
        return
    if any(works[name] != works[sound[0]] for name in sound):
        unknown.append(Finding("the processes that have the better path do not agree"))
        return
    if not sound and len(weak) == 1:
        why = f"{weak[0]}: nobody else did its work: there is nothing to compare its result with"
        unknown.append(Finding(why))
        return
    reference = sound[0] if sound else weak[0]
    for name in weak:
        if works[name] != works[reference]:
            one = min(works[name] - works[reference], default="less")
            why = f"{name}: the weaker path gave {one[:80]}, which is not the result of {reference}"
            invalid.append(Finding(why, (ends[name][1],) if name in ends else ()))
