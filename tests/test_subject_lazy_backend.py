"""A backend that is imported with a module, and one that waits for its first use."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

import pytest
from subject_runs import Run, is_of_the_interpreter, program, subject

VARIANTS = ("before", "after")
AVAILABLE = "the backend is available"
LACKING = "the backend is not available"
IS_SET = "XFER_CACHE_MAX is set to 1024"
TOO_LATE = "xfer was imported already: XFER_CACHE_MAX cannot be set any more"

USED = {"agent": "Agent", "cache_max": "1024", "has": True, "is_the_same": True}
NOTHING = {"agent": None, "cache_max": None, "has": True, "is_the_same": True}
UNSET = {**USED, "cache_max": None}


def run(variant: str, **settings: object) -> Run:
    environment = {f"SUBJECT_{name.upper()}": str(value) for name, value in settings.items()}
    return subject("lazy_backend", variant, **environment)


def both_uses(result: Dict[str, Any]) -> List[Any]:
    [worker] = result["workers"]
    return [worker["first"], worker["second"]]


@pytest.mark.parametrize("workers", [1, 4])
def test_processes_that_import_eagerly_each_say_so_and_each_set_the_variable(workers: int) -> None:
    done = run("before", workers=workers, users=0)
    assert done.result["lines"] == {IS_SET: workers, AVAILABLE: workers}
    assert done.err.count(AVAILABLE) == workers
    assert [each["variable_at_import"] for each in done.result["workers"]] == ["1024"] * workers
    assert all(each["is_loaded_at_import"] for each in done.result["workers"])


@pytest.mark.parametrize("workers", [1, 4])
def test_processes_that_import_lazily_say_nothing_and_change_nothing(workers: int) -> None:
    done = run("after", workers=workers, users=0)
    nothing = {"is_loaded_at_import": False, "variable_at_import": None, "variable_at_end": None}
    assert done.result["lines"] == {} and done.err == ""
    assert done.result["workers"] == [nothing] * workers


@pytest.mark.parametrize(("workers", "users"), [(2, 1), (4, 3)])
def test_of_lazy_processes_those_that_use_it_speak(workers: int, users: int) -> None:
    result = run("after", workers=workers, users=users).result
    assert result["lines"] == {IS_SET: users, AVAILABLE: users}
    at_end = [each["variable_at_end"] for each in result["workers"]]
    assert at_end == ["1024"] * users + [None] * (workers - users)


@pytest.mark.parametrize("kind", ["process", "thread"])
def test_both_give_the_same_object_with_the_same_settings(kind: str) -> None:
    eager, lazy = (run(each, workers=2, users=2, worker_kind=kind).result for each in VARIANTS)
    for worker in [*eager["workers"], *lazy["workers"]]:
        assert worker["first"] == worker["second"] == USED and worker["is_the_original"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_threads_share_one_import(variant: str) -> None:
    result = run(variant, workers=8, users=8, worker_kind="thread").result
    assert all(each["first"] == USED and each["is_the_original"] for each in result["workers"])
    # Each says the line once; of threads that race to the first use, several may.
    most = 1 if variant == "before" else 8
    assert 1 <= result["lines"][AVAILABLE] <= most


def test_forked_workers_import_eagerly_each_for_itself_too() -> None:
    result = run("before", workers=2, users=0, start_method="fork").result
    assert result["lines"][AVAILABLE] == 2
    assert run("after", workers=2, users=0, start_method="fork").result["lines"] == {}


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_absent_backend_is_a_name_that_is_none(variant: str) -> None:
    result = run(variant, backend="absent").result
    assert both_uses(result) == [NOTHING, NOTHING]
    assert result["lines"] == {IS_SET: 1, LACKING: 1}


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_installed_later_is_never_seen(variant: str, tmp_path: Path) -> None:
    result = run(variant, backend="later", folder=tmp_path).result
    assert (tmp_path / "xfer" / "_api.py").exists()
    assert both_uses(result) == [NOTHING, NOTHING]
    assert not result["workers"][0]["is_loaded_at_import"]


def test_what_is_installed_before_the_first_use_is_seen_by_the_lazy_one_alone(
    tmp_path: Path,
) -> None:
    code = """
