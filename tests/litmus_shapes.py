"""The litmus shapes, by the names of diy and herd7, and what is published about each.

`weak` is the outcome that the shape is known for, in litmus7's notation: `0:r1=1` is register 1 of
thread 0, `[x]=2` the last value of x, `stuck` and `race` the end of the execution. `allowed` names
the models that show it. It is written by hand:

* sc, tso: Sewell, Sarkar, Owens, Zappa Nardelli, Myreen, "x86-TSO" (2010), and Alglave, Maranget,
  Tautschnig, "Herding cats" (2014), whose names these are; n5 and n6 are from the former.
* pso: The SPARC Architecture Manual 8, appendix K: TSO whose stores to different addresses pass
  each other, but for stbar.
* ra: Lahav, Vafeiadis, Kang, Hur, Dreyer, "Repairing sequential consistency in C/C++11" (2017),
  without load buffering, which its acyclic(sb | rf) forbids.
"""

from __future__ import annotations

from litmus_graphs import Instruction
from litmus_handoffs import FUTEX, PAYLOAD
from litmus_notation import ACQ, ACQ_REL, REL, SC, Shape, V, X, Y, Z, acq, r, rel, w


def sb(*middle: Instruction) -> list[list[Instruction]]:
    return [[w(X, 1), *middle, r(0, Y)], [w(Y, 1), *middle, r(0, X)]]


STORE_BUFFERING = [
    Shape("SB", sb(), "0:r0=0 1:r0=0", "tso pso ra"),
    Shape("SB+sc-fences", sb(SC), "0:r0=0 1:r0=0", ""),
    Shape("SB+acq_rel-fences", sb(ACQ_REL), "0:r0=0 1:r0=0", "tso pso ra"),
    Shape("SB+sc-fence+po", [sb(SC)[0], sb()[1]], "0:r0=0 1:r0=0", "tso pso ra"),
    Shape(
        "SB+rel-acq",
        [[rel(X, 1), acq(0, Y)], [rel(Y, 1), acq(0, X)]],
        "0:r0=0 1:r0=0",
        "tso pso ra",
    ),
    Shape(  # a locked instruction drains the buffer; an acq_rel one orders nothing here
        "SB+rmws",
        [[("add", 1, X, 1), r(0, Y)], [("add", 1, Y, 1), r(0, X)]],
        "0:r0=0 1:r0=0",
        "ra",
    ),
    Shape(
        "SB+failed-cas",
        [[w(X, 1), ("cas", 1, Z, 1, 2), r(0, Y)], [w(Y, 1), ("cas", 1, V, 1, 2), r(0, X)]],
        "0:r0=0 1:r0=0",
        "ra",
    ),
    Shape(
        "SB+rfi-pos",
        [[w(X, 1), r(0, X), r(1, Y)], [w(Y, 1), r(0, Y), r(1, X)]],
        "0:r0=1 0:r1=0 1:r0=1 1:r1=0",
        "tso pso ra",
    ),
    Shape(
        "3.SB",
        [[w(X, 1), r(0, Y)], [w(Y, 1), r(0, Z)], [w(Z, 1), r(0, X)]],
        "0:r0=0 1:r0=0 2:r0=0",
        "tso pso ra",
    ),
    Shape(
        "3.SB+sc-fences",
        [[w(X, 1), SC, r(0, Y)], [w(Y, 1), SC, r(0, Z)], [w(Z, 1), SC, r(0, X)]],
        "0:r0=0 1:r0=0 2:r0=0",
        "",
    ),
    Shape(
        "n6",
        [[w(X, 1), r(0, X), r(1, Y)], [w(Y, 2), w(X, 2)]],
        "0:r0=1 0:r1=0 [x]=1",
        "tso pso ra",
    ),
]

