"""Processes that talk over several rings, and may wait for each other in a circle.

Each of them writes to one ring, SUBJECT_WRITES, and reads from another one, SUBJECT_READS.

    sends      writes more than its ring holds before it reads: a circle of those fills all rings
    answers    reads before it writes: in a circle of those nobody begins
    begins     writes a first message, then reads, and so on: a circle with one of those gets on
    replies    as answers, until the other ends its ring
    rests      writes and reads one message, then sleeps while its peers wait

Probes: "there", when both rings are; "works", when messages came. Who is in a circle has no
end, and whoever runs it kills it. The rings' names begin as the run's, which removes them.
"""

from __future__ import annotations

import os
import time

import spinbed
from sim.subjects.hiding import hide_if_asked
from spinbed import Reader, Writer

hide_if_asked()
SLOTS, SLOT_BYTES, ROUNDS = 4, 64, 20
ROUND_S = 0.1
REST_S = 3600


def sends() -> None:
    with _writer() as writer, _reader():
        spinbed.probe("there")
        while True:
            writer.write(b"more")


def answers() -> None:
    with _writer() as writer, _reader() as reader:
        spinbed.probe("there")
        while True:
            writer.write(reader.read())


def begins() -> None:
    with _writer() as writer, _reader() as reader:
        for number in range(ROUNDS):
            writer.write(b"%d" % number)
            time.sleep(ROUND_S)
            reader.read()
        spinbed.probe("works")
        writer.end()


def replies() -> None:
    with _writer() as writer, _reader() as reader:
        for message in reader:
            writer.write(message)
        writer.end()


def rests() -> None:
    with _writer() as writer, _reader() as reader:
        writer.write(b"once")
        reader.read()
        spinbed.probe("works")
        time.sleep(REST_S)


def _writer() -> Writer:
    return Writer.create(_name("SUBJECT_WRITES"), slots=SLOTS, slot_bytes=SLOT_BYTES)


def _reader() -> Reader:
    return Reader.attach(_name("SUBJECT_READS"))


def _name(variable: str) -> str:
    return f"{os.environ['SPINBED_RUN']}.{os.environ[variable]}"
