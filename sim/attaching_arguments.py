"""The arguments of `spinbed attach`."""

from __future__ import annotations

import argparse

from sim.argument_types import count
from sim.live.foreign_flags import SLOTS_ASKED_MAX

SLOT_BYTES_MAX = 1 << 30
READERS_MAX = 64


def attach_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pids", nargs="+", metavar="PID", help="a process that stands still")
    parser.add_argument(
        "--stall",
        default="2s",
        metavar="TIME",
        help="between both looks: what moves meanwhile is no hang (default 2s)",
    )
    parser.add_argument(
        "--slots",
        type=count(SLOTS_ASKED_MAX),
        default=None,
        metavar="N",
        help="of a ring of flags that has no header, where its size does not tell",
    )
    parser.add_argument(
        "--slot-bytes", type=_bytes, default=None, metavar="N", help="likewise: of each chunk"
    )
    parser.add_argument(
        "--readers", type=count(READERS_MAX), default=None, metavar="N", help="likewise"
    )
    parser.add_argument("--json", action="store_true", help="all that was seen, for programs")


def _bytes(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= 10
    if not is_number or not 1 <= int(text) <= SLOT_BYTES_MAX:
        why = f"{text!r} is not a whole number from 1 to {SLOT_BYTES_MAX}"
        raise argparse.ArgumentTypeError(why)
    return int(text)

