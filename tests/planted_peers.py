"""Peers of the benchmark that do what a peer must not do, each in its own way."""

from __future__ import annotations

import multiprocessing
import os
import select
import signal

from sim.bench.peer import Peer, ReadEnd, WriteEnd


class _Pipe(Peer):
    def made(self, channel):
        return multiprocessing.Pipe(duplex=False)

    def writer(self, channel, made):
        return WriteEnd(made[1].send_bytes)

    def reader(self, channel, made, address, rank):
        return ReadEnd(made[0].recv_bytes)


class Crashes(_Pipe):
    """In the middle of messages."""

    alias = "crashes"

    def reader(self, channel, made, address, rank):
        def receive():
            made[0].recv_bytes()
            os.kill(os.getpid(), signal.SIGSEGV)

        return ReadEnd(receive)


class Hangs(_Pipe):
    alias = "hangs"

    def reader(self, channel, made, address, rank):
        return ReadEnd(lambda: select.select([], [], [], 3600))


class Raises(_Pipe):
    alias = "raises"

    def writer(self, channel, made):
        raise OSError("no such cable")


class Forgets(_Pipe):
    """Every fifth message, and nobody says so."""

    alias = "forgets"

    def writer(self, channel, made):
        sent = [0]

        def send(message):
            sent[0] += 1
            if sent[0] % 5 or sent[0] > 60:  # the last message arrives
                made[1].send_bytes(message)

        return WriteEnd(send)


class Garbles(_Pipe):
    alias = "garbles"

    def reader(self, channel, made, address, rank):
        received = [0]

        def receive():
            received[0] += 1
            message = made[0].recv_bytes()
            return message if received[0] != 7 else message[:20] + b"x" + message[21:]

        return ReadEnd(receive)


class Dies(_Pipe):
    """Before it is a peer."""

    alias = "dies"

    def __init__(self):
        os.abort()
