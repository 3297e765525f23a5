"""Litmus shapes of what a transport does: payload behind a flag, copies that tear, parking.

A payload is not atomic. On SC, TSO and PSO it is words like any other; on RA an access that nothing
orders is a race, and the copy of several words is a race or whole.
"""

from __future__ import annotations

from litmus_graphs import Instruction
from litmus_notation import ACQ, ACQ_REL, REL, SC, Shape, X, Y, acq, r, rel, w

PAYLOAD = [
    Shape(
        "payload+rel+acq",
        [[("put", X, 7), rel(Y, 1)], [("until", Y, 1, "acquire"), ("get", 0, X)]],
        "race",
        "",
    ),
    Shape(
        "payload+rel+acq-seen",
        [[("put", X, 7), rel(Y, 1)], [("until", Y, 1, "acquire"), ("get", 0, X)]],
        "1:r0=0",
        "",
    ),
    Shape(
        "payload+po+acq",  # the missing data fence
        [[("put", X, 7), w(Y, 1)], [("until", Y, 1, "acquire"), ("get", 0, X)]],
        "1:r0=0",
        "pso",
    ),
    Shape(
        "payload+po+acq-race",
        [[("put", X, 7), w(Y, 1)], [("until", Y, 1, "acquire"), ("get", 0, X)]],
        "race",
        "ra",
    ),
    Shape(
        "payload+fence-rel+until-po",
        [[("put", X, 7), REL, w(Y, 1)], [("until", Y, 1, "relaxed"), ("get", 0, X)]],
        "race",
        "ra",
    ),
    Shape(
        "payload+if-seen",
        [[("put", X, 7), rel(Y, 1)], [acq(0, Y), ("skip_unless", 0, 1, 1), ("get", 1, X)]],
        "1:r0=1 1:r1=0",
        "",
    ),
    Shape("tearing", [[("put2", X, 1)], [("get2", 0, 1, X)]], "1:r0=0 1:r1=1", "sc tso pso"),
    Shape(
        "tearing-reversed", [[("put2", X, 1)], [("get2", 0, 1, X)]], "1:r0=1 1:r1=0", "sc tso pso"
    ),
    Shape(
        "tearing+handed-over",
        [[("put2", X, 1), rel(Y, 1)], [("until", Y, 1, "acquire"), ("get2", 0, 1, X)]],
        "1:r0=1 1:r1=0",
        "",
    ),
    Shape(
        "tearing+po",
        [[("put2", X, 1), w(Y, 1)], [("until", Y, 1, "acquire"), ("get2", 0, 1, X)]],
        "1:r0=1 1:r1=0",
        "pso",
    ),
    Shape(
        "two-writers-tear",
        [[("put2", X, 1)], [("put2", X, 2)], [("get2", 0, 1, X)]],
        "2:r0=1 2:r1=2",
        "sc tso pso",
    ),
    Shape(  # written once: an even count on both sides of the copy says that nothing was torn
        "seqlock",
        [
            [w(Y, 1), REL, ("put2", X, 7), rel(Y, 2)],
            [acq(0, Y), ("get2", 1, 2, X), ACQ, r(3, Y)],
        ],
        "1:r0=0 1:r1=7 1:r2=0 1:r3=0",
        "",
    ),
    Shape(
        "seqlock-po",
        [[w(Y, 1), ("put2", X, 7), w(Y, 2)], [acq(0, Y), ("get2", 1, 2, X), r(3, Y)]],
        "1:r0=0 1:r1=7 1:r2=0 1:r3=0",
        "pso",
    ),
]


def parking(*middle: Instruction) -> list[list[Instruction]]:
    """A sleeper raises its flag and waits on the word; a waker stores the word, then looks for the
    flag: Dekker's form, in which a wake is lost if each looks before its store is seen."""
    return [
        [w(Y, 1), ("futex_wait", 0, X, 0)],
        [w(X, 1), *middle, r(0, Y), ("skip_unless", 0, 1, 1), ("futex_wake", X)],
    ]


FUTEX = [
    Shape("lost-wake", parking(), "stuck 1:r0=0", "tso pso ra"),
    Shape("lost-wake+sc-fence", parking(SC), "stuck", ""),
    Shape("lost-wake+acq_rel-fence", parking(ACQ_REL), "stuck 1:r0=0", "tso pso ra"),
    Shape(
        "lost-wake+rmw",
        [parking()[0], [("add", 1, X, 1), *parking()[1][1:]]],
        "stuck",
        "ra",
    ),
    Shape(
        "wake+after-store",
        [[("futex_wait", 0, X, 0)], [w(X, 1), ("futex_wake", X)]],
        "stuck",
        "",
    ),
    Shape(
        "wake+before-store",
        [[("futex_wait", 0, X, 0)], [("futex_wake", X), w(X, 1)]],
        "stuck [x]=1",
        "sc tso pso ra",
    ),
    Shape(
        "wake+all",
        [[("futex_wait", 0, X, 0)], [("futex_wait", 0, X, 0)], [w(X, 1), ("futex_wake", X)]],
        "stuck",
        "",
    ),
    Shape(
        "wake+message",
        [
            [("futex_wait", 0, X, 0), acq(0, X), r(1, Y)],
            [w(Y, 1), rel(X, 1), ("futex_wake", X)],
        ],
        "0:r0=1 0:r1=0",
        "",
    ),
    Shape(
        "wake+message-po",
        [
            [("futex_wait", 0, X, 0), r(0, X), r(1, Y)],
            [w(Y, 1), w(X, 1), ("futex_wake", X)],
        ],
        "0:r0=0",  # woken, or told that the word is another: then it has been seen
        "",
    ),
    Shape(  # who stores and who wakes are not the same: the wake may come first
        "wake+by-another",
        [[("futex_wait", 0, X, 0)], [rel(X, 1)], [("futex_wake", X)]],
        "stuck [x]=1",
        "sc tso pso ra",
    ),
    Shape(
        "until-missed", [[w(X, 1), w(X, 2)], [("until", X, 1, "relaxed")]], "stuck", "sc tso pso ra"
    ),
    Shape(
        "until+hand-off",
        [
            [("until", X, 1, "acquire"), rel(Y, 1)],
            [rel(X, 1), ("until", Y, 1, "acquire"), r(0, X)],
        ],
        "stuck",
        "",
    ),
    Shape(
        "until+deadlock",
        [[("until", X, 1, "acquire"), rel(Y, 1)], [("until", Y, 1, "acquire"), rel(X, 1)]],
        "stuck [x]=0 [y]=0",
        "sc tso pso ra",
    ),
]
