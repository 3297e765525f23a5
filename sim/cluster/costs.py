"""What operations cost in the model of a cluster, as benchmarks/cluster_costs.py measured them.

Provenance: PROVENANCE below. To measure them on another machine, run the script there; it prints
this module's figures.
"""

from __future__ import annotations

from sim.scenario.cluster_plan import Spread

PROVENANCE = "not measured yet"

# A parked reader: from the write of its message to its own next instruction.
WAKE = Spread("quantiles", (5_000, 20_000, 28_000, 40_000, 100_000))
# A write into the ring, a read out of it: per call, and per byte that is copied.
WRITE_NS = 300
READ_NS = 300
NS_PER_BYTE = 0.1
# The forwarder of a host: from its wake-up to the write into its ring, beside the copies.
FORWARD_NS = 10_000
# The writer's host: one message to the socket, and for each further host that it goes to.
SEND_NS = 10_000
FAN_OUT_NS = 2_000
# The writer takes one answer: read, decode, count.
REPLY_NS = 5_000
# Of TCP on Linux: the least and the greatest time-out of a retransmission (TCP_RTO_MIN,
# TCP_RTO_MAX of include/net/tcp.h); each doubles the one before (RFC 6298, 5.5).
RTO_MIN_NS = 200_000_000
RTO_MAX_NS = 120_000_000_000


def copy_ns(size_bytes: int) -> int:
    return round(size_bytes * NS_PER_BYTE)
