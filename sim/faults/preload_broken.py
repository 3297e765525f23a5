"""The fork server of a program imports a broken module in advance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Mapping, Sequence

from sim.abc import Capability, Evidence, World
from sim.faults.hooked import hooked
from sim.history.history import Allowance

MODULE = "spinbed_broken_preload"
TELL = f"""from spinbed_inside.hook_events import tell
tell("preload", {MODULE!r}, "began")
"""
AWAIT = """from spinbed_inside.start_hooks import await_request
await_request()
"""
# Only an ImportError is ignored by a fork server; what ends it leaves its client with EOFError, or
# ConnectionResetError where the request was on its way already.
BREAKS: Mapping[str, str] = {
    "import_error": "import spinbed_broken_preload_needs_this\n",
    "error": AWAIT + 'raise RuntimeError("planted by preload_broken")\n',
    "exits": AWAIT + "import os\nos._exit(3)\n",
}


@dataclass(frozen=True)
class PreloadBroken:
    alias: ClassVar[str] = "preload_broken"
    doc: ClassVar[str] = "the fork server of a program imports a broken module in advance"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.LAUNCH})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"program"})
    is_proven_at_end: ClassVar[bool] = True

    target: str
    how: Literal["import_error", "error", "exits"] = field(
        default="error", metadata={"doc": "what the module does"}
    )

    def prepare(self, world: World) -> None:
        world.launch.add_module(self.target, MODULE, TELL + BREAKS[self.how])
        world.launch.hook(self.target, {"kind": "preload", "module": MODULE})

    def inject(self, world: World) -> Evidence:
        return hooked(world, self.target, "preload", MODULE, what="preloads {}")

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
