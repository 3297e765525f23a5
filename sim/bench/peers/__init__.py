"""The table of peers: by alias where each lives, what pip calls it, and what it is.

Nothing of it is imported here: a peer may be missing, or die while it is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Tuple


@dataclass(frozen=True)
class Entry:
    alias: str
    home: str  # "module:class or factory"
    what: str
    distribution: str = ""  # what pip installs; "" where nothing is needed
    is_ours: bool = False


HERE = "sim.bench.peers"
ENTRIES: Tuple[Entry, ...] = (
    Entry("spinbed", f"{HERE}.spinbed_ring:Ring", "this ring, as it is by default", is_ours=True),
    Entry("pipe", f"{HERE}.pipe:Pipe", "multiprocessing.Pipe, one for each reader"),
    Entry("simple-queue", f"{HERE}.queues:Simple", "multiprocessing.SimpleQueue"),
    Entry("queue", f"{HERE}.queues:Full", "multiprocessing.Queue, one for each reader"),
    Entry("zmq-push", f"{HERE}.zmq_sockets:Push", "ZeroMQ PUSH and PULL over ipc", "pyzmq"),
    Entry("zmq-pub", f"{HERE}.zmq_sockets:Pub", "ZeroMQ PUB and SUB over ipc", "pyzmq"),
    Entry("iceoryx2", f"{HERE}.iceoryx2_services:Polling", "iceoryx2, polled", "iceoryx2"),
    Entry(
        "iceoryx2-event", f"{HERE}.iceoryx2_services:Event", "iceoryx2 with its events", "iceoryx2"
    ),
    Entry(
        "cloudtoid",
        f"{HERE}.cloudtoid:Cloudtoid",
        "cloudtoid-interprocess",
        "cloudtoid-interprocess",
    ),
    Entry("kickmsg", f"{HERE}.kickmsg_region:Kickmsg", "kickmsg, publish and subscribe", "kickmsg"),
    Entry("faster-fifo", f"{HERE}.fifo:Fifo", "faster-fifo", "faster-fifo"),
    Entry("subetha", f"{HERE}.subetha_ring:Spsc", "subetha-ipc's SpscRing", "subetha-ipc"),
    Entry("vllm", f"{HERE}.vllm_queue:Plain", "vLLM's MessageQueue", "vllm"),
    Entry("vllm-spinloop", f"{HERE}.vllm_queue:Spinloop", "the same with its extension", "vllm"),
    Entry(
        "spinbed-again",
        f"{HERE}.spinbed_ring:Ring",
        "this ring a second time: what differs is noise",
        is_ours=True,
    ),
    Entry(
        "spinbed-recorded",
        f"{HERE}.recorded_ring:Recorded",
        "with flight recorder and step gate",
        is_ours=True,
    ),
    Entry("spinbed-spin", f"{HERE}.spinbed_ring:Spin", "wait='busy_spin'", is_ours=True),
    Entry("spinbed-pause", f"{HERE}.spinbed_ring:Pause", "wait='pause'", is_ours=True),
    Entry("spinbed-yield", f"{HERE}.spinbed_ring:Yield", "wait='yielding'", is_ours=True),
    Entry("spinbed-backoff", f"{HERE}.spinbed_ring:Backoff", "wait='backoff'", is_ours=True),
    Entry("spinbed-adaptive", f"{HERE}.spinbed_ring:Adaptive", "wait='adaptive'", is_ours=True),
    Entry("spinbed-best", f"{HERE}.spinbed_ring:Best", "wait='best'", is_ours=True),
)
PEERS: Mapping[str, Entry] = {entry.alias: entry for entry in ENTRIES}
