"""Which kernels a process runs, compiled or pure, and why: asked for by name, or what there is.

Whoever opens an end takes its ring and recorder from here. The name that the caller gives wins,
then the variable SPINBED_KERNELS of the process, then what is installed: compiled if that loads,
else pure, said once as a warning of logger "cy_kernels". Pure kernels load nothing compiled.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Dict, Optional

import cy_kernels

COMPILED = "compiled"
PURE = "pure"
KINDS = (COMPILED, PURE)
VARIABLE = "SPINBED_KERNELS"

PACKAGES = {COMPILED: "cy_kernels", PURE: "cy_kernels.pure"}


class BadChoice(ValueError):
    """The variable names no kernels."""


@dataclass(frozen=True)
class Kernels:
    """The modules of one kind: each has the same names in both."""

    kind: str
    ring: ModuleType
    recorder: ModuleType
    cpu: ModuleType


_loaded: Dict[str, Kernels] = {}


def chosen(kind: Optional[str] = None) -> str:
    """The kind that `kernels(kind)` would load. Raises BadChoice."""
    if kind is None:
        kind = os.environ.get(VARIABLE) or None
        if kind is not None and kind not in KINDS:
            raise BadChoice(f"{VARIABLE}={kind!r} is not one of {', '.join(KINDS)}")
    if kind is None:
        kind = cy_kernels.status().kind
    if kind not in KINDS:
        raise BadChoice(f"kernels {kind!r} are not one of {', '.join(KINDS)}")
    return kind


def preload() -> None:
    """Load what `kernels()` may come to, and say nothing: for a process that only starts others,
    each of which is told its kind by name."""
    if os.environ.get(VARIABLE) != PURE:
        try:
            for name in cy_kernels.KERNELS:
                importlib.import_module(f"cy_kernels.{name}")
            return
        except Exception:  # the reason is for status() to give, where somebody listens
            pass
    kernels(PURE)


def use_marked() -> None:
    """The compiled rings that this process opens from now on wait by instructions that trap on
    every host (SPINBED_UD2_MARKERS), for a cy_kernels.trap to emulate."""
    marked = importlib.import_module("cy_kernels.mutants")
    _loaded[COMPILED] = replace(kernels(COMPILED), ring=marked)


def kernels(kind: Optional[str] = None) -> Kernels:
    """The kernels of that kind. Raises BadChoice, and ImportError where compiled ones are asked
    for by name and cannot be loaded."""
    kind = chosen(kind)
    if kind not in _loaded:
        package = PACKAGES[kind]
        ring = importlib.import_module(f"{package}.ring")
        recorder = importlib.import_module(f"{package}.recorder")
        cpu = importlib.import_module(f"{package}.cpu")
        _loaded.setdefault(kind, Kernels(kind, ring, recorder, cpu))
    return _loaded[kind]
