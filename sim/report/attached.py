"""What `spinbed attach` saw, for people and for programs: what to act on comes first."""

from __future__ import annotations

import json
import platform
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from sim.hang import flags
from sim.hang.attached import Finding
from sim.history.hang_class import REMEDIES
from sim.report import heartbeats
from sim.report.evidence import native_lines
from sim.report.wording import plain

COMMAND_COLUMNS_MAX = 60
CALLS: Mapping[int, str] = {
    "x86_64": {
        **{0: "read", 1: "write", 7: "poll", 23: "select", 24: "sched_yield", 34: "pause"},
        **{35: "nanosleep", 45: "recvfrom", 47: "recvmsg", 61: "wait4", 202: "futex"},
        **{230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 270: "pselect6"},
        **{271: "ppoll", 281: "epoll_pwait"},
    },
    "aarch64": {
        **{22: "epoll_pwait", 63: "read", 64: "write", 72: "pselect6", 73: "ppoll", 95: "waitid"},
        **{98: "futex", 101: "nanosleep", 115: "clock_nanosleep", 124: "sched_yield"},
        **{207: "recvfrom", 212: "recvmsg", 260: "wait4"},
    },
}.get(platform.machine(), {})
COLUMNS = ("pid", "state", "kernel function", "system call", "cpu", "threads", "command")
GAP = "  "


def as_json(evidence: Mapping[str, Any], findings: Sequence[Finding]) -> str:
    hangs = [each.name for each in findings if each.hang is not None]
    told = [_told(each) for each in findings]
    found = {"hang": hangs[0] if hangs else None, "told": told, "evidence": evidence}
    return json.dumps(found, indent=2, default=str)


def _told(finding: Finding) -> Dict[str, Any]:
    found: Dict[str, Any] = {"where": finding.where, "is_hang": finding.hang is not None}
    found.update({"class": finding.name, "why": finding.why})
    if finding.hang is not None:
        hang = finding.hang
        found.update(who=[*hang.who], on=[*hang.waits_for], proof=hang.proof)
        found["each"] = [str(wait) for wait in hang.waits]
    else:
        found["waiting"] = [*finding.waiting]
    return found


def lines(evidence: Mapping[str, Any], findings: Sequence[Finding]) -> Sequence[str]:
    found: List[str] = []
    regions = {each["name"]: each for each in evidence["regions"]}
    for each in findings:
        found += _finding(each, regions.get(each.where))
    found += ["", *_table(evidence)]
    for region in evidence["regions"]:
        found += ["", *_region(region, evidence.get("time_ns"))]
    found += ["", *native_lines(evidence["processes"])]
    found += ["", *evidence["notes"]] if evidence["notes"] else []
    return [plain(line) for line in found]


def _finding(finding: Finding, region: Optional[Mapping[str, Any]]) -> Iterator[str]:
    lead = "hang" if finding.hang is not None else "no hang"
    yield f"{lead}: {finding.name}, {finding.where}: {finding.why}"
    if finding.hang is None:
        yield from (f"  {waiting}" for waiting in finding.waiting)
        return
    yield from (f"  {wait}" for wait in finding.hang.waits)
    named = {*finding.hang.who, *finding.hang.waits_for}
    for seat in region["processes"] if region is not None else ():
        if seat["name"] in named and seat["state"] != "absent":
            yield f"  {seat['name']} is process {seat['pid']}"
    yield f"  to do: {REMEDIES[finding.hang.kind]}"
    yield f"  {finding.hang.proof}"


def _table(evidence: Mapping[str, Any]) -> Iterator[str]:
    rows = [COLUMNS, *(_row(each) for each in evidence["processes"])]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield GAP.join(word.ljust(width) for word, width in zip(row, widths)).rstrip()
    yield f"cpu: in {evidence['window_ns'] / 1e9:.1f} s"


def _row(process: Mapping[str, Any]) -> Sequence[str]:
    threads = process["threads"]
    main = next((each for each in threads if each["tid"] == process["pid"]), None)
    cpu_ms = sum(each["cpu_ns"] for each in threads) / 1e6
    channel = (main["wait_channel"] if main else "") or "-"
    call = _call(main["system_call"]) if main else "-"
    command = process["command"][:COMMAND_COLUMNS_MAX] or "-"
    pid, count = str(process["pid"]), str(len(threads))
    return (pid, process["state"], channel, call, f"{cpu_ms:.0f} ms", count, command)


def _call(words: str) -> str:
    number = words.partition(" ")[0]
    if number == "-1":  # in none, but blocked, or ended
        return "-"
    return CALLS.get(int(number), number) if number.isdigit() else number or "not to be read"


def _region(region: Mapping[str, Any], time_ns: Optional[int]) -> Iterator[str]:
    state = region["described"]
    yield f"{region['name']}: {region['size_bytes']} bytes, {state.get('kind', 'no ring')}"
    if "error" in state:
        yield f"  {state['error']}"
        return
    header = "" if state["has_header"] else ", without a header"
    shape = f"{state['slots']} slots of {state['slot_bytes']} bytes, readers: {state['readers']}"
    yield f"  {shape}{header}{', moves' if region['moved'] else ''}"
    if "shutdown" in state and state["shutdown"] != "open":
        yield f"  {state['shutdown']}"
    if "slot_flags" in state:
        yield from (f"  {line}" for line in flags.lines(state))
    if "writer" in state and not region["is_of_this_pid_namespace"]:
        yield "  its owners are of another pid namespace: look from inside of that one"
    seats = {each["name"]: each for each in region["processes"]}
    for rank, place in enumerate([state["writer"], *state["reader"]] if "writer" in state else ()):
        name = f"reader[{rank - 1}]" if rank else "writer"
        beat = heartbeats.age(place, time_ns)
        ago = "" if beat == "-" else f", heartbeat {beat} ago"
        yield f"  {name}: {_place(place, seats.get(name))}{ago}"
    more = "" if region["are_holders_complete"] else ", and others that may not be looked at"
    yield f"  mapped by {', '.join(map(str, region['holders'])) or 'nobody any more'}{more}"


def _place(place: Mapping[str, Any], seat: Any) -> str:
    at = f"at message {place['position']}"
    if place["owner"] != "process":
        return f"{place['owner']}, {at}"
    who = f"process {place['pid']}"
    if seat is None:
        return f"{who}, {at}"
    doing = f"in {seat['op']['f']}" if seat["op"] else "in no operation"
    return f"{who}, {at}, {doing if seat['state'] == 'running' else seat['state']}"
