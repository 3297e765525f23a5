"""Hangs of the simulated machine get the right class, and what gets on gets none."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hang_controls import CONTROLS
from hang_programs import HANGS, SIMULATED, Program
from hang_runs import brings, execute, hanging, machine

from cy_kernels import explore
from sim.hang.simulated import classify
from sim.history.hang_class import MEANINGS, HangClass

SEEDS = range(3_000)
HANGS_EACH = 3  # executions classified, of each program on each model
CONTROL_EXECUTIONS = 1_000
CUT_EVERY = 50  # one in so many is cut off in its middle and classified there
STEP_NAMES = dict(explore.STEPS)
DOCS = Path(__file__).resolve().parents[1] / "docs"


def classified(program: Program, model: str, tape: bytes) -> Any:
    return classify(brings(program, model, tape), steps=STEP_NAMES)


def verdicts_on(program: Program) -> Counter:
    found: Counter = Counter()
    for model in program.models:
        tapes = list(hanging(program, model, SEEDS, HANGS_EACH))
        assert tapes, f"{program.name} does not hang on {model}"
        for tape in tapes:
            hang = classified(program, model, tape)
            found[hang.kind if hang else None] += 1
            if hang and program.waits_for is not None:
                names = tuple(f"process {index}" for index in program.waits_for)
                assert hang.waits_for == names, (program.name, model, str(hang))
    return found


def test_every_labelled_hang_gets_its_class(capsys: pytest.CaptureFixture) -> None:
    confusion = {kind: Counter() for kind in SIMULATED}
    wrong = []
    for program in HANGS:
        found = verdicts_on(program)
        confusion[program.kind].update(found)
        if set(found) != {program.kind}:
            wrong.append((program.name, program.kind, found))
    with capsys.disabled():
        print("\n" + table(confusion))
    assert wrong == []
    assert len(HANGS) >= 30 and set(confusion) == {program.kind for program in HANGS}


def table(confusion: dict[HangClass, Counter]) -> str:
    """Rows: the labels, with how many programs; columns: the verdicts on their executions."""
    columns = [*SIMULATED, None]
    lines = ["label (programs)".ljust(20) + "".join(name(each).rjust(14) for each in columns)]
    for kind, found in confusion.items():
        programs = sum(program.kind is kind for program in HANGS)
        row = f"{name(kind)} ({programs})".ljust(20)
        lines.append(row + "".join(str(found[each]).rjust(14) for each in columns))
    return "\n".join(lines)


def name(kind: Any) -> str:
    return kind.value if kind else "none"


@pytest.mark.parametrize("program", CONTROLS, ids=lambda program: program.name)
def test_what_always_gets_on_gets_no_verdict(program: Program) -> None:
    for model in program.models:
        made = machine(program, model)
        for seed in range(CONTROL_EXECUTIONS):
            made.limit(steps=program.steps)
            assert execute(made, program, seed) == "ended", (model, seed)
            if seed % CUT_EVERY == 0:
                whole = made.tape
                assert classified(program, model, whole) is None
                cut_at = made.steps * (seed // CUT_EVERY + 1) // 25
                assert classify(cut_short(program, model, whole, cut_at)) is None, (model, seed)


def cut_short(program: Program, model: str, tape: bytes, steps: int) -> Any:
    def bring() -> Any:
        made = machine(program, model)
        made.limit(steps=max(steps, 1))
        execute(made, program, 0, tape)
        return made

    return bring


def test_there_are_fifteen_controls_and_more() -> None:
    assert len(CONTROLS) >= 15 and len({each.name for each in (*HANGS, *CONTROLS)}) == len(
        [*HANGS, *CONTROLS]
    )


def named(wanted: str) -> Program:
    return next(program for program in HANGS if program.name == wanted)


def test_a_verdict_says_who_waits_for_whom_and_what_proves_it() -> None:
    program = named("two sleeping locks taken crosswise")
    (tape,) = hanging(program, "tso", SEEDS, 1)
    hang = classify(brings(program, "tso", tape), names=("left", "right"))
    assert (hang.kind, hang.who) == (HangClass.DEADLOCK, ("left", "right"))
    assert str(hang).splitlines() == [
        "deadlock: left waits for right waits for left",
        "  left (parked at instruction 6, looking at location 1 = 1) waits for right",
        "  right (parked at instruction 6, looking at location 0 = 1) waits for left",
        "  proof: nothing can move, every store is visible, no timer is left; no wake-up and "
        "nobody that is stopped or dead lets anybody get further",
    ]


def test_classifying_changes_nothing_of_what_it_looks_at() -> None:
    program = named("the writer died between commit and wake")
    (tape,) = hanging(program, "pso", SEEDS, 1)
    bring = brings(program, "pso", tape)
    before = bring()
    hash_before = before.hash
    assert classify(bring).kind is HangClass.PEER_DEAD
    assert (before.hash, bring().hash, bring().tape) == (hash_before, hash_before, tape)


def test_an_unfair_schedule_is_no_hang() -> None:
    """A lock is tried for again and again, and its owner is never given the turn."""
    owner = [("cas", 0, 0, 0, 1), ("store", 0, 0, "seq_cst")]
    eager = [("cas", 0, 0, 0, 1), ("skip_unless", 0, 1, 1), ("jump", 2)]

    def bring() -> Any:
        made = explore.Simulation(2, model="sc")
        made.set_program(0, owner)
        made.set_program(1, eager)
        made.limit(steps=500)
        made.choose_by("replay", tape=b"\0\0\1")
        made.begin()
        made.start()
        made.go()
        return made

    stopped = bring()
    assert (stopped.stop, stopped.done(0)) == ("out_of_steps", 1)
    assert classify(bring) is None


def test_the_page_says_what_each_class_means() -> None:
    assert set(MEANINGS) == set(HangClass)
    page = (DOCS / "hangs.md").read_text(encoding="utf-8")
    for kind, meaning in MEANINGS.items():
        assert f"| `{kind.value}` | {meaning} |" in page
