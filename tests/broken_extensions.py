"""Extensions to be broken in tests: compiled once for each interpreter, copied for each damage."""

from __future__ import annotations

import fcntl
import functools
import sys
from pathlib import Path
from typing import List

import pytest

from sim.live import damage
from sim.live.damage import KINDS
from sim.live.interpreters import MINORS, Interpreter, find
from sim.subjects import native

OWN = "{}.{}".format(*sys.version_info)
VERSIONS = tuple(f"3.{minor}" for minor in MINORS)
AT_A_CALL = "truncated_live"  # what an import does not show
HOWS: List[damage.How] = [kind for kind in KINDS if kind != AT_A_CALL]
HOWS += [{"truncated_to": size} for size in (0, 63, 64, 4096)]
HOWS += [{"undefined_symbol": "PyErr_NeverHeardOf"}, {"missing_library": "libanother-1.so.2"}]


_find = functools.cache(find)


def started(version: str) -> Interpreter:
    found = _find(version)
    if not isinstance(found, Interpreter):
        pytest.skip(f"this host has no Python {version}")
    return found


def may_be_mended(interpreter: Interpreter) -> bool:
    """gh-134989 was fixed in 3.13 in June 2025; 3.12 only gets what is about security."""
    return tuple(map(int, interpreter.version.split(".")[:3])) >= (3, 13, 4)


def compiled(version: str, factory: pytest.TempPathFactory, *, limited_api: bool = False) -> Path:
    """`constants`, built with the headers of that interpreter, once for all processes of a run."""
    headers = Path(started(version).include)
    reason = native.lack(headers)
    if reason is not None:
        pytest.skip(f"no extension for python{version} can be compiled: {reason}")
    shared = factory.getbasetemp()
    if "popen-" in shared.name:  # a worker's own folder, inside that of all of them
        shared = shared.parent
    folder = shared / f"constants-{version}{'-abi3' if limited_api else ''}"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = list(folder.glob("*.so"))
        api = native.LIMITED_API if limited_api else None
        return made[0] if made else native.built(headers, folder, limited_api=api)


def skip_what_this_host_cannot(kind: str) -> None:
    lack = damage.lack(kind)
    if lack is not None:
        pytest.skip(f"this host cannot make it {kind}: {lack}")
