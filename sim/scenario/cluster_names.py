"""Whom the names in the file of a cluster mean: its hosts and the processes on them."""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Sequence

from sim.scenario.names import SELECTORS, nearest, show

WRITER = "writer"
HOST, READER, FORWARDER = "host", "reader", "forwarder"
# host[3], host[3..7], host[3].reader[1], host[3].forwarder; reader:one, host[3].reader:all.
TARGET = re.compile(
    r"(?:host\[(?P<first>[0-9]{1,9})(?:\.\.(?P<last>[0-9]{1,9}))?\])?"
    r"(?P<dot>\.)?(?P<part>[a-z]+)?(?:\[(?P<rank>[0-9]{1,9})\])?(?::(?P<selector>[a-z]+))?"
)


class Named(NamedTuple):
    """Whom a name may mean, or why it means nobody and the nearest name that does."""

    candidates: Sequence[str] = ()
    role: str = ""
    selector: Optional[str] = None
    problem: Optional[str] = None
    near: Optional[str] = None


def host(index: int) -> str:
    return f"host[{index}]"


def reader(index: int, rank: int) -> str:
    return f"host[{index}].reader[{rank}]"


def forwarder(index: int) -> str:
    return f"host[{index}].forwarder"


def named(target: str, hosts: int, readers: int) -> Named:
    """In a cluster of so many hosts and readers a host."""
    if target == WRITER:
        return Named((WRITER,), WRITER)
    parts = TARGET.fullmatch(target)
    if parts is None or (parts["dot"] is not None) is not (
        parts["first"] is not None and parts["part"] is not None
    ):
        return _nobody(target, hosts, readers)
    part, selector, rank = parts["part"], parts["selector"], parts["rank"]
    if selector is not None and selector not in SELECTORS:
        near = nearest(selector, SELECTORS)
        message = f"unknown selector in {show(target)}; one of {', '.join(SELECTORS)}"
        return Named(problem=message, near=near and f"{target.partition(':')[0]}:{near}")
    if parts["first"] is None:  # of all hosts, by a selector
        if part not in (HOST, READER, FORWARDER) or selector is None or rank is not None:
            return _nobody(target, hosts, readers)
        indices: Sequence[int] = range(hosts)
        part = None if part == HOST else part
    else:
        first, last = int(parts["first"]), int(parts["last"] or parts["first"])
        if not first <= last < hosts:
            return _nobody(target, hosts, readers)
        indices = range(first, last + 1)
    return _of(target, indices, part, rank, selector, hosts, readers)


def _of(
    target: str,
    indices: Sequence[int],
    part: Optional[str],
    rank: Optional[str],
    selector: Optional[str],
    hosts: int,
    readers: int,
) -> Named:
    if part is None and rank is None:
        return Named([host(index) for index in indices], HOST, selector)
    if part == FORWARDER and rank is None:
        there = [forwarder(index) for index in indices if index > 0]
        if there:
            return Named(there, FORWARDER, selector)
    if part == READER and (rank is None) is not (selector is None):
        ranks = range(readers) if rank is None else [int(rank)]
        if ranks[-1] < readers:
            return Named([reader(i, r) for i in indices for r in ranks], READER, selector)
    return _nobody(target, hosts, readers)


def _nobody(target: str, hosts: int, readers: int) -> Named:
    last = hosts - 1
    examples = [WRITER, host(last), f"host[0..{last}]", reader(last, readers - 1)]
    examples += [forwarder(last)] if last else []
    examples += ["reader:one", "host:one", f"host[{last}].reader:all"]
    message = f"{show(target)} names nobody; there are {', '.join(examples[:5])}"
    return Named(problem=message, near=_near(target, hosts, readers) or nearest(target, examples))


def _near(target: str, hosts: int, readers: int) -> Optional[str]:
    """The same name with its numbers brought down to what there is, or with the host it lacks."""
    alone = re.fullmatch(r"reader\[([0-9]{1,9})\]", target)
    if alone is not None:
        return reader(0, min(int(alone[1]), readers - 1))
    match = re.fullmatch(r"([a-z]+)\[([0-9]{1,9})\](?:\.([a-z]+)(?:\[([0-9]{1,9})\])?)?", target)
    if match is None or nearest(match[1], [HOST]) is None:
        return None
    index = min(int(match[2]), hosts - 1)
    if match[3] is None:
        return host(index)
    part = nearest(match[3], [READER, FORWARDER])
    if part == READER:
        return reader(index, min(int(match[4] or 0), readers - 1))
    return forwarder(index) if part == FORWARDER and index > 0 else None


def roles_of(names: Sequence[str]) -> Dict[str, List[str]]:
    """The names by the role that each has."""
    found: Dict[str, List[str]] = {}
    for name in names:
        found.setdefault(role_of(name), []).append(name)
    return found


def role_of(name: str) -> str:
    last = name.rpartition(".")[2].partition("[")[0]
    return last


def host_of(name: str) -> str:
    """The host that a process is on, or the host itself."""
    return host(0) if name == WRITER else name.partition(".")[0]


def covers(outer: str, inner: str) -> bool:
    """Is the second the same as the first, or on it?"""
    return outer == inner or inner.startswith(f"{outer}.") or (outer, inner) == (host(0), WRITER)
