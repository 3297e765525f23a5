"""Executions of the labelled programs: made by seed, and made again from the tape."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional

from hang_programs import At, Program

from cy_kernels import explore

STEP_NUMBERS = {name: number for number, name in explore.STEPS}


def machine(program: Program, model: str) -> Any:
    made = explore.Simulation(program.processes, model=model)
    if program.ring is None:
        for index, instructions in enumerate(program.programs):
            made.set_program(index, instructions)
    else:
        made.set_ring(**program.ring)
        made.set_writer(**program.writer)
        for index, reader in enumerate(program.readers, 1):
            made.set_reader(index, **reader)
    made.limit(steps=program.steps, stops_at_finding=False)
    made.allow(early_timers=program.early_timers, spurious_wakes=program.spurious_wakes)
    return made


def arm(made: Any, action: At) -> None:
    if action.step is None:
        made.hold_after(action.process, action.after)
    else:
        made.arm(action.process, STEP_NUMBERS[action.step], after=action.after)


def act(made: Any, action: At) -> None:
    getattr(made, action.verb)(action.process)
    if action.verb != "kill":
        made.release(action.process)


def execute(made: Any, program: Program, seed: int, tape: Optional[bytes] = None) -> str:
    """One execution with what the driver does, from a seed or from a tape; how it stopped."""
    if tape is None:
        made.choose_by(program.scheduler)
    else:
        made.choose_by("replay", tape=tape)
    made.begin(seed)
    for action in program.driver:
        arm(made, action)
    made.start()
    pending = list(program.driver)
    while made.go() == "reached":
        (action,) = [each for each in pending if each.process == made.reached]
        act(made, action)
        pending.remove(action)
    return str(made.stop)


def brings(program: Program, model: str, tape: bytes) -> Callable[[], Any]:
    def bring() -> Any:
        made = machine(program, model)
        execute(made, program, 0, tape)
        return made

    return bring


def hanging(program: Program, model: str, seeds: range, wanted: int) -> Iterator[bytes]:
    """The tapes of the first executions that did not end."""
    made = machine(program, model)
    for seed in seeds:
        if execute(made, program, seed) != "ended":
            yield made.tape
            wanted -= 1
            if not wanted:
                return