READS = "1:r0=1 1:r1=0"
MESSAGE_PASSING = [
    Shape("MP", [[w(X, 1), w(Y, 1)], [r(0, Y), r(1, X)]], READS, "pso ra"),
    Shape("MP+rel+acq", [[w(X, 1), rel(Y, 1)], [acq(0, Y), r(1, X)]], READS, ""),
    Shape("MP+rel+po", [[w(X, 1), rel(Y, 1)], [r(0, Y), r(1, X)]], READS, "ra"),
    Shape("MP+po+acq", [[w(X, 1), w(Y, 1)], [acq(0, Y), r(1, X)]], READS, "pso ra"),
    Shape("MP+fence-rel+acq", [[w(X, 1), REL, w(Y, 1)], [acq(0, Y), r(1, X)]], READS, ""),
    Shape("MP+rel+fence-acq", [[w(X, 1), rel(Y, 1)], [r(0, Y), ACQ, r(1, X)]], READS, ""),
    Shape("MP+fences", [[w(X, 1), REL, w(Y, 1)], [r(0, Y), ACQ, r(1, X)]], READS, ""),
    Shape("MP+fence-acq+acq", [[w(X, 1), ACQ, w(Y, 1)], [acq(0, Y), r(1, X)]], READS, "pso ra"),
    Shape("MP+sc-fences", [[w(X, 1), SC, w(Y, 1)], [r(0, Y), SC, r(1, X)]], READS, ""),
    Shape(
        "MP+fence-rel+fence-rel", [[w(X, 1), REL, w(Y, 1)], [r(0, Y), REL, r(1, X)]], READS, "ra"
    ),
    Shape("MP+rmws", [[w(X, 1), ("add", 0, Y, 1)], [("add", 0, Y, 0), r(1, X)]], READS, ""),
    Shape(
        "MP+relaxed-rmws",
        [[w(X, 1), ("add", 0, Y, 1, "relaxed")], [("add", 0, Y, 0, "relaxed"), r(1, X)]],
        READS,
        "ra",
    ),
    Shape(
        "MP+release-sequence",
        [[w(X, 1), rel(Y, 1)], [("add", 0, Y, 1, "relaxed")], [acq(0, Y), r(1, X)]],
        "1:r0=1 2:r0=2 2:r1=0",
        "",
    ),
    Shape(  # a store of another thread ends the release sequence
        "MP+broken-sequence",
        [[w(X, 1), rel(Y, 1)], [r(0, Y), w(Y, 2)], [acq(0, Y), r(1, X)]],
        "1:r0=1 2:r0=2 2:r1=0",
        "ra",
    ),
    Shape(  # C++20: its own does too, which C++11 let pass
        "MP+own-store-after",
        [[w(X, 1), rel(Y, 1), w(Y, 2)], [acq(0, Y), r(1, X)]],
        "1:r0=2 1:r1=0",
        "ra",
    ),
    Shape(
        "MP+store-after-release",  # on PSO it is stbar and a store: all later ones stay behind
        [[w(X, 1), rel(Y, 1), w(Z, 1)], [acq(0, Z), r(1, X)]],
        READS,
        "ra",
    ),
]

LOAD_BUFFERING = [
    Shape("LB", [[r(0, X), w(Y, 1)], [r(0, Y), w(X, 1)]], "0:r0=1 1:r0=1", ""),
    Shape(
        "3.LB",
        [[r(0, X), w(Y, 1)], [r(0, Y), w(Z, 1)], [r(0, Z), w(X, 1)]],
        "0:r0=1 1:r0=1 2:r0=1",
        "",
    ),
    Shape("n4b", [[r(0, X), w(X, 1)], [r(0, X), w(X, 2)]], "0:r0=2 1:r0=1", ""),
]

