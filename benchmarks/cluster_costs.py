"""What operations cost that the model of a cluster counts: the figures of sim/cluster/costs.py.

    wake      a parked reader: from before the write to after the read, less both; 2 ms between
    write     and read, of 64 B and of 64 KiB: a call, and a byte
    reply     the writer takes one answer: the read of a pickled tuple, and its loads
    send      the call that sends a message by a PUB socket; fan-out: processor time of its process
              that each further subscriber adds
    forward   from a SUB socket into a ring: recv and write, a message after the other
    link      from before the send to after the recv, over TCP on the loopback device; 2 ms between

The last three need pyzmq, and are left out without. Each time is of one process that does it again
and again, the median over rounds; wake and link are distributions, at the probabilities 0, 5 %, ...
95 %, 99 %. `--module` prints the lines of sim/cluster/costs.py.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pickle
import statistics
import time
import uuid
from multiprocessing.connection import Connection
from typing import Any, Callable, Dict, List, Sequence, Tuple

import spinbed

try:
    import zmq
except ImportError:
    zmq = None

PAUSE_S = 0.002
WAKES = 1000
CALLS = 20_000
PUBLISHED = 500
ROUNDS = 5
SMALL, LARGE = 64, 65536
SUBSCRIBERS = 32
WAIT_S = 30.0  # only against a hang
REPLY = pickle.dumps((0, b"x" * 1000))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments.add_argument("--module", action="store_true", help="as sim/cluster/costs.py has them")
    options = arguments.parse_args()
    found: Dict[str, Any] = {**of_rings(), **({} if zmq is None else of_sockets())}
    if options.json:
        print(json.dumps(found))
    elif options.module:
        print_module(found)
    else:
        for name, value in found.items():
            print(f"{name:<24} {value}")
        if zmq is None:
            print("pyzmq is not installed: nothing of sockets was measured")


def print_module(found: Dict[str, Any]) -> None:
    print(f"WAKE = Spread('quantiles', {tuple(found['wake_ns'])})")
    per_byte = (found["write_large_ns"] - found["write_small_ns"]) / (LARGE - SMALL)
    print(f"WRITE_NS = {found['write_small_ns']}\nREAD_NS = {found['read_small_ns']}")
    print(f"NS_PER_BYTE = {per_byte:.3g}\nREPLY_NS = {found['reply_ns']}")
    for name in ("forward_ns", "send_ns", "fan_out_ns"):
        print(f"{name.upper()} = {found.get(name, 'not measured')}")
    print(f"LOOPBACK = Spread('quantiles', {tuple(found.get('link_ns', ()))})")


def of_rings() -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for size, name in ((SMALL, "small"), (LARGE, "large")):
        write_ns, read_ns = calls_ns(b"x" * size, lambda data: data)
        found[f"write_{name}_ns"], found[f"read_{name}_ns"] = write_ns, read_ns
    found["reply_ns"] = calls_ns(REPLY, pickle.loads)[1]
    own_ns = found["write_small_ns"] + found["read_small_ns"]
    found["wake_ns"] = [max(0, each - own_ns) for each in quantiles(wakes_ns())]
    return found


def quantiles(times_ns: Sequence[int]) -> List[int]:
    """At evenly spaced probabilities; the last is the 99th percentile, for the greatest of all is
    of what else the machine did."""
    ordered = sorted(times_ns)
    places = [index / 20 for index in range(20)] + [0.99]
    return [ordered[min(len(ordered) - 1, int(place * len(ordered)))] for place in places]


def calls_ns(payload: bytes, take: Callable[[bytes], Any]) -> Sequence[int]:
    """A write, and a read with what is then done, in one process."""
    name = f"costs-{uuid.uuid4().hex[:8]}"
    writes: List[float] = []
    reads: List[float] = []
    with spinbed.Writer.create(name, slots=64, slot_bytes=LARGE) as writer:
        with spinbed.Reader.attach(name) as reader:
            for _ in range(ROUNDS):
                write_ns = read_ns = 0
                for _ in range(CALLS // 64 // ROUNDS):
                    began_ns = time.perf_counter_ns()
                    for _ in range(64):
                        writer.write(payload)
                    between_ns = time.perf_counter_ns()
                    for _ in range(64):
                        take(reader.read())
                    read_ns += time.perf_counter_ns() - between_ns
                    write_ns += between_ns - began_ns
                count = CALLS // 64 // ROUNDS * 64
                writes.append(write_ns / count)
                reads.append(read_ns / count)
    return round(statistics.median(writes)), round(statistics.median(reads))


def wakes_ns() -> List[int]:
    name = f"costs-{uuid.uuid4().hex[:8]}"
    with spinbed.Writer.create(name, slots=8, slot_bytes=64) as writer:
        return told_by(
            take_wakes, name, lambda: writer.write(time.monotonic_ns().to_bytes(8, "little"))
        )


def told_by(child: Callable[..., None], name: str, send: Callable[[], Any]) -> List[int]:
    """What a process told of the messages that it was sent, one each 2 ms."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=child, args=(name, theirs))
    process.start()
    try:
        expect(ours)
        for _ in range(WAKES):
            time.sleep(PAUSE_S)
            send()
        times: List[int] = expect(ours)
        return times
    finally:
        process.join(WAIT_S)
        process.kill()
        process.join()


