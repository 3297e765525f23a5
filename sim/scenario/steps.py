"""The protocol's steps by ring, role and path, and why one of them is never come to.

A step is an op site of the kernels plus its occurrence within one message. A path is a way through
the protocol; each has sites of its own, and a sweep takes one path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Mapping, Optional, Sequence, Tuple

EVERY = "every"

MESSAGE = "message"  # one message, with the waiting and the waking that it may bring
WAIT = "wait"  # of a message, the waiting alone
TIMEOUT = "timeout"
EVICT = "evict"  # the writer gives up on a dead reader
ATTACH = "attach"  # the first incarnation, before it is ready
TAKEOVER = "takeover"  # a later one, before it is ready
END = "end"  # the writer ends the ring; a reader sees that it did
SHUTDOWN = "shutdown"
DETACH = "detach"
PATHS = (MESSAGE, WAIT, TIMEOUT, EVICT, ATTACH, TAKEOVER, END, SHUTDOWN, DETACH)

_WAKE_READERS = "wake.readers.clear_parked wake.readers.bump_event wake.readers.futex_wake "
_WAKE_WRITER = "wake.writer.clear_parked wake.writer.bump_event wake.writer.futex_wake "
_CLOCK = "wait.clock.now wait.clock.store_heartbeat "
_WAITING = (
    _CLOCK + "wait.pause.pause wait.yielding.pause wait.yielding.yield wait.park.pause"
    " wait.park.yield wait.park.load_event wait.park.raise_parked wait.park.fence"
    " wait.park.futex_wait wait.backoff.pause wait.backoff.nap wait.clock.offer wait.monitor.pause"
    " wait.mwaitx.arm wait.mwaitx.wait wait.umwait.arm wait.umwait.wait wait.wfe.arm wait.wfe.wait"
    " wait.wfet.arm wait.wfet.wait wait.tpause.pause wait.tpause.wait wait.adaptive.pause "
)
# Of the sites of waiting: the parts that a strategy has besides the clock, where not its own alone.
# What the host lacks the strategy of that name degrades from; its steps are never come to there.
_PARTS: Mapping[str, Sequence[str]] = {
    "adaptive": ("adaptive", "park"),
    "best": ("adaptive", "park"),
    **{name: ("monitor", name) for name in ("mwaitx", "umwait", "wfe", "wfet")},
}
PARKING = ("park", "adaptive", "best")
_NEVER_OFFERS = ("park", "backoff", "yielding")  # they give up the core anyway
_MINIMUM = "cursor.send.poll_reader_owner cursor.send.poll_reader_position "
_ATTACH_WRITER = (
    "cursor.takeover.claim_writer cursor.takeover.load_writer_position"
    " cursor.takeover.scan_sequence " + _MINIMUM + "cursor.takeover.store_writer_position "
)
_ATTACH_READER = "cursor.takeover.claim_reader cursor.takeover.load_reader_position "
_END = "ring.end.store_position ring.end.mark "
_TIMED_OUT = "wait.clock.timed_out"

_FOR_EACH_READER = frozenset(
    "cursor.send.poll_reader_owner cursor.send.poll_reader_position"
    " flag.send.poll_read_flag flag.send.reset_read_flag".split()
)

_SITES: Mapping[Tuple[str, str], Mapping[str, str]] = {
    ("cursor_ring", "writer"): {
        MESSAGE: "cursor.send.poll_shutdown cursor.send.poll_owner " + _MINIMUM + _WAITING
        + "cursor.send.store_length cursor.send.copy_payload cursor.send.commit"
        " cursor.send.store_position cursor.send.fence cursor.send.load_parked " + _WAKE_READERS,
        WAIT: _WAITING,
        TIMEOUT: _TIMED_OUT,
        EVICT: "cursor.evict.mark_reader",
        ATTACH: _ATTACH_WRITER,
        TAKEOVER: _ATTACH_WRITER + "cursor.takeover.count " + _WAKE_READERS,
        END: _END + _WAKE_READERS,
        SHUTDOWN: "ring.shutdown.mark " + _WAKE_READERS + _WAKE_WRITER,
        DETACH: "cursor.detach.release_writer",
    },
    ("cursor_ring", "reader"): {
        MESSAGE: "cursor.receive.poll_shutdown cursor.receive.poll_sequence " + _WAITING
        + "cursor.receive.load_length cursor.receive.copy_payload cursor.receive.release"
        " cursor.receive.fence cursor.receive.load_parked " + _WAKE_WRITER,
        WAIT: _WAITING,
        TIMEOUT: _TIMED_OUT,
        ATTACH: _ATTACH_READER,
        TAKEOVER: _ATTACH_READER + "cursor.takeover.count " + _WAKE_WRITER,
        END: "cursor.receive.poll_end",
        DETACH: "cursor.detach.release_reader " + _WAKE_WRITER,
    },
    ("flag_ring", "writer"): {
        MESSAGE: "flag.send.poll_shutdown flag.send.poll_fence flag.send.poll_written"
        " flag.send.poll_read_flag flag.send.acquire " + _WAITING + "flag.send.clear_written"
        " flag.send.copy_header flag.send.copy_payload flag.send.widen"
        " flag.send.reset_fence flag.send.reset_read_flag flag.send.data_fence"
        " flag.send.set_written flag.send.final_fence flag.send.load_parked " + _WAKE_READERS,
        WAIT: _WAITING,
        TIMEOUT: _TIMED_OUT,
        END: _END + _WAKE_READERS,
        SHUTDOWN: "ring.shutdown.mark " + _WAKE_READERS + _WAKE_WRITER,
    },
    ("flag_ring", "reader"): {
        MESSAGE: "flag.receive.poll_shutdown flag.receive.poll_fence flag.receive.poll_written"
        " flag.receive.poll_read_flag flag.receive.acquire " + _WAITING
        + "flag.receive.copy_header flag.receive.copy_payload flag.receive.set_read_flag"
        " flag.receive.widen flag.receive.final_fence flag.receive.load_parked " + _WAKE_WRITER,
        WAIT: _WAITING,
        TIMEOUT: _TIMED_OUT,
        END: "flag.receive.poll_end",
    },
}  # fmt: skip

NAMES: Sequence[str] = tuple(
    dict.fromkeys(
        name for paths in _SITES.values() for sites in paths.values() for name in sites.split()
    )
)

_FENCES = frozenset(("flag.send.acquire", "flag.send.reset_fence", "flag.receive.acquire"))
_MUTANTS_WITHOUT = {
    "flag.send.reset_fence": ("reset-before-data", "no-data-fence"),
    "flag.send.data_fence": ("no-data-fence",),
    "flag.send.final_fence": ("no-waker-fence",),
    "flag.receive.final_fence": ("no-waker-fence",),
    "wait.park.fence": ("no-waiter-fence",),
}
_MUTANTS_WITH = {
    "flag.send.widen": ("flag-before-data", "reset-before-data", "flag-before-reset"),
    "flag.receive.widen": ("release-before-read",),
}


@dataclass(frozen=True)
class Walker:
    """Who passes steps: what decides which ones it can come to."""

    ring: str
    role: str
    wait: str
    readers: int
    order: str
    mutant: Optional[str]
    is_woken_for: bool  # somebody on the other side parks
    can_evict: bool
    has_deadline: bool
    finish: str  # writer: "end" | "shutdown"


def is_known(ring: str) -> bool:
    return (ring, "writer") in _SITES


def names_of(walker: Walker) -> Sequence[str]:
    """Every site of this ring and role, on whatever path."""
    paths = _SITES[walker.ring, walker.role].values()
    return tuple(dict.fromkeys(step for sites in paths for step in sites.split()))


def paths_of(walker: Walker) -> Sequence[str]:
    return tuple(_SITES[walker.ring, walker.role])


def paths_with(step: str, walker: Walker) -> Sequence[str]:
    """The paths of this ring and role that the step lies on."""
    paths = _SITES[walker.ring, walker.role]
    return tuple(path for path, sites in paths.items() if step in sites.split())


def steps_of(walker: Walker, path: str) -> Sequence[Tuple[str, int]]:
    """Every step of the path that can be come to: site and occurrence, in the protocol's order."""
    found: List[Tuple[str, int]] = []
    for step in _SITES[walker.ring, walker.role].get(path, "").split():
        if why_never(walker, path, step) is None:
            times = walker.readers if step in _FOR_EACH_READER else 1
            found.extend((step, occurrence) for occurrence in range(1, times + 1))
    return found


