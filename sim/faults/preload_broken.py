"""The fork server of a program imports a broken module in advance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Mapping

from sim.abc import Evidence, World
from sim.faults.hooked import HookedFault, hooked

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
class PreloadBroken(HookedFault):
    alias: ClassVar[str] = "preload_broken"
    doc: ClassVar[str] = "the fork server of a program imports a broken module in advance"

    how: Literal["import_error", "error", "exits"] = field(
        default="error", metadata={"doc": "what the module does"}
    )

    def prepare(self, world: World) -> None:
        world.launch.add_module(self.target, MODULE, TELL + BREAKS[self.how])
        world.launch.hook(self.target, {"kind": "preload", "module": MODULE})

    def inject(self, world: World) -> Evidence:
        return hooked(world, self.target, "preload", MODULE, what="preloads {}")
