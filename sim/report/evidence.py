"""What is known of a hang, for people: the first ten lines are enough to act on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from sim.history.hang_class import MEANINGS, REMEDIES, HangClass
from sim.report import heartbeats
from sim.report.wording import duration, plain

WAITS_MAX = 3  # lines, of the ten
NAMES_MAX = 4  # of processes that wait alike
GAP = "  "
NO_CLASS = "no class: what was seen of it would have ended by itself, but the deadline came first"

Detail = Mapping[str, Any]  # of a history's hang
Stacks = Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]  # by process, innermost frames first
Rows = List[Tuple[str, ...]]


@dataclass(frozen=True)
class Told:
    """A hang, whose it is, and the commands that show it again."""

    title: str
    detail: Detail
    stacks: Stacks
    reproduce: str
    keep_as_file: str

    @property
    def processes(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.detail["evidence"]["processes"]
        return found

    @property
    def region(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.detail["evidence"].get("region", {})
        return found

    @property
    def is_of_ring(self) -> bool:
        return "region" in self.detail["evidence"]


def render(told: Told) -> str:
    lines = [*_summary(told), "", _over(told), *_table(told), *_signals(told)]
    lines += ["", "STACKS, the innermost frame first", *stack_lines(told.stacks)]
    lines += ["", "NATIVE STACKS, the innermost frame first", *native_lines(told.processes)]
    if told.is_of_ring:
        lines += ["", "REGION", *_region(told)]
    return "".join(f"{plain(line).rstrip()}\n" for line in lines)


def _summary(told: Told) -> Iterator[str]:
    detail = told.detail
    name = detail.get("class")
    blocked = duration(int(detail["blocked_ns"]))
    is_late = detail["why"] == "deadline"
    since = "not over by its deadline" if is_late else f"nothing moved for {blocked}"
    if name is None:
        yield f"{told.title}: no class; {since}"
        yield f"seen:   {NO_CLASS}"
        remedy = REMEDIES[HangClass.UNKNOWN]
    else:
        kind = HangClass(name)
        how, _, proof = detail["proof"].partition(": ")
        yield f"{told.title}: {kind.value}, {how}; {since}"
        yield f"proof:  {proof}" if how == "proven" else f"proof:  none, {proof}"
        yield f"seen:   {detail['waits']}"
        yield f"why:    {MEANINGS[kind]}"
        remedy = REMEDIES[kind]
    waits = _waits(told)
    shown = waits if len(waits) <= WAITS_MAX else waits[: WAITS_MAX - 1]
    for wait in shown:
        yield f"who:    {wait}"
    if len(waits) > len(shown):
        yield f"who:    and {len(waits) - len(shown)} more, see below"
    yield f"to do:  {remedy}"
    yield f"again:  {told.reproduce}"
    if told.keep_as_file:
        yield f"file:   {told.keep_as_file}"


def _waits(told: Told) -> Sequence[str]:
    """Who waits for whom and in what; those that wait alike in one line."""
    if not told.is_of_ring:
        return [each.partition(" waits for nobody")[0] for each in told.detail.get("each", ())]
    alike: Dict[Tuple[str, str], List[str]] = {}
    peers = told.detail.get("peers", {})
    for process in told.processes:
        if process.get("op") is not None and process["state"] == "running":
            name = process["name"]
            whom = f" for {_listed(peers[name]) or 'nobody'}" if name in peers else ""
            alike.setdefault((_operation(process, told.region), whom), []).append(name)
    return [
        f"{_listed(names)} wait{'s' if len(names) == 1 else ''}{whom}, in {operation}"
        for (operation, whom), names in alike.items()
    ]


def _listed(names: Sequence[str]) -> str:
    if len(names) > NAMES_MAX:
        return f"{', '.join(names[:NAMES_MAX])} and {len(names) - NAMES_MAX} more"
    return ", ".join(names)


def _operation(process: Mapping[str, Any], region: Mapping[str, Any]) -> str:
    op = process["op"]
    said = f"{op['f']} of message {op['position']}"
    slots = region.get("slots")
    return f"{said} (slot {op['position'] % slots})" if slots else said


def _over(told: Told) -> str:
    return f"PROCESSES, over {duration(told.detail['evidence']['window_ns'])}"


def _table(told: Told) -> Sequence[str]:
    rows = _of_ring(told) if told.is_of_ring else _of_programs(told)
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [GAP.join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]


def _signals(told: Told) -> Iterator[str]:
    """That have come and are not handled; and that are held off, which may be why."""
    for each in told.processes:
        name = each["name"] or f"process {each['pid']}"
        seen = each.get("signals") or {}
        for state in ("pending", "blocked"):
            if seen.get(state):
                yield f"{name}: {state} signals: {', '.join(seen[state])}"


def _of_ring(told: Told) -> Rows:
    head = ("process", "pid", "state", "came to", "in", "done", "sleeps in", "ran", "queued")
    rows: Rows = [(*head, "heartbeat")]
    for each in told.processes:
        threads = each.get("threads", ())
        doing = _operation(each, told.region) if each.get("op") is not None else "-"
        rows.append(
            (
                each["name"],
                str(each.get("pid", "-")),
                each["state"],
                str(each.get("life", "-")),
                doing,
                str(each.get("completed", "-")),
                _channels(threads),
                duration(sum(thread["cpu_ns"] for thread in threads)) if threads else "-",
                duration(sum(thread["queued_ns"] for thread in threads)) if threads else "-",
                heartbeats.age(_seat(each, told.region), told.detail["evidence"].get("time_ns")),
            )
        )
    return rows


def _seat(process: Mapping[str, Any], region: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its words in a ring that knows its ends."""
    seats = region.get("reader", ()) if process.get("role") == "reader" else [region.get("writer")]
    rank = process.get("rank") or 0
    seat = seats[rank] if rank < len(seats) else None
    return seat if isinstance(seat, dict) else {}


