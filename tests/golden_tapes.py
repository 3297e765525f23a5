"""The tapes under tests/golden and their diagrams.

python tests/golden_tapes.py records them anew, which is needed where the fingerprint of the
protocol has changed: the choices of the old ones mean nothing then. --diagrams keeps the tapes.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Dict, NamedTuple

from rich.console import Console
from tapes_made import MISSING_FENCE, explored

from sim import cli
from sim import tapes as commands
from sim.report import lanes
from sim.virtual import tape as tapes

GOLDEN = Path(__file__).resolve().parent / "golden"
WIDTHS = (64, 110)

RAISE = """
[[fault]]
kind = "raise_in_read"
target = "reader[1]"
at = { process = "reader[1]", after_ops = 1 }
"""


class Recipe(NamedTuple):
    mutant: str
    model: str
    wait: str
    faults: str = ""
    reads_old: bool = False  # not the failure, but an execution beside it that reads something old


RECIPES: Dict[str, Recipe] = {
    "torn": Recipe("no-data-fence", "pso", "yielding"),
    "raised": Recipe("no-release-on-raise", "tso", "yielding", RAISE),
    "lost_wakeup": Recipe("no-recheck", "ra", "park"),
    "stale": Recipe("no-data-fence", "ra", "yielding", reads_old=True),
}


def tape_file(name: str) -> Path:
    return GOLDEN / f"{name}.tape"


def diagram_file(name: str, columns: int) -> Path:
    return GOLDEN / f"{name}.{columns}.txt"


def diagram(name: str, columns: int) -> str:
    """As `spinbed replay --trace` prints it on a terminal of that width."""
    tape = tapes.load(tape_file(name))
    _, execution = commands.traced(tape, tape.plan())
    written = io.StringIO()
    console = Console(file=written, width=columns, highlight=False, force_terminal=False)
    lanes.render(execution, console)
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())


def record(name: str) -> None:
    recipe = RECIPES[name]
    text = MISSING_FENCE.read_text(encoding="utf-8")
    text = text.replace("no-data-fence", recipe.mutant).replace("yielding", recipe.wait)
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "golden.toml"
        scenario.write_text(text + recipe.faults, encoding="utf-8")
        made = explored(Path(folder), scenario, "--model", recipe.model)
        cli.main(["shrink", str(made), "-o", str(tape_file(name))])

    tape = replace(tapes.load(tape_file(name)), path="golden.toml")
    tapes.save(reading_old(tape) if recipe.reads_old else tape, tape_file(name))


def reading_old(tape: tapes.Tape) -> tapes.Tape:
    """With one more deviation, the first that makes a load read an older message."""
    for at in range(len(tape.choices)):
        for option in (1, 2, 3):
            choices = bytearray(tape.choices)
            choices[at] = option
            other = replace(tape, choices=bytes(choices))
            played, execution = commands.traced(other, other.plan())
            if any(line.note for line in lanes.lines(execution)):
                return replace(other, choices=played.choices, outcome=played.outcome)
    raise AssertionError("no load reads an older message")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--diagrams", action="store_true", help="only these, of the same tapes")
    asked = parser.parse_args()
    for name in RECIPES:
        if not asked.diagrams:
            record(name)
        for columns in WIDTHS:
            diagram_file(name, columns).write_text(diagram(name, columns), encoding="utf-8")


if __name__ == "__main__":
    main()
