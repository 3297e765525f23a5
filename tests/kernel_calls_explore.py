"""One call of every entry of the simulated machine, for kernel_calls.py."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Iterator, Tuple

from cy_kernels import explore

STORE_THEN_LOAD = [("store", 0, 1, "relaxed"), ("load", 0, 1, "relaxed")]
SETTINGS: dict[str, Any] = {
    "set_program": (1, STORE_THEN_LOAD),
    "arm": (1, 1),
    "hold_after": (1, 1),
    "hold_back": (1, False),
}
ASKED_OF_A_PROCESS = ("state", "site", "done", "condition", "records", "registers")
DONE_TO_A_PROCESS = (
    *("release", "kill", "restart", "attach", "stop_attached", "pause", "resume"),
    *("raise_in_read", "wake", "revive"),
)
ASKED = ("trace", "evidence", "values", "state_of_programs")
PROPERTIES = [
    name
    for name in dir(explore.Simulation)
    if not name.startswith("_") and inspect.isdatadescriptor(getattr(explore.Simulation, name))
]


def explore_calls() -> Iterator[Tuple[str, Callable[[], object], Tuple[object, ...]]]:
    sizes, name = (8, 16), "flag_ring"
    made = explore.Simulation(2, model="tso")

    def set_up() -> None:
        made.set_ring(name, slots=2, slot_bytes=64, readers=1, sizes=sizes)
        made.set_writer(messages=2)
        made.set_reader(1, rank=0)
        made.choose_by("random")
        made.allow()
        made.limit(traces=True)

    def execute() -> None:
        made.begin(1)
        made.start()
        made.go()

    watched = (made, sizes, name)
    prefix = "explore.Simulation."
    setters = ("set_ring", "set_writer", "set_reader", "choose_by", "allow", "limit")
    set_up()
    execute()
    yield f"{prefix}__init__", lambda: explore.Simulation(2), watched
    yield " ".join(prefix + each for each in setters), set_up, watched
    yield f"{prefix}begin {prefix}start {prefix}go", execute, watched
    yield f"{prefix}execute_many", lambda: made.execute_many(1, 1), watched
    yield f"{prefix}explore_all", lambda: made.explore_all(max_executions=1), watched
    yield f"{prefix}pass_time", lambda: made.pass_time(0), watched
    yield f"{prefix}slow", lambda: made.slow(1, 0), watched
    yield f"{prefix}memory", lambda: made.memory(0), watched
    yield f"{prefix}count_states", made.count_states, watched
    for each, arguments in SETTINGS.items():
        yield prefix + each, calling(made, each, *arguments), (*watched, arguments)
    execute()
    for each in ASKED_OF_A_PROCESS:
        yield prefix + each, calling(made, each, 1), watched
    for each in ASKED:
        yield prefix + each, calling(made, each), watched
    for each in PROPERTIES:
        yield prefix + each, lambda each=each: getattr(made, each), watched
    for each in DONE_TO_A_PROCESS:
        yield prefix + each, calling(made, each, 1), watched


def calling(made: Any, name: str, *arguments: Any) -> Callable[[], object]:
    return lambda: getattr(made, name)(*arguments)
