"""What operations cost in the model of a cluster, as benchmarks/cluster_costs.py measured them.

Measured in November 2026 on a 2-core virtual machine (AMD EPYC, Linux 6.18, CPython 3.11, pyzmq
27.3, kernels compiled) at load averages of 5 to 10: medians of three calls, WAKE of one. On another
machine the script prints its own figures; ratios between runs of the model depend on them little,
for the work of readers and the latency of links, which a scenario gives, are longer by far.
"""

from __future__ import annotations

from sim.scenario.cluster_plan import Spread

# A parked reader: from the write of its message to its own next instruction, at the probabilities
# 0, 5 %, ... 95 %, and the 99th percentile for the greatest.
WAKE = Spread(
    "quantiles",
    (
        *(7_351, 20_841, 23_875, 25_938, 27_491, 28_702, 30_075, 31_166, 32_649, 34_060, 35_132),
        *(36_444, 37_756, 39_248, 41_011, 42_994, 45_527, 48_722, 55_893, 66_940, 92_337),
    ),
)
# A write into the ring, a read out of it: per call, and per byte that is copied.
WRITE_NS = 97
READ_NS = 117
NS_PER_BYTE = 0.093
# The forwarder of a host: out of its socket and into its ring, beside the copies.
FORWARD_NS = 852
# The writer: one message to its PUB socket; the I/O thread: each host that it goes to.
SEND_NS = 36_670
FAN_OUT_NS = 8_227
# The writer takes one answer: read, decode, count.
REPLY_NS = 870
# Of TCP on Linux: the least and the greatest time-out of a retransmission (TCP_RTO_MIN,
# TCP_RTO_MAX of include/net/tcp.h); each doubles the one before (RFC 6298, 5.5).
RTO_MIN_NS = 200_000_000
RTO_MAX_NS = 120_000_000_000


def copy_ns(size_bytes: int) -> int:
    return round(size_bytes * NS_PER_BYTE)