def why_none(walker: Walker, path: str) -> str:
    """Why no step of a path of this ring and role can be come to."""
    first = _SITES[walker.ring, walker.role][path].split()[0]
    return why_never(walker, path, first) or "it can"


def why_never(walker: Walker, path: str, step: str) -> Optional[str]:
    """Why this process never comes to the step on this path, by construction; None: it can."""
    ring, part, _ = step.split(".")
    if ring == "wait" and part not in ("clock", *_PARTS.get(walker.wait, (walker.wait,))):
        return f"it waits by {walker.wait}"
    if step == "wait.clock.offer" and walker.wait in _NEVER_OFFERS:
        return f"it waits by {walker.wait}, which never holds its core"
    if step == "wait.park.pause" and walker.wait != "park":
        return f"it waits by {walker.wait}, whose grace comes before it parks"
    if step == "wait.clock.store_heartbeat" and walker.ring == "flag_ring":
        return "flag_ring has no heartbeats"
    if step in _FENCES and walker.order == "as_shipped":
        return "order as_shipped has no such fence"
    if walker.mutant in _MUTANTS_WITHOUT.get(step, ()):
        return f"mutant {walker.mutant} has no such fence"
    if walker.mutant not in _MUTANTS_WITH.get(step, (walker.mutant,)):
        return f"only mutants have it: {', '.join(_MUTANTS_WITH[step])}"
    return _why_never_on(walker, path, ring)


def _why_never_on(walker: Walker, path: str, ring: str) -> Optional[str]:
    if path == MESSAGE and ring == "wake" and not walker.is_woken_for:
        return "nobody on the other side waits by a strategy that parks"
    if path == TIMEOUT and not walker.has_deadline:
        return "its workload has no deadline"
    if path == EVICT and not walker.can_evict:
        return "transport.evict_dead is false"
    if path in (END, SHUTDOWN) and path != walker.finish:
        return f'the writer\'s workload has finish = "{walker.finish}"'
    return None
