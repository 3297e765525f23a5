"""What happened in one run of programs, a line an event, as it is told to a person."""

from __future__ import annotations

from typing import Any, Iterator, List, Mapping, Optional, Sequence

from sim.history.history import History
from sim.history.op import EXIT, HANG, HEAL, HOOK, INJECT, LEAK, LOG, PROBE, SPAWN, Op
from sim.report.wording import plain

LINES_MAX = 20  # of each stream: the end of it
COLUMNS_MAX = 300  # of what a program can make as long as it likes


def timeline(history: History) -> Sequence[str]:
    """Times are from the start of the first program."""
    began_ns = next((op.time_ns for op in history.ops if op.f == SPAWN), None)
    lines: List[str] = []
    for op in history.ops:
        said = _said(op)
        if said is None:
            continue
        after_s = max(0, op.time_ns - (began_ns or op.time_ns)) / 1e9
        lines.append(f"{after_s:8.3f} s  {plain(said)[:COLUMNS_MAX]}")
        if op.f == EXIT:
            lines += _printed(op.detail or {})
    return lines


def _said(op: Op) -> Optional[str]:
    detail: Mapping[str, Any] = op.detail or {}
    if op.f == SPAWN:
        return f"{op.process} started: {' '.join(map(str, detail.get('argv', ())))}"
    if op.f == EXIT:
        by = ", ended with the run" if detail.get("ended_by") else ""
        return f"{op.process} ended: {op.outcome}{by}"
    if op.f == PROBE:
        return f"{op.process} passed {detail.get('probe')}"
    if op.f == LOG:
        return f"{op.process} logged {detail.get('level')}: {detail.get('message')}"
    if op.f in (INJECT, HEAL):
        what = (detail.get("evidence") or {}).get("what")
        done = detail.get("fired" if op.f == INJECT else "healed")
        verb = "fired" if op.f == INJECT else "healed"
        return f"{detail.get('alias')} {verb if done else 'not ' + verb}: {what}"
    if op.f == HANG:
        return f"not over by the deadline; still there: {', '.join(detail.get('waiting', ()))}"
    if op.f == LEAK:
        return f"left behind: {', '.join(detail.get('names', ()))}"
    if op.f == HOOK and detail.get("hook") != "start":
        return f"{op.process}: {detail.get('hook')} {detail.get('module')}: {detail.get('event')}"
    return None


def _printed(detail: Mapping[str, Any]) -> Iterator[str]:
    for stream in ("stdout", "stderr"):
        lines = str(detail.get(stream) or "").splitlines()
        if len(lines) > LINES_MAX:
            yield f"           {stream} | ... {len(lines) - LINES_MAX} lines before"
        for line in lines[-LINES_MAX:]:
            yield f"           {stream} | {plain(line[:COLUMNS_MAX])}"
