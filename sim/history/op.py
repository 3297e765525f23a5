"""One line of a history."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Optional

INVOKE = "invoke"  # began
OK = "ok"  # surely happened
FAIL = "fail"  # surely did not
INFO = "info"  # unknown, or an event that is not an operation (spawn, exit, inject, log ...)
TYPES = (INVOKE, OK, FAIL, INFO)

# What a participant does. Recorded in its flight recorder.
SEND = "send"
RECEIVE = "receive"
# What befalls a participant. Recorded by the supervisor, type INFO, process = the participant.
SPAWN = "spawn"  # detail: pid, python, kernels, rung, wait, start
READY = "ready"  # attached; detail as for spawn
EXIT = "exit"  # outcome: "0", "3", "SIGKILL", ...; detail: pid, stderr (the tail)
LOG = "log"  # detail: logger, level, message
PROBE = "probe"  # of a program; detail: probe (its name), pid, and what the program adds
HOOK = "hook"  # what a hook inside a program did or saw; detail: hook, module, pid, ...
# What the run does. process = "nemesis" or "watch".
INJECT = "inject"  # detail: injection (index), alias, target, fired, evidence
HEAL = "heal"  # detail: injection (index), alias, target, healed, evidence
HANG = "hang"  # detail: waiting (names), blocked_ns, region
JOB = "job"  # of a cluster, when it is over: its size, its policy, how full its rings were
STEP = "step"  # of a cluster: one message and all answers to it; detail of its ok: took_ns
BLAME = "blame"  # of a cluster's policy; detail: target, policy, why, since_ns
TRUST = "trust"  # it takes a blame back; detail: target, policy
LEAK = "leak"  # detail: names
OVERFLOW = "overflow"  # a flight recorder was too small: what follows in it is not known

# Outcomes of an operation that is not ok. Anything else is "error:<ExceptionType>".
TIMEOUT = "timeout"
ENDED = "ended"  # the writer said that no more will come, and all was read: always accounted for
CLOSED = "closed"  # the ring was shut down under the operation
RAISED = "raised"  # the workload raised while it held the slot
EVICTED = "evicted"  # the writer gave up on this reader
FENCED = "fenced"  # a successor took over this writer's place


class Op(NamedTuple):
    """An event at `time_ns` (CLOCK_MONOTONIC, ns).

    A send or a receive is an INVOKE line, later closed by OK, FAIL or INFO of the same process
    and incarnation; a process has one open operation at a time. `position` is the message number
    as that process counts; `checksum` is of the payload's bytes (64 bits), so that it identifies
    the message that was really read. Compare across processes by position, never by time.
    """

    time_ns: int
    process: str  # "writer", "reader[1]", "nemesis", "watch"
    incarnation: int  # 0 for the first life
    type: str
    f: str
    position: Optional[int] = None
    size_bytes: Optional[int] = None
    checksum: Optional[int] = None
    outcome: Optional[str] = None
    detail: Optional[Mapping[str, Any]] = None