import importlib, sys
sys.path.insert(0, {folder!r})
from sim.subjects import lazy_backend
provider = importlib.import_module("sim.subjects.backends.{module}")
lazy_backend.FOLDER = {folder!r}
lazy_backend._install()
importlib.invalidate_caches()
print(provider.Agent and provider.Agent.__name__)
"""
    said = []
    for module in ("eager", "lazy"):
        folder = tmp_path / module
        folder.mkdir()
        said.append(program(code.format(folder=str(folder), module=module)).out)
    assert said == ["None\n", "Agent\n"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_who_was_imported_directly_before_keeps_its_settings(variant: str) -> None:
    result = run(variant, backend="imported").result
    assert both_uses(result) == [UNSET, UNSET]
    assert result["lines"] == {TOO_LATE: 1, AVAILABLE: 1}
    assert result["workers"][0]["variable_at_end"] is None


def test_a_broken_library_ends_each_eager_worker_at_its_import(tmp_path: Path) -> None:
    done = run("before", backend="broken", folder=tmp_path, workers=2, users=0)
    library = tmp_path / "xfer" / "libxfer.so"
    assert done.status == 1 and done.out == ""
    assert done.err.count(f"OSError: {library}: invalid ELF header") == 2
    assert done.error == "a worker has ended before its time"
    assert is_of_the_interpreter(done.innermost) and "ctypes" in done.innermost


def test_a_broken_library_ends_no_lazy_worker_that_has_no_use_for_it(tmp_path: Path) -> None:
    done = run("after", backend="broken", folder=tmp_path, workers=2, users=0)
    assert done.result["lines"] == {} and len(done.result["workers"]) == 2


@pytest.mark.parametrize("kind", ["process", "thread"])
def test_a_broken_library_ends_a_lazy_worker_at_its_first_use(kind: str, tmp_path: Path) -> None:
    settings = {"workers": 2, "users": 1, "worker_kind": kind}
    done = run("after", backend="broken", folder=tmp_path, **settings)
    assert done.error == "a worker has ended before its time"
    assert done.err.count("invalid ELF header") == 1 and "_use" in done.err
    assert is_of_the_interpreter(done.innermost) and "ctypes" in done.innermost


def test_a_broken_extension_module_is_taken_for_an_absent_one(tmp_path: Path) -> None:
    """An ImportError says as little of why as it must: the line that is said has no cause."""
    run("before", folder=tmp_path).result  # noqa: B018 - it fails where the program did
    api = tmp_path / "xfer" / "_api.py"
    api.write_text("from xfer import _native\n")
    for suffix in _suffixes():
        api.with_name(f"_native{suffix}").write_text("x" * 100)
    for variant in VARIANTS:
        done = run(variant, folder=tmp_path)
        assert both_uses(done.result) == [NOTHING, NOTHING]
        assert LACKING in done.err and "invalid ELF header" not in done.err


def _suffixes() -> List[str]:
    from importlib.machinery import EXTENSION_SUFFIXES

    return EXTENSION_SUFFIXES[:1]


def test_a_folder_is_asked_for_where_something_is_written() -> None:
    for backend in ("broken", "later"):
        done = run("after", backend=backend)
        assert done.error == f"SUBJECT_BACKEND={backend} needs a SUBJECT_FOLDER to install into"
    assert "is none of" in run("after", backend="perhaps").error


TRAPS = {
    "from sim.subjects.backends.lazy import Agent": (AVAILABLE, ""),
    "hasattr(lazy, 'Agent')": (AVAILABLE, ""),
    "from sim.subjects.backends.lazy import *": (AVAILABLE, ""),
    "lazy.is_installed()": ("", ""),
    "lazy.Unknown": ("", "AttributeError: module 'sim.subjects.backends.lazy' has no attribute"),
    "del lazy.is_installed; hasattr(lazy, 'is_installed')": ("", "KeyError: 'is_installed'"),
    "del lazy.is_installed; getattr(lazy, 'is_installed', 1)": ("", "KeyError: 'is_installed'"),
}


@pytest.mark.parametrize("use", TRAPS)
def test_the_traps_of_a_lazy_module_are_as_its_page_says(use: str) -> None:
    code = f"""
import logging, sys
from sim.subjects import lazy_backend
from sim.subjects.backends import lazy
sys.path.insert(0, str(lazy_backend.INSTALLED))
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
{use}
"""
    said, error = TRAPS[use]
    done = program(code)
    assert (AVAILABLE in done.out) == bool(said)
    assert (done.error.startswith(error)) if error else done.status == 0


def test_a_library_that_breaks_is_tried_again_by_each_use(tmp_path: Path) -> None:
    """Only an ImportError is kept as None: repaired, the backend is there."""
    run("after", folder=tmp_path).result  # noqa: B018
    library = tmp_path / "xfer" / "libxfer.so"
    library.write_text("x" * 100)
    code = """
import os
from sim.subjects.backends import lazy
for _ in range(2):
    try:
        lazy.Agent
    except OSError as error:
        print(str(error).rpartition(": ")[2])
os.unlink(os.environ["SUBJECT_LIBRARY"])
print(lazy.Agent.__name__)
"""
    done = program(code, tmp_path, SUBJECT_LIBRARY=str(library))
    assert done.out == "invalid ELF header\n" * 2 + "Agent\n", done.err
