"""Every scenario that both worlds can run, run in both: do they come to the same verdict?

    python tests/parity.py [--markdown] [-k WORDS] [PATH ...]     scenarios/, without a path

Prints a row for each, and exits with 1 where two differ: in the verdict, in whether it is as
expected, in the class of a hang, or in how a program ended.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Iterator, List, NamedTuple, Sequence, Tuple

from sim import run as story
from sim.loading import load_all
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.scenario.scenario import Scenario
from sim.selection import selection
from sim.verdict import RunResult
from sim.virtual.limits import lacks
from sim.worlds import Worlds

ROOT = Path(__file__).parent.parent
WORLDS = ("live", "virtual")


class Row(NamedTuple):
    file: str
    name: str
    is_of_programs: bool
    said: Tuple[str, str]  # by the live world, by the virtual one
    failure: Sequence[str]

    @property
    def is_same(self) -> bool:
        return self.said[0] == self.said[1]


def scenarios_of_both(paths: Sequence[Path], words: str = "") -> List[Scenario]:
    found = [each for each in load_all(paths) if set(WORLDS) <= set(each.worlds)]
    return [
        each
        for each in found
        if not any(lacks(each)) and (not words or selection(words)(each.name))
    ]


def rows(scenarios: Sequence[Scenario], seed: int = 0) -> Iterator[Row]:
    """Of those that this host can run live."""
    with tempfile.TemporaryDirectory() as folder, Worlds() as worlds:
        for scenario in scenarios:
            plans = [make_plan(scenario, seed, world) for world in WORLDS]
            if any(story.lacks(plan) is not None for plan in plans):
                continue
            results = [_run(plan, worlds, Path(folder)) for plan in plans]
            said = (_said(results[0]), _said(results[1]))
            failure = [line for each in results for line in each.failure[:1]]
            place = Path(scenario.path)
            file = str(place.relative_to(ROOT)) if ROOT in place.parents else str(place)
            yield Row(file, scenario.name, plans[0].is_of_programs, said, failure)


def _run(plan: Plan, worlds: Worlds, folder: Path) -> RunResult:
    journal = folder / f"{plan.world}.jsonl"
    return story.run(plan, worlds, reproduce="", journal=journal)


def _said(result: RunResult) -> str:
    words = [str(result.verdict)]
    if result.hang is not None:
        words.append(f"hang: {result.hang}")
    # How a ring's processes end follows from the run's end; how programs do is what they are for.
    ends = [f"{each.name}: {each.exit}" for each in result.processes if each.exit != "0"]
    if ends and result.hang is None:
        words.append(", ".join(ends))
    return "; ".join(words) + ("" if result.as_expected else "; NOT AS EXPECTED")


def by_file(found: Sequence[Row]) -> Iterator[str]:
    """The table of docs/lifecycle.md: a row for each file, with all that its runs came to."""
    yield "| scenario | runs | live | virtual |"
    yield "|---|---|---|---|"
    for file in dict.fromkeys(row.file for row in found):
        rows_of = [row for row in found if row.file == file]
        said = [" / ".join(dict.fromkeys(row.said[n] for row in rows_of)) for n in range(2)]
        name = file[len("scenarios/") : -len(".toml")]
        yield f"| {name} | {len(rows_of)} | {said[0]} | {said[1]} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    parser.add_argument("-k", dest="words", default="", help="only runs whose name has these words")
    parser.add_argument("--markdown", action="store_true", help="as the page docs/lifecycle.md")
    given = parser.parse_args()
    found: List[Row] = []
    for row in rows(scenarios_of_both(given.paths or [ROOT / "scenarios"], given.words)):
        found.append(row)
        live, virtual = row.said
        mark = "same" if row.is_same else "DIFFERENT"
        if not given.markdown:
            print(f"{mark:9}  {row.name}  live {live}  virtual {virtual}", flush=True)
        for line in row.failure if not row.is_same else ():
            print(f"           {line}")
    for line in by_file(found) if given.markdown else ():
        print(line)
    different = sum(not row.is_same for row in found)
    programs = sum(row.is_of_programs for row in found)
    files = len({row.file for row in found})
    print(
        f"\n{len(found)} runs of {files} files in both worlds, {programs} of them of programs: "
        f"{len(found) - different} the same, {different} different"
    )
    return 1 if different or not found else 0


if __name__ == "__main__":
    sys.exit(main())
