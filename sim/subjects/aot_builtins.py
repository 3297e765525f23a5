"""A function compiled ahead of time that misses the builtins when it is loaded, and its patches.

    before    the framework as it is: no artefact loads that needs a builtin
    merged    a patch of it, unless its version is 2.12.0 or later
    released  the same patch from 2.10.0 on, and before 2.12.0.dev
    after     a patch where one is needed, whatever the version: once, with the user's own names

    SUBJECT_VERSION     of the framework, one of aot/framework.py; 2.11
    SUBJECT_PATCHES     how many times the patch is to be made, 0 or more; 1
    SUBJECT_SHADOW      1: the user has a function with the name of a builtin
    SUBJECT_UNPICKLABLE how many values that do not pickle are added to builtins; 1
    SUBJECT_FOLDER      where the artefact is kept: artefact.pickle. $VARIABLES are expanded.
                        Unset: in memory
    SUBJECT_STAGE       both (default), save or load: of the latter two each in a process of its own

Probes: patched, saved, result.
"""

from __future__ import annotations

import builtins
import functools
import json
import logging
import os
import pickle
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Callable, Dict, List, Tuple

import spinbed
from sim.subjects.aot import framework as frameworks
from sim.subjects.aot import model, shadowing, versions

VERSION = os.environ.get("SUBJECT_VERSION", "2.11")
PATCHES = int(os.environ.get("SUBJECT_PATCHES", "1"))
SHADOW = os.environ.get("SUBJECT_SHADOW") == "1"
UNPICKLABLE = int(os.environ.get("SUBJECT_UNPICKLABLE", "1"))
FOLDER = os.path.expandvars(os.environ.get("SUBJECT_FOLDER", "")) or None
STAGE = os.environ.get("SUBJECT_STAGE", "both")

ALIAS_PREFIX = "__builtins_dict__"
VALUES = [1.5, 2.0, 16.6]

logger = logging.getLogger("sim.subjects.aot_builtins")

Patch = Callable[[ModuleType], None]


def before() -> None:
    _run("before", lambda framework: None)


def merged() -> None:
    def patch(framework: ModuleType) -> None:
        if not _is_at_least(framework, "2.12.0"):
            patch_by_name(framework)

    _run("merged", patch)


def released() -> None:
    def patch(framework: ModuleType) -> None:
        if _is_at_least(framework, "2.10.0") and not _is_at_least(framework, "2.12.0.dev"):
            patch_by_name(framework)

    _run("released", patch)


def after() -> None:
    def patch(framework: ModuleType) -> None:
        if lacks_builtins(framework):
            patch_by_scope(framework)

    _run("after", patch)


def patch_by_name(framework: Any) -> None:
    """Whatever has the name of a builtin is one, and what does not pickle goes without a word."""
    original = framework.Capture.get_runtime_env

    @functools.wraps(original)
    def with_builtins(self: Any) -> frameworks.RuntimeEnvironment:
        found: frameworks.RuntimeEnvironment = original(self)
        for ref in _missing(found):
            if ref.startswith(ALIAS_PREFIX) and ref in self.f_globals:
                found.used_globals[ref], _ = parted(self.f_globals[ref])
            elif hasattr(builtins, ref):
                found.used_globals[ref] = getattr(builtins, ref)
        return found

    framework.Capture.get_runtime_env = with_builtins


def patch_by_scope(framework: Any) -> None:
    """A name is looked up as the interpreter does: globals first. What is left out is told."""
    original = framework.Capture.get_runtime_env

    @functools.wraps(original)
    def with_builtins(self: Any) -> frameworks.RuntimeEnvironment:
        found: frameworks.RuntimeEnvironment = original(self)
        scope = {**vars(builtins), **self.f_globals}
        for ref in _missing(found):
            value = scope[ref]
            if ref.startswith(ALIAS_PREFIX):
                value, left_out = parted(value)
                if left_out:
                    text = "%d of %d builtins do not pickle, and are not in the artefact: %s"
                    logger.warning(text, len(left_out), len(scope[ref]), ", ".join(left_out))
            found.used_globals[ref] = value
        return found

    framework.Capture.get_runtime_env = with_builtins


def lacks_builtins(framework: Any) -> bool:
    """Not what a version promises, but what this framework does with a builtin: patched or not."""
    if not hasattr(framework, "Capture"):
        return False
    needs_one = frameworks.function_of("def canary():\n    return type", {})
    return bool(_missing(framework.Capture(needs_one.__code__, {}).get_runtime_env()))


def parted(values: Dict[str, Any]) -> Tuple[Dict[str, Any], List[str]]:
    """Those that pickle, and the names of those that do not."""
    kept = {}
    for name, value in values.items():
        try:
            pickle.dumps(value)
        except Exception:  # a __reduce__ may raise anything
            continue
        kept[name] = value
    return kept, [name for name in values if name not in kept]


def _missing(found: frameworks.RuntimeEnvironment) -> List[str]:
    return [ref for ref in found.external_refs if ref not in found.used_globals]


def _is_at_least(framework: Any, version: str) -> bool:
    """2.12.0.dev1 and 2.12.0rc1 come before 2.12.0, and 2.12.0+cu after it."""
    return versions.key(framework.__version__) >= versions.key(version)


def _run(variant: str, patch: Patch) -> None:
    for number in range(UNPICKLABLE):
        setattr(builtins, f"unpicklable_{number}", lambda: None)
    framework: Any = frameworks.of_version(VERSION)
    for _ in range(PATCHES):
        patch(framework)
    told: Dict[str, Any] = {"variant": variant, "version": VERSION, "layers": _layers(framework)}
    spinbed.probe("patched", **told)
    module = shadowing if SHADOW else model
    live = frameworks.function_of(module.STEP, dict(vars(module)))
    told["live"] = live(VALUES)
    if hasattr(framework, "Capture"):
        told.update(_ahead(framework, live))
    spinbed.probe("result", **told)
    print(json.dumps(told))


def _ahead(framework: Any, live: FunctionType) -> Dict[str, Any]:
    """What a stage does with the artefact, and what comes of it."""
    file = None if FOLDER is None else Path(FOLDER, "artefact.pickle")
    if STAGE != "load":
        artefact = frameworks.save(framework.Capture(live.__code__, live.__globals__))
        if file is not None:
            file.write_bytes(artefact)
        spinbed.probe("saved", size_bytes=len(artefact))
    elif file is not None:
        artefact = file.read_bytes()
    else:
        sys.exit("SUBJECT_STAGE=load needs the SUBJECT_FOLDER of what was saved")
    told: Dict[str, Any] = {"dropped": _dropped(artefact)}
    if STAGE != "save":
        told["loaded"] = frameworks.load(artefact)(VALUES)
    return told


def _layers(framework: Any) -> int:
    """How many patches lie over one another."""
    found: Any = getattr(getattr(framework, "Capture", None), "get_runtime_env", None)
    count = 0
    while hasattr(found, "__wrapped__"):
        found, count = found.__wrapped__, count + 1
    return count


def _dropped(artefact: bytes) -> int:
    """How many builtins of this process its dictionary in an artefact lacks."""
    values = pickle.loads(artefact)[2].get(frameworks.ALIAS)
    return len(set(vars(builtins)) - set(values)) if isinstance(values, dict) else 0
