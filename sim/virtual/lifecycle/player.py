"""Executions of one plan of programs, by its schedule alone, and what the checkers say of them."""

from __future__ import annotations

from typing import List, Sequence, Tuple

from sim.abc import INVALID
from sim.history.history import History
from sim.history.op import EXIT, HANG
from sim.scenario.names import find_checker
from sim.scenario.plan import Plan
from sim.verdict import check_all
from sim.virtual.lifecycle.execution import ProgramsExecution, execute_programs
from sim.virtual.lifecycle.world import Tell
from sim.virtual.schedulers import Scheduler
from sim.virtual.shrinking import Played
from sim.virtual.tape import Outcome
from sim.virtual.world import REPLAY

STOPS = {"hang": "stuck", "deadline": "in_time"}  # as the machine of rings says it
ENDED, FOUND = "ended", "found"


class ProgramsPlayer:
    """A failure is a hang, or that a checker of the plan objects: there are no oracles beside it.
    `[[expect]]` allows what it names, as in a run. `tell` as SimulatedPrograms has it."""

    def __init__(self, plan: Plan, tell: Tell) -> None:
        self._plan = plan
        self._tell = tell
        self.expected_choices = max(len(self.replay(b"").choices), 1)

    def replay(self, choices: bytes) -> Played:
        made = execute_programs(self._plan, scheduler=REPLAY, tape=choices, tell=self._tell)
        return self._played(made)

    def execute(self, scheduler: Scheduler, seed: int) -> Played:
        by, expected = str(scheduler), self.expected_choices
        made = execute_programs(
            self._plan, scheduler=by, seed=seed, expected_choices=expected, tell=self._tell
        )
        return self._played(made)

    def _played(self, made: ProgramsExecution) -> Played:
        objecting = objections(self._plan, made.history)
        outcome = Outcome(_stop(made.history, objecting), None, made.steps, made.hash)
        return Played(made.tape, outcome, made.has_diverged)

    def with_fewer(self, played: Played) -> Tuple[Played, int]:
        """It fails alike, and no choice of it can be made the default one any more and still do
        so; and how many executions that took."""
        tried = 0
        is_less = True
        while is_less:
            is_less = False
            for at in [at for at, option in enumerate(played.choices) if option]:
                choices = played.choices[:at] + b"\0" + played.choices[at + 1 :]
                again = self.replay(choices)
                tried += 1
                fewer = _deviations(again) < _deviations(played)
                if again.outcome.failure == played.outcome.failure and fewer:
                    played, is_less = again, True
                    break
        return played, tried


def _deviations(played: Played) -> int:
    return len(played.choices) - played.choices.count(0)


def objections(plan: Plan, history: History) -> Sequence[str]:
    """What its checkers find wrong, in words."""
    results = check_all(map(find_checker, plan.checkers), history)
    return [f"{each.alias}: {each.why}" for each in results if each.result == INVALID]


def objections_to(plan: Plan, choices: bytes, tell: Tell) -> Sequence[str]:
    """To the execution of these choices; and the last line that each program has printed."""
    history = execute_programs(plan, scheduler=REPLAY, tape=choices, tell=tell).history
    exits = [op.detail or {} for op in history.where(EXIT)]
    said = [str(each["stderr"]).rstrip() for each in exits if "ended_by" not in each]
    last = [f"| {text.splitlines()[-1]}" for text in said if text]
    return [*objections(plan, history), *last]


def _stop(history: History, objecting: Sequence[str]) -> str:
    if not objecting:
        return ENDED
    for op in history.where(HANG):
        return STOPS[str((op.detail or {})["why"])]
    return FOUND


def events(plan: Plan, choices: bytes, tell: Tell) -> List[str]:
    """What happened in the execution of these choices, a line each."""
    made = execute_programs(plan, scheduler=REPLAY, tape=choices, tell=tell, traces=True)
    return [f"{at / 1e6:12.3f} ms  {what}" for at, what in made.seen]