def _channels(threads: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(sorted({thread["wait_channel"] for thread in threads} - {""})) or "-"


def _of_programs(told: Told) -> Rows:
    head = ("process", "pid", "parent", "thread", "state", "sleeps in", "call", "ran", "switches")
    rows: Rows = [(*head, "last probe")]
    probes = told.detail["evidence"]["last_probes"]
    for each in told.processes:
        unnamed = "(a fork)" if each["is_fork"] else "(a child)"
        for thread in each["threads"]:
            rows.append(
                (
                    each["name"] or unnamed,
                    str(each["pid"]),
                    str(each["parent"]),
                    str(thread["tid"]),
                    thread["state"],
                    thread["wait_channel"] or "-",
                    thread["system_call"].split(" ", 1)[0] or "-",
                    duration(thread["cpu_ns"]),
                    str(thread["switches"]),
                    probes.get(each["name"], "-"),
                )
            )
    return rows


def stack_lines(stacks: Stacks) -> Iterator[str]:
    for process, threads in stacks.items():
        for number, frames in enumerate(threads, start=1):
            # faulthandler prints the newest thread first, and the main thread last.
            which = "main thread" if number == len(threads) else f"thread {number}"
            yield f"{process}, {which}:"
            for frame in frames:
                yield f"  {frame['file']}:{frame['line']} in {frame['function']}"
    if not stacks:
        yield "nobody could print one"


def native_lines(processes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """As py-spy has read them. Why there are none of some is said once for all of these."""
    lacks: Dict[str, List[str]] = {}
    for process in processes:
        native = process.get("native")
        if native is None:
            continue
        name = process["name"] or f"process {process['pid']}"
        if native["lack"]:
            lacks.setdefault(native["lack"], []).append(name)
        for thread in native["threads"]:
            yield f"{name}, thread {thread['tid']} {thread['name']}".rstrip() + ":"
            for frame in thread["frames"]:
                yield f"  {frame['file']}:{frame['line']} in {frame['function']}"
    for lack, names in lacks.items():
        yield f"no stacks by py-spy of {_listed(names)}: {lack}"


def _region(told: Told) -> Iterator[str]:
    now = dict(_words(told.region, ""))
    before = dict(_words(told.detail["evidence"].get("region_before", {}), ""))
    width = max(map(len, now), default=0)
    for name, value in now.items():
        was = before.get(name, value)
        yield f"{name:<{width}}  {value}" + (f"  (was {was} a moment before)" * (was != value))


def _words(value: Any, under: str) -> Iterator[Tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _words(inner, f"{under}.{name}" if under else name)
    elif isinstance(value, list) and any(isinstance(each, (list, dict)) for each in value):
        for index, inner in enumerate(value):
            yield from _words(inner, f"{under}[{index}]")
    else:
        yield under, json.dumps(value)
