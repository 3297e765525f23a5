"""What of a scenario of programs the virtual world cannot do, by the key of the file."""

from __future__ import annotations

import builtins
from typing import Any, Iterator, Mapping, NamedTuple, Optional

from sim.faults import FAULTS
from sim.scenario.names import nearest
from sim.scenario.plan import ProgramWorkload
from sim.scenario.scenario import FaultTable, ProcessTable, Scenario
from sim.virtual.lifecycle.models import model_of, modelled_programs
from sim.virtual.lifecycle.models.kernel_loader import EXTENSIONS as KERNELS
from sim.virtual.lifecycle.versions import MODELLED, named

MODELLED_FAULTS = (
    "break_extension",
    "env_var",
    "failing_import",
    "fork_with_threads",
    "gated_import",
    "import_twice",
    "kill",
    "limit",
    "missing_module",
    "no_main_guard",
    "preload_broken",
    "resource_tracker_unlink",
    "slow_import",
    "stall",
    "start_method_twice",
)
WATCHING = ("imports", "environ", "refcounts")  # checkers of what only a real interpreter does


class Lack(NamedTuple):
    key: str  # "fault[0].kind"
    why: str


def lacks(scenario: Scenario) -> Iterator[Lack]:
    for index, table in enumerate(scenario.processes):
        yield from _of_process(f"process[{index}]", table)
    for index, fault in enumerate(scenario.faults):
        why = _of_fault(fault)
        if why is not None:
            yield Lack(f"fault[{index}].kind", f"{fault.kind.alias}: {why}")
    for index, alias in enumerate(scenario.checkers):
        if alias in WATCHING:
            why = f"{alias} watches a real interpreter; simulated ones show nothing to it"
            yield Lack(f"check[{index}].alias", why)


def _of_process(key: str, table: ProcessTable) -> Iterator[Lack]:
    work = table.workload
    assert isinstance(work, ProgramWorkload)
    if work.program is None:
        yield Lack(f"{key}.argv", "only a `program` that has a model can be simulated")
    elif model_of(work.program) is None:
        near = nearest(work.program, modelled_programs())
        hint = f": did you mean {near!r}?" if near else " (docs/lifecycle.md)"
        yield Lack(f"{key}.program", f"there is no model of {work.program!r}{hint}")
    try:
        behaviour = named(table.python)
    except ValueError:
        yield Lack(f"{key}.python", f"{table.python!r} names no version that could be simulated")
        return
    if not behaviour.is_modelled:
        first, last = (".".join(map(str, each)) for each in MODELLED)
        why = f"there is no model of Python {behaviour}, only of {first} to {last}"
        yield Lack(f"{key}.python", why)


def _of_fault(fault: FaultTable) -> Optional[str]:
    if fault.kind not in map(FAULTS.get, MODELLED_FAULTS):
        return "it has no model; the live world has it"
    given: Mapping[str, Any] = fault.parameters
    if given.get("at_statement"):
        return "a simulated module has no statements to count"
    if not hasattr(builtins, str(given.get("exception", "Exception"))):
        return f"{given['exception']!r} is no built-in exception"
    if str(given.get("until", "")).startswith("probe:"):
        return "a simulated import cannot be held until a probe is answered"
    if given.get("module") not in (None, *KERNELS) and fault.kind is FAULTS["break_extension"]:
        return f"there is no simulated file of {given['module']!r}"
    if given.get("resource", "FSIZE") != "FSIZE":
        return f"RLIMIT_{given['resource']} has no model, only RLIMIT_FSIZE"
    return None
