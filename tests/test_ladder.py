"""Which wait strategy a CPU can run, and which runs instead: the whole table, literally."""

from __future__ import annotations

import itertools

import pytest

from cy_kernels.choice import Kernels, kernels
from cy_kernels.features import MACHINES, Features
from cy_kernels.ladder import LACKS, LADDER, NEEDS
from sim.transport import STRATEGIES

PLAIN = ("busy_spin", "pause", "yielding", "park", "backoff", "adaptive", "best")
BARE = Features("x86_64")
ZEN = Features("x86_64", monitorx=True)
INTEL = Features("x86_64", waitpkg=True)
BOTH = Features("x86_64", monitorx=True, waitpkg=True)
ARM = Features("aarch64", wfe=True, evtstrm=True)
ARM_WITHOUT_EVENTS = Features("aarch64", wfe=True)
ARM_WFXT = Features("aarch64", wfe=True, evtstrm=True, wfxt=True)
ARM_WFXT_WITHOUT_EVENTS = Features("aarch64", wfe=True, wfxt=True)

RUNS = {
    BARE: (),
    ZEN: ("mwaitx",),
    INTEL: ("umwait", "tpause"),
    BOTH: ("mwaitx", "umwait", "tpause"),
    ARM: ("wfe",),
    ARM_WITHOUT_EVENTS: (),
    ARM_WFXT: ("wfe", "wfet"),
    ARM_WFXT_WITHOUT_EVENTS: ("wfet",),
}
BEST = {
    BARE: "adaptive",
    ZEN: "mwaitx",
    INTEL: "umwait",
    BOTH: "mwaitx",
    ARM: "wfe",
    ARM_WITHOUT_EVENTS: "adaptive",
    ARM_WFXT: "wfet",
    ARM_WFXT_WITHOUT_EVENTS: "wfet",
}


@pytest.mark.parametrize("features", RUNS, ids=str)
@pytest.mark.parametrize("strategy", NEEDS)
def test_a_strategy_runs_where_its_instructions_are(
    on: Kernels, strategy: str, features: Features
) -> None:
    reason = on.cpu.can_run(strategy, features)
    assert (reason is None) == (strategy in PLAIN or strategy in RUNS[features])
    assert reason is None or reason.startswith("no ")


@pytest.mark.parametrize("features", RUNS, ids=str)
@pytest.mark.parametrize("strategy", NEEDS)
def test_what_cannot_run_degrades_to_adaptive_and_best_is_the_best_there_is(
    on: Kernels, strategy: str, features: Features
) -> None:
    really = on.cpu.rung_of(strategy, features)
    if strategy == "best":
        assert really == BEST[features]
    elif strategy in PLAIN or strategy in RUNS[features]:
        assert really == strategy
    else:
        assert really == "adaptive"
    assert on.cpu.can_run(really, features) is None


@pytest.mark.parametrize(
    ("strategy", "features", "reason"),
    [
        ("mwaitx", BARE, "no MONITORX"),
        ("umwait", ZEN, "no WAITPKG"),
        ("tpause", BARE, "no WAITPKG"),
        ("wfe", BARE, "no WFE"),
        ("wfe", ARM_WITHOUT_EVENTS, "no event stream (HWCAP_EVTSTRM): nothing would bound a WFE"),
        ("wfet", ARM, "no FEAT_WFxT"),
    ],
)
def test_the_reason_names_what_is_not_there(strategy: str, features: Features, reason: str) -> None:
    assert kernels().cpu.can_run(strategy, features) == reason


def test_nothing_that_waits_is_better_than_what_every_cpu_has_for_all_features() -> None:
    """Whatever a CPU offers, a rung leads somewhere that it can run."""
    cpu = kernels().cpu
    for machine in ("x86_64", "aarch64", "riscv64"):
        own = [name for name, of in MACHINES.items() if of == machine]
        for values in itertools.product((False, True), repeat=len(own)):
            features = Features(machine, **dict(zip(own, values)))  # type: ignore[arg-type]
            for strategy in NEEDS:
                assert cpu.can_run(cpu.rung_of(strategy, features), features) is None


def test_the_tables_know_every_strategy_that_there_is() -> None:
    assert set(STRATEGIES) <= set(NEEDS)
    assert set(kernels().ring.STRATEGIES) <= set(NEEDS)
    assert set(LADDER) <= set(NEEDS)
    assert {need for needs in NEEDS.values() for need in needs} == set(LACKS) == set(MACHINES)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mwait", "did you mean 'umwait'?"),
        ("Park", "did you mean 'park'?"),
        ("zzz", "one of busy_spin, pause, yielding, "),
        ("", "one of busy_spin, "),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_nearest(on: Kernels, name: str, hint: str) -> None:
    for ask in (on.cpu.can_run, on.cpu.rung_of):
        with pytest.raises(ValueError, match=f"no wait strategy is called '{name}' ") as refused:
            ask(name, BARE)
        assert hint in str(refused.value)


@pytest.mark.parametrize("name", [None, 3, b"park"])
def test_a_strategy_is_named_by_text(on: Kernels, name: object) -> None:
    for ask in (on.cpu.can_run, on.cpu.rung_of):
        with pytest.raises(TypeError, match="a wait strategy is a str, not "):
            ask(name, BARE)
