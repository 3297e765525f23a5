"""The CPU as this process sees it, and how SPINBED_CPU and an argument override that."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cy_kernels.choice import COMPILED, PURE, Kernels, kernels
from cy_kernels.features import MACHINES, NAMES, VARIABLE, BadOverride, Features, overridden
from cy_kernels.pure import cpu as pure_cpu

ZEN = Features(
    "x86_64", monitorx=True, monitor_line_min_bytes=64, monitor_line_max_bytes=64, source="CPUID"
)
N1 = Features("aarch64", wfe=True, evtstrm=True, source="auxiliary vector")
HERE = os.uname().machine


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_this_machine_is_told_apart_and_asked_once(on: Kernels) -> None:
    found = on.cpu.features()
    assert found.machine == HERE
    assert found.override == "" and found.source
    assert on.cpu.features() == found and on.cpu.features("") is on.cpu.features("")
    for name, machine in MACHINES.items():
        assert machine == HERE or not getattr(found, name)
    with pytest.raises(FrozenInstanceError):
        found.monitorx = True  # type: ignore[misc]


def test_linux_and_the_cpu_agree_about_this_machine(on: Kernels) -> None:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    words = next(line for line in lines if line.startswith(("flags", "Features"))).split()
    found = on.cpu.features()
    shown = {"mwaitx", "waitpkg", "wfxt", "evtstrm"} & set(words)
    named = {"mwaitx" if name == "monitorx" else name for name in MACHINES if name != "wfe"}
    assert {name for name in named if getattr(found, name.replace("mwaitx", "monitorx"))} == shown
    assert found.wfe == (HERE == "aarch64")


def test_both_kinds_tell_the_same_rate_of_the_counter(on: Kernels) -> None:
    """To a thousandth: one is printed with two decimals, the other may be measured."""
    rate, other = on.cpu.features().tsc_hz, kernels().cpu.features().tsc_hz
    assert rate == 0 or abs(rate - other) < other / 1000
    assert (rate == 0) == (on.cpu.features().tsc_source == "")


@pytest.mark.skipif(kernels().kind == PURE, reason="needs compiled kernels")
def test_a_measured_rate_is_that_of_the_counter() -> None:
    cpu = kernels(COMPILED).cpu
    measured, told = cpu.calibrated_tsc_hz(), cpu.features("").tsc_hz
    assert abs(measured - told) < told / 1000


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("waitpkg", {"waitpkg": True}),
        ("-monitorx", {"monitorx": False}),
        (" waitpkg , - monitorx ", {"waitpkg": True, "monitorx": False}),
        ("monitor_line_max_bytes=128", {"monitor_line_max_bytes": 128}),
        ("monitor_line_min_bytes = 0", {"monitor_line_min_bytes": 0}),
        (
            "waitpkg,-monitorx,monitor_line_max_bytes=128",
            {"waitpkg": True, "monitorx": False, "monitor_line_max_bytes": 128},
        ),
        ("none", {"monitorx": False}),
        ("none,waitpkg", {"monitorx": False, "waitpkg": True}),
        ("none, monitorx", {}),
        ("none,-waitpkg", {"monitorx": False}),
        ("invariant_tsc", {"invariant_tsc": True}),
        ("tsc_hz=2500000000", {"tsc_hz": 2_500_000_000, "tsc_source": "override"}),
        ("-wfe,-wfxt,-evtstrm", {}),
    ],
)
def test_an_override_changes_what_it_names_and_nothing_else(
    text: str, changed: dict[str, Any]
) -> None:
    found = overridden(ZEN, text)
    expected = {**vars(ZEN), **changed, "override": text}
    assert vars(found) == expected


def test_none_leaves_an_arm_cpu_nothing_to_wait_with() -> None:
    found = overridden(N1, "none")
    assert not (found.wfe or found.wfxt or found.evtstrm)
    assert overridden(N1, "wfxt").wfxt


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("waitpgk", "no feature is called 'waitpgk' (did you mean 'waitpkg'?)"),
        ("-monitrx", "no feature is called 'monitrx' (did you mean 'monitorx'?)"),
        ("nnone", "no feature is called 'nnone' (did you mean 'none'?)"),
        ("monitor_line=64", "(did you mean 'monitor_line_min_bytes'?)"),
        ("quux", f"no feature is called 'quux' (one of {', '.join(NAMES)}, none)"),
        ("MONITORX", "no feature is called 'MONITORX'"),
        ("waitpkg,,monitorx", "no feature is called ''"),
        ("waitpkg,", "no feature is called ''"),
        ("--waitpkg", "no feature is called '-waitpkg' (did you mean 'waitpkg'?)"),
        ("waitpkg=1", "'waitpkg' takes no value: write 'waitpkg' or '-waitpkg'"),
        ("monitor_line_max_bytes", "needs a number: 'monitor_line_max_bytes=64'"),
        ("-tsc_hz", "'tsc_hz' needs a number"),
        ("-tsc_hz=5", "'tsc_hz' needs a number"),
        ("tsc_hz=", "tsc_hz='' is not a number from 0 to 100000000000"),
        ("tsc_hz=-1", "tsc_hz='-1' is not a number from 0"),
        ("tsc_hz=1e9", "tsc_hz='1e9' is not a number from 0"),
        ("tsc_hz=\u0663", "is not a number from 0"),  # a digit, and not one of ours
        pytest.param("tsc_hz=" + "9" * 5000, "is not a number from 0", id="digits"),
        ("monitor_line_max_bytes=4097", "is not a number from 0 to 4096"),
        ("waitpkg,-waitpkg", "'waitpkg' is named twice"),
        ("none,waitpkg,waitpkg", "'waitpkg' is named twice"),
        ("waitpkg,none", "'none' comes first, and has no sign"),
        ("none,none", "'none' comes first, and has no sign"),
        ("-none", "'none' comes first, and has no sign"),
        ("monitor_line_max_bytes=32", "monitor_line_min_bytes 64 is more than"),
        ("wfe", "'wfe' is of aarch64, and this is x86_64"),
        ("none,wfxt", "'wfxt' is of aarch64, and this is x86_64"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused_with_its_reason(
    text: str, message: str
) -> None:
    with pytest.raises(BadOverride, match=re.escape(message)) as refused:
        overridden(ZEN, text)
    assert str(refused.value).startswith(f"override={text!r}: ")
    assert isinstance(refused.value, ValueError)


def test_what_another_machine_has_cannot_be_forced_on_arm_either() -> None:
    with pytest.raises(BadOverride, match="'waitpkg' is of x86_64, and this is aarch64"):
        overridden(N1, "waitpkg")


@pytest.mark.parametrize("text", [7, b"none", ["none"], True])
def test_an_override_is_text(on: Kernels, text: object) -> None:
    with pytest.raises(TypeError, match="override must be a str or None, not "):
        on.cpu.features(text)


@pytest.mark.parametrize(
    ("variable", "override", "seen"),
    [
        (None, None, ""),
        ("", None, ""),
        (" ", None, ""),
        ("tsc_hz=3", None, "tsc_hz=3"),
        ("tsc_hz=3", "tsc_hz=4", "tsc_hz=4"),
        ("tsc_hz=3", "", ""),
        ("not a feature", "", ""),  # what is not asked for is not looked at
    ],
)
def test_an_argument_beats_the_variable_and_an_empty_one_both(
    on: Kernels,
    monkeypatch: pytest.MonkeyPatch,
    variable: Optional[str],
    override: Optional[str],
    seen: str,
) -> None:
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)
    found = on.cpu.features(override)
    assert found.override == seen
    assert not seen or f"tsc_hz={found.tsc_hz}" == seen


def test_a_bad_variable_names_itself(on: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "mwaitx")
    with pytest.raises(BadOverride, match="^SPINBED_CPU='mwaitx': no feature is called 'mwaitx'"):
        on.cpu.features()


def test_features_print_what_there_is_and_what_is_not() -> None:
    assert str(ZEN) == "x86_64, monitorx, no waitpkg, monitor line 64 bytes (CPUID)"
    assert str(N1) == ("aarch64, wfe, no wfxt, evtstrm, monitor line unknown (auxiliary vector)")
    assert "monitor line 64 to 128 bytes" in str(overridden(ZEN, "monitor_line_max_bytes=128"))


@pytest.mark.parametrize(
    "wrong",
    [{"machine": ""}, {"tsc_hz": -1}, {"monitor_line_min_bytes": 65}],
)
def test_features_that_cannot_be_are_a_bug(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        Features(**{**vars(ZEN), **wrong})


def test_plain_python_knows_the_cpu_without_loading_a_kernel() -> None:
    code = "import sys; from cy_kernels.pure import cpu; cpu.features(); print(*sys.modules)"
    environ = {**os.environ, "SPINBED_REQUIRE_EXT": "0"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert {"cy_kernels.cpu", "cy_kernels.ring", "ctypes"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "riscv64"])
def test_where_linux_tells_nothing_nothing_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: str
) -> None:
    monkeypatch.setattr(pure_cpu, "CPUINFO", str(tmp_path / "hidden"))
    monkeypatch.setattr(pure_cpu, "AUXV", str(tmp_path / "hidden"))
    found = pure_cpu._ask(machine)
    assert (found.machine, found.override, found.tsc_hz) == (machine, "", 0)
    assert found.wfe == (machine == "aarch64")
    assert not any(getattr(found, name) for name in MACHINES if name != "wfe")


def test_only_the_first_cpu_of_many_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "flags : mwaitx\n\nflags : waitpkg\n"
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(pure_cpu, "CPUINFO", str(tmp_path / "cpuinfo"))
    found = pure_cpu._ask("x86_64")
    assert found.monitorx and not found.waitpkg


@given(
    st.lists(
        st.sampled_from([*NAMES, "none", "-", "=", ",", " ", "64", "0", "x", "\x00", "\u0663"])
        | st.text(max_size=3)
    ).map("".join)
)
def test_every_text_is_an_override_or_refused(text: str) -> None:
    try:
        found = overridden(ZEN, text)
    except BadOverride as refused:
        assert text.strip() and repr(text) in str(refused)
    else:
        assert found.override == (text if text.strip() else "")
        for name, machine in MACHINES.items():
            assert machine == ZEN.machine or not getattr(found, name)


@given(
    st.lists(
        st.sampled_from(["flags", "bogomips", ":", "\n", "constant_tsc ", "nonstop_tsc "])
        | st.text(max_size=4)
    ).map("".join)
)
def test_no_text_of_a_kernel_is_too_strange(text: str) -> None:
    found = pure_cpu.decode_cpuinfo(text)
    assert found.tsc_hz == 0 or found.invariant_tsc
