"""Every fault of the table keeps the promises of the conformance kit, and the kit sees those that
do not."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar, Mapping

import pytest
from ring_regions import GATE, TAKEOVER

from cy_kernels.choice import PURE, kernels
from sim.abc import Capability, Evidence, World
from sim.faults import FAULTS
from sim.history.history import Allowance
from sim.live import hosts
from sim.live.supervisor import Supervisor
from sim.testing import kit_program
from sim.testing.fault_kit import BrokenPromise, Lacking, Observe, check_fault, targets

MS = 1_000_000


def groups(target: str) -> Observe:
    """Of which control groups its process is a member, as /proc has it."""

    def look(world: World) -> str:
        live: Any = world
        pid = live._newest(target).pid
        return Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii")

    return look


def helpers(module: str) -> Observe:
    """How many processes of ours run it."""

    def look(world: World) -> int:
        count = 0
        for entry in os.listdir("/proc"):
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
                continue
            count += module.encode() in words and str(os.getpid()).encode() in words
        return count

    return look


def disturbance(target: str) -> Observe:
    """What the target's trap is told to do."""

    def look(world: World) -> str:
        return str(world.machine.wakes(target, "missed", at_least=0, within_ns=0)["disturbance"])

    return look


def regions_that_are_there(target: str) -> Observe:
    """Of those that a program has mapped."""
    return lambda world: [os.path.exists(f"/dev/shm/{x}") for x in world.launch.regions(target)]


def is_reached(world: World) -> str:
    """Whether the writer's socket is, from the host that a fault is aimed at."""
    connect = f"import socket; socket.create_connection(('10.99.0.1', {hosts.PORT}), timeout=3)"
    done = inside(world, [sys.executable, "-S", "-c", connect])
    return "yes" if not done.returncode else "no"


def queues(world: World) -> str:
    return inside(world, ["tc", "qdisc", "show", "dev", "eth0"]).stdout.split()[1]


def inside(world: World, command: list[str]) -> subprocess.CompletedProcess[str]:
    live: Any = world
    fd = live.network._others["b"]
    entered = ["nsenter", f"--net=/proc/self/fd/{fd}", *command]
    return subprocess.run(entered, pass_fds=[fd], capture_output=True, text=True, check=False)


def observations(alias: str, target: str) -> Observe | None:
    """What is to be seen of a fault without asking it; None: only the history shows it."""
    seen: Mapping[str, Observe] = {
        "stall": lambda world: world.state(target),
        "freeze": groups(target),
        "kill": lambda world: world.state(target),
        "signal_storm": helpers("sim.live.storm"),
        "disturb_wakes": disturbance(target),
        "cpu_starve": groups(target),
        "oversubscribe": helpers("sim.live.spinner"),
        "exhaust_fds": lambda world: world.machine.try_open(target, within_ns=5_000 * MS),
        "unlink_region": lambda world: world.region_size_bytes(),
        "truncate_region": lambda world: world.region_size_bytes(),
        "resource_tracker_unlink": regions_that_are_there(target),
        "partition": is_reached,
        "link_down": is_reached,
        "bad_link": queues,
        "corrupt_word": lambda world: world.machine.read_word("magic"),
    }
    return seen.get(alias)


def another_compiled_file() -> str:
    """Nobody else's, so that none need be built: only that it takes the other's place."""
    found = importlib.util.find_spec("cy_kernels.recorder")
    return (None if found is None else found.origin) or "/there/is/none"


# What a fault cannot do without; of faults of programs alone.
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "break_extension": {"module": kit_program.EXTENSION, "how": "empty"},
    "foreign_abi": {"module": kit_program.EXTENSION, "built_by": another_compiled_file()},
    "missing_module": {"module": kit_program.MODULE},
    "failing_import": {"module": kit_program.MODULE, "exception": "OSError"},
    "slow_import": {"module": kit_program.MODULE, "duration_ns": 1},
    "gated_import": {"module": kit_program.MODULE},
    "import_twice": {"module": kit_program.MODULE},
    "fork_with_threads": {"lock": "plain", "name": "sim.testing.kit_program:LOCK"},
    "bad_link": {"bandwidth": 1e6},
    "env_var": {"variable": "SUBJECT_X", "value": "1"},
    "limit": {"resource": "NOFILE", "limit": 100},
}
CASES = [(alias, target) for alias, kind in FAULTS.items() for target in targets(kind)]


@pytest.mark.parametrize(("alias", "target"), CASES)
def test_every_fault_keeps_its_promises(supervisor: Supervisor, alias: str, target: str) -> None:
    fault: Any = FAULTS[alias]
    if kernels().kind == PURE and Capability.RESTART in fault.requires:
        pytest.skip(TAKEOVER)
    if kernels().kind == PURE and Capability.STEP in fault.requires:
        pytest.skip(GATE)
    if kernels().kind == PURE and alias in ("break_extension", "foreign_abi"):
        pytest.skip("needs compiled kernels")
    try:
        made = fault(target, **PARAMETERS.get(alias, {}))
        check_fault(made, supervisor, observe=observations(alias, target))
    except Lacking as lack:
        pytest.skip(str(lack))


@dataclasses.dataclass(frozen=True)
class Idle:
    """Keeps all promises but to do anything; each of the classes below breaks one more."""

    alias: ClassVar[str] = "idle"
    doc: ClassVar[str] = "does nothing"
    requires: ClassVar[frozenset[Capability]] = frozenset()
    heals: ClassVar[bool] = True
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer"})
    target: str = "writer"

    def inject(self, world: World) -> Evidence:
        return Evidence(True, "fired")

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "healed")

    def accounts_for(self, because: str) -> tuple[Allowance, ...]:
        return ()


class Unproven(Idle):
    def inject(self, world: World) -> Evidence:
        return Evidence(False, "who knows")


class Unhealed(Idle):
    def heal(self, world: World) -> Evidence:
        return Evidence(False, "who knows")


class NotHealing(Idle):
    def inject(self, world: World) -> Evidence:
        world.pause(self.target)
        return Evidence(True, "paused")


class HealsOnce(Idle):
    def heal(self, world: World) -> Evidence:
        was = world.machine.read_word("kind")
        world.machine.write_word("kind", 7)
        return Evidence(was != 7, f"kind: {was}")


class Silent(Idle):
    def inject(self, world: World) -> Evidence:
        return Evidence(True, "")


def state_of_the_writer(world: World) -> str:
    return world.state("writer")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Unproven(), "does not prove that it fired: who knows"),
        (Unhealed(), "does not prove that it healed: who knows"),
        (Idle(), "nothing to be seen: still running"),
        (NotHealing(), "its target is not running: stopped"),
        (HealsOnce(), "does not prove that it healed: kind: 7"),
        (Silent(), "its evidence says nothing"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_kit_names_the_promise_that_is_broken(
    supervisor: Supervisor, fault: Idle, said: str
) -> None:
    observe = state_of_the_writer if type(fault) is Idle else None
    with pytest.raises(BrokenPromise, match=said):
        check_fault(fault, supervisor, observe=observe)
