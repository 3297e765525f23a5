"""The arguments of `spinbed bench`."""

from __future__ import annotations

import argparse
from typing import List

from sim.argument_types import count, file, folder, hint
from sim.bench.peer import SIZES
from sim.bench.peers import PEERS
from sim.bench.plan import WORKLOADS
from sim.plugin import is_named

MESSAGES_MAX = 10_000_000
ROUNDS_MAX = 1000
PATIENCE_MAX_S = 3600
PATIENCE_S = 15


def bench_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="less of everything: under 2 minutes")
    parser.add_argument(
        "--peers",
        type=_peers,
        default=list(PEERS),
        metavar="A,B",
        help="only these, beside which 'package.module:Class' names one of yours (default: all)",
    )
    parser.add_argument(
        "--workloads",
        type=_workloads,
        default=list(WORKLOADS),
        metavar="A,B",
        help="; ".join(f"{name}: {what}" for name, what in WORKLOADS.items()) + " (default: all)",
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=list(SIZES),
        metavar="A,B",
        help=f"only these of {', '.join(map(str, SIZES))} bytes",
    )
    parser.add_argument(
        "--rounds", type=count(ROUNDS_MAX), default=None, metavar="N", help="of everything"
    )
    parser.add_argument("--list", action="store_true", help="name the peers, and start nothing")
    parser.add_argument("--json", type=file, default=None, metavar="FILE", help="every figure")
    parser.add_argument(
        "--plots", type=folder, default=None, metavar="FOLDER", help="drawn as PNG and SVG"
    )
    parser.add_argument(
        "--page", type=file, default=None, metavar="FILE.md", help="a page, with plots beside it"
    )
    parser.add_argument(
        "--messages",
        type=count(MESSAGES_MAX),
        default=None,
        metavar="N",
        help="so many a repetition, not as many as its time takes",
    )
    parser.add_argument(
        "--patience",
        type=count(PATIENCE_MAX_S),
        default=PATIENCE_S,
        metavar="SECONDS",
        help=f"how long beyond its time a peer is waited for (default {PATIENCE_S})",
    )


def _peers(text: str) -> List[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in PEERS and not is_named(name):
            raise argparse.ArgumentTypeError(f"no peer {name!r}{hint(name, PEERS)}")
    return names


def _workloads(text: str) -> List[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in WORKLOADS:
            raise argparse.ArgumentTypeError(f"no workload {name!r}{hint(name, WORKLOADS)}")
    return [name for name in WORKLOADS if name in names]


def _sizes(text: str) -> List[int]:
    for word in text.split(","):
        if word not in map(str, SIZES):
            known = ", ".join(map(str, SIZES))
            raise argparse.ArgumentTypeError(f"no size {word!r} (there is {known})")
    return sorted({int(word) for word in text.split(",")})
