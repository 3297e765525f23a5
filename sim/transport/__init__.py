"""The table of transports and wait strategies, and plug-ins named as "pkg.module:Thing"."""

from __future__ import annotations

from typing import Mapping

from sim import plugin
from sim.abc import Transport
from sim.transport.cursor_ring import CursorRing
from sim.transport.flag_ring import FlagRing

STRATEGIES = (
    *("busy_spin", "pause", "yielding", "park", "backoff", "adaptive"),
    *("tpause", "mwaitx", "umwait", "wfe", "wfet", "best"),
)

TRANSPORTS: Mapping[str, Transport] = {
    CursorRing.alias: CursorRing(),
    FlagRing.alias: FlagRing(),
}


def find_transport(kind: str) -> Transport:
    """The transport of that alias, or the plug-in "pkg.module:Thing", imported now.

    Raises KeyError for an unknown alias, PluginError for what is no transport.
    """
    if ":" not in kind:
        return TRANSPORTS[kind]
    transport: Transport = plugin.make(kind, "transport", Transport)
    return transport