WRITES = [
    Shape("S", [[w(X, 2), w(Y, 1)], [r(0, Y), w(X, 1)]], "1:r0=1 [x]=2", "pso ra"),
    Shape("S+rel+acq", [[w(X, 2), rel(Y, 1)], [acq(0, Y), w(X, 1)]], "1:r0=1 [x]=2", ""),
    Shape("S+rel+po", [[w(X, 2), rel(Y, 1)], [r(0, Y), w(X, 1)]], "1:r0=1 [x]=2", "ra"),
    Shape("R", [[w(X, 1), w(Y, 1)], [w(Y, 2), r(0, X)]], "1:r0=0 [y]=2", "tso pso ra"),
    Shape("R+sc-fences", [[w(X, 1), SC, w(Y, 1)], [w(Y, 2), SC, r(0, X)]], "1:r0=0 [y]=2", ""),
    Shape("R+po+sc-fence", [[w(X, 1), w(Y, 1)], [w(Y, 2), SC, r(0, X)]], "1:r0=0 [y]=2", "pso ra"),
    Shape("R+rel+sc-fence", [[w(X, 1), rel(Y, 1)], [w(Y, 2), SC, r(0, X)]], "1:r0=0 [y]=2", "ra"),
    Shape("2+2W", [[w(X, 1), w(Y, 2)], [w(Y, 1), w(X, 2)]], "[x]=1 [y]=1", "pso ra"),
    Shape("2+2W+rels", [[w(X, 1), rel(Y, 2)], [w(Y, 1), rel(X, 2)]], "[x]=1 [y]=1", "ra"),
    Shape(
        "2+2W+fence-rels", [[w(X, 1), REL, w(Y, 2)], [w(Y, 1), REL, w(X, 2)]], "[x]=1 [y]=1", "ra"
    ),
    Shape("2+2W+sc-fences", [[w(X, 1), SC, w(Y, 2)], [w(Y, 1), SC, w(X, 2)]], "[x]=1 [y]=1", ""),
    Shape(
        "Z6.3",
        [[w(X, 1), w(Y, 1)], [w(Y, 2), w(Z, 1)], [r(0, Z), r(1, X)]],
        "[y]=2 2:r0=1 2:r1=0",
        "pso ra",
    ),
    Shape(
        "Z6.3+rel+rel+acq",
        [[w(X, 1), rel(Y, 1)], [w(Y, 2), rel(Z, 1)], [acq(0, Z), r(1, X)]],
        "[y]=2 2:r0=1 2:r1=0",
        "ra",
    ),
]

SEEN = "1:r0=1 2:r0=1 2:r1=0"
THREE_AND_FOUR = [
    Shape(
        "IRIW",
        [[w(X, 1)], [w(Y, 1)], [r(0, X), r(1, Y)], [r(0, Y), r(1, X)]],
        "2:r0=1 2:r1=0 3:r0=1 3:r1=0",
        "ra",
    ),
    Shape(
        "IRIW+rel-acq",
        [[rel(X, 1)], [rel(Y, 1)], [acq(0, X), acq(1, Y)], [acq(0, Y), acq(1, X)]],
        "2:r0=1 2:r1=0 3:r0=1 3:r1=0",
        "ra",
    ),
    Shape(
        "IRIW+sc-fences",
        [[w(X, 1)], [w(Y, 1)], [r(0, X), SC, r(1, Y)], [r(0, Y), SC, r(1, X)]],
        "2:r0=1 2:r1=0 3:r0=1 3:r1=0",
        "",
    ),
    Shape("WRC", [[w(X, 1)], [r(0, X), w(Y, 1)], [r(0, Y), r(1, X)]], SEEN, "ra"),
    Shape("WRC+rel+acq", [[w(X, 1)], [r(0, X), rel(Y, 1)], [acq(0, Y), r(1, X)]], SEEN, ""),
    Shape("WRC+po+acq", [[w(X, 1)], [r(0, X), w(Y, 1)], [acq(0, Y), r(1, X)]], SEEN, "ra"),
    Shape("ISA2", [[w(X, 1), w(Y, 1)], [r(0, Y), w(Z, 1)], [r(0, Z), r(1, X)]], SEEN, "pso ra"),
    Shape(
        "ISA2+rel-acq",
        [[w(X, 1), rel(Y, 1)], [acq(0, Y), rel(Z, 1)], [acq(0, Z), r(1, X)]],
        SEEN,
        "",
    ),
    Shape(  # RC11 alone allows it: its psc and sb | rf are two axioms (see litmus_axioms)
        "ISA2+sc-fence+po+sc-fence",
        [[w(X, 1), SC, w(Y, 1)], [r(0, Y), w(Z, 1)], [r(0, Z), SC, r(1, X)]],
        SEEN,
        "",
    ),
    Shape(
        "RWC",
        [[w(X, 1)], [r(0, X), r(1, Y)], [w(Y, 1), r(0, X)]],
        "1:r0=1 1:r1=0 2:r0=0",
        "tso pso ra",
    ),
    Shape(
        "RWC+po+sc-fence",
        [[w(X, 1)], [r(0, X), r(1, Y)], [w(Y, 1), SC, r(0, X)]],
        "1:r0=1 1:r1=0 2:r0=0",
        "ra",
    ),
    Shape(
        "RWC+sc-fences",
        [[w(X, 1)], [r(0, X), SC, r(1, Y)], [w(Y, 1), SC, r(0, X)]],
        "1:r0=1 1:r1=0 2:r0=0",
        "",
    ),
    Shape(
        "W+RWC",
        [[w(X, 1), w(Y, 1)], [r(0, Y), r(1, Z)], [w(Z, 1), r(0, X)]],
        "1:r0=1 1:r1=0 2:r0=0",
        "tso pso ra",
    ),
    Shape(
        "W+RWC+rel+acq+sc-fence",
        [[w(X, 1), rel(Y, 1)], [acq(0, Y), r(1, Z)], [w(Z, 1), SC, r(0, X)]],
        "1:r0=1 1:r1=0 2:r0=0",
        "ra",
    ),
    Shape(
        "WWC",
        [[w(X, 2)], [r(0, X), w(Y, 1)], [r(0, Y), w(X, 1)]],
        "1:r0=2 2:r0=1 [x]=2",
        "ra",
    ),
    Shape(
        "WWC+rel+acq",
        [[w(X, 2)], [r(0, X), rel(Y, 1)], [acq(0, Y), w(X, 1)]],
        "1:r0=2 2:r0=1 [x]=2",
        "",
    ),
]

