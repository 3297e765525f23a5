"""One program of a run: how it is to be started, what it and its processes have said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional

from sim.virtual.lifecycle.channels import Shared
from sim.virtual.lifecycle.loading import Extension
from sim.virtual.lifecycle.machine import Process
from sim.virtual.lifecycle.modules import STANDARD, Source, empty

OUTPUT_BYTES_MAX = 16 << 10  # of each stream its last are kept
Says = Callable[["Program", Process, str, Dict[str, Any]], None]

INSTALLED = "/site"


def placed(name: str) -> str:
    return f"{INSTALLED}/{name.replace('.', '/')}.py"


@dataclass(eq=False)
class Program(Shared):
    """All its processes write to the same two streams."""

    name: str
    notify: Says
    environ: Dict[str, str]
    hooks: List[Mapping[str, Any]] = field(default_factory=list)
    limits: Dict[str, int] = field(default_factory=dict)
    installed: Dict[str, Source] = field(default_factory=dict)  # by name: found before the path
    extensions: Dict[str, Extension] = field(default_factory=dict)  # by name
    holds: List[str] = field(default_factory=list)  # probes where it waits for a word
    top: Optional[Process] = None
    stdout: str = ""
    stderr: str = ""

    def __post_init__(self) -> None:
        for name in STANDARD:
            self.install(name, Source(placed(name), empty))

    def install(self, name: str, source: Source) -> None:
        self.installed[name] = source
        parent = name.rpartition(".")[0]
        if parent and parent not in self.installed:
            self.install(parent, Source(placed(parent), empty, is_package=True))

    def says(self, process: Process, kind: str, said: Dict[str, Any]) -> None:
        self.notify(self, process, kind, said)