def expect(pipe: Connection) -> Any:
    if not pipe.poll(WAIT_S):
        raise TimeoutError("the other process says nothing")
    return pipe.recv()


def take_wakes(name: str, pipe: Connection) -> None:
    with spinbed.Reader.attach(name, timeout_s=WAIT_S) as reader:
        pipe.send("ready")
        times = []
        for _ in range(WAKES):
            sent_ns = int.from_bytes(reader.read(timeout_s=WAIT_S), "little")
            times.append(time.monotonic_ns() - sent_ns)
        pipe.send(times)


def of_sockets() -> Dict[str, Any]:
    context = zmq.Context()
    try:
        publisher = context.socket(zmq.PUB)
        port = publisher.bind_to_random_port("tcp://127.0.0.1")

        def send() -> None:
            publisher.send(time.monotonic_ns().to_bytes(8, "little"))

        link_ns = quantiles(told_by(take_from_socket, str(port), send))
        alone, many = (published_ns(context, count) for count in (1, SUBSCRIBERS))
        return {
            "link_ns": link_ns,
            "send_ns": alone[0],
            "fan_out_ns": max(0, round((many[1] - alone[1]) / (SUBSCRIBERS - 1))),
            "forward_ns": forwarded_ns(context),
        }
    finally:
        context.destroy(linger=0)


def take_from_socket(port: str, pipe: Connection) -> None:
    context = zmq.Context()
    try:
        socket = subscriber(context, int(port))
        time.sleep(0.5)  # a subscription is nothing that can be asked for
        pipe.send("ready")
        times = []
        for _ in range(WAKES):
            if not socket.poll(int(WAIT_S * 1000)):
                raise TimeoutError("nothing comes")
            sent_ns = int.from_bytes(socket.recv(), "little")
            times.append(time.monotonic_ns() - sent_ns)
        pipe.send(times)
    finally:
        context.destroy(linger=0)


def subscriber(context: Any, port: int) -> Any:
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.connect(f"tcp://127.0.0.1:{port}")
    return socket


def published_ns(context: Any, subscribers: int) -> Tuple[int, int]:
    """Of a message to so many subscribers, which are in another process: how long the call of send
    takes, and the processor time of this process, I/O thread included."""
    publisher = context.socket(zmq.PUB)
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    ours, theirs = multiprocessing.Pipe()
    order = (port, subscribers, theirs)
    process = multiprocessing.get_context("spawn").Process(target=take_all, args=order)
    process.start()
    try:
        expect(ours)
        calls = []
        began_ns = time.process_time_ns()
        for _ in range(PUBLISHED):
            called_ns = time.perf_counter_ns()
            publisher.send(b"x" * SMALL)
            calls.append(time.perf_counter_ns() - called_ns)
            time.sleep(PAUSE_S)
        cpu_ns = time.process_time_ns() - began_ns
        expect(ours)
        return round(statistics.median(calls)), cpu_ns // PUBLISHED
    finally:
        publisher.close(linger=0)
        process.join(WAIT_S)
        process.kill()
        process.join()


def take_all(port: int, subscribers: int, pipe: Connection) -> None:
    context = zmq.Context()
    try:
        sockets = [subscriber(context, port) for _ in range(subscribers)]
        time.sleep(0.5)
        pipe.send("ready")
        for _ in range(PUBLISHED):
            for socket in sockets:
                if not socket.poll(int(WAIT_S * 1000)):
                    raise TimeoutError("nothing comes")
                socket.recv()
        pipe.send("done")
    finally:
        context.destroy(linger=0)


def forwarded_ns(context: Any, size: int = SMALL) -> int:
    """Messages that are there already, out of the socket and into a ring."""
    publisher = context.socket(zmq.PUB)
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    socket = subscriber(context, port)
    time.sleep(0.5)
    name = f"costs-{uuid.uuid4().hex[:8]}"
    times = []
    with spinbed.Writer.create(name, slots=1024, slot_bytes=LARGE) as writer:
        with spinbed.Reader.attach(name) as reader:
            for _ in range(ROUNDS):
                for _ in range(500):
                    publisher.send(b"x" * size)
                time.sleep(0.5)
                began_ns = time.perf_counter_ns()
                for _ in range(500):
                    writer.write(socket.recv())
                times.append((time.perf_counter_ns() - began_ns) / 500)
                reader.read_many(500)
    for each in (publisher, socket):
        each.close(linger=0)
    return round(statistics.median(times))


if __name__ == "__main__":
    main()
