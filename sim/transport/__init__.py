"""The table of transports and wait strategies, and plug-ins named as "pkg.module:Thing"."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

from sim import plugin
from sim.abc import Transport
from sim.transport.cursor_ring import CursorRing
from sim.transport.flag_ring import FlagRing
from sim.transport.peer import PeerTransport

STRATEGIES = (
    *("busy_spin", "pause", "yielding", "park", "backoff", "adaptive"),
    *("tpause", "mwaitx", "umwait", "wfe", "wfet", "best"),
)

_CARRIERS = "sim.transport.peers"
PEERS: Sequence[Any] = (
    PeerTransport("mp_pipe", "multiprocessing.Pipe, one a reader", f"{_CARRIERS}.pipes:Pipes"),
    PeerTransport("mp_queue", "multiprocessing.Queue, one a reader", f"{_CARRIERS}.queues:Queues"),
    PeerTransport(
        "mp_simple_queue",
        "multiprocessing.SimpleQueue, one a reader",
        f"{_CARRIERS}.queues:SimpleQueues",
    ),
    PeerTransport(
        *("zmq_push_pull", "ZeroMQ PUSH and PULL over ipc, a pair a reader"),
        *(f"{_CARRIERS}.zmq_sockets:PushPull", "zmq", "pyzmq"),
    ),
    PeerTransport(
        *("zmq_pub_sub", "ZeroMQ PUB and SUB over ipc"),
        *(f"{_CARRIERS}.zmq_sockets:PubSub", "zmq", "pyzmq"),
        drops=True,
    ),
    PeerTransport(
        *("iceoryx2", "iceoryx2, polled, whose publisher waits for slow readers"),
        *(f"{_CARRIERS}.iceoryx2_service:Service", "iceoryx2", "iceoryx2"),
    ),
)
TRANSPORTS: Mapping[str, Transport] = {
    CursorRing.alias: CursorRing(),
    FlagRing.alias: FlagRing(),
    **{peer.alias: peer for peer in PEERS},
}


def find_transport(kind: str) -> Transport:
    """The transport of that alias, or the plug-in "pkg.module:Thing", imported now.

    Raises KeyError for an unknown alias, PluginError for what is no transport.
    """
    if ":" not in kind:
        return TRANSPORTS[kind]
    transport: Transport = plugin.make(kind, "transport", Transport)
    return transport


def lack_of_transport(kind: str) -> Optional[str]:
    """Why it cannot run here; None where it can."""
    lacks = {peer.alias: peer.lack for peer in PEERS}
    lack: Optional[str] = lacks[kind]() if kind in lacks else None
    return lack