COHERENCE = [
    Shape("CoRR", [[w(X, 1)], [r(0, X), r(1, X)]], "1:r0=1 1:r1=0", ""),
    Shape("CoWW", [[w(X, 1), w(X, 2)]], "[x]=1", ""),
    Shape("CoRW1", [[r(0, X), w(X, 1)]], "0:r0=1", ""),
    Shape("CoRW2", [[r(0, X), w(X, 1)], [w(X, 2)]], "0:r0=2 [x]=2", ""),
    Shape("CoWR", [[w(X, 1), r(0, X)], [w(X, 2)]], "0:r0=2 [x]=1", ""),
    Shape("CoWR0", [[w(X, 1), r(0, X)]], "0:r0=0", ""),
    Shape(
        "CoRR2",
        [[w(X, 1)], [w(X, 2)], [r(0, X), r(1, X)], [r(0, X), r(1, X)]],
        "2:r0=1 2:r1=2 3:r0=2 3:r1=1",
        "",
    ),
    Shape("n5", [[w(X, 1), r(0, X)], [w(X, 2), r(0, X)]], "0:r0=2 1:r0=1", ""),
    Shape("2RMW", [[("add", 0, X, 1)], [("add", 0, X, 1)]], "0:r0=0 1:r0=0", ""),
    Shape("RMW+W", [[("add", 0, X, 1)], [w(X, 5)]], "0:r0=0 [x]=1", ""),
    Shape("RMW-in-between", [[("add", 0, X, 2)], [w(X, 5), r(0, X)]], "0:r0=0 1:r0=2", ""),
    Shape(
        "CAS-once",
        [[("cas", 0, X, 0, 1)], [("cas", 0, X, 0, 2)], [r(0, X), r(1, X)]],
        "0:r0=0 1:r0=0",
        "",
    ),
]

SHAPES = [
    *STORE_BUFFERING,
    *MESSAGE_PASSING,
    *LOAD_BUFFERING,
    *WRITES,
    *THREE_AND_FOUR,
    *COHERENCE,
    *PAYLOAD,
    *FUTEX,
]
