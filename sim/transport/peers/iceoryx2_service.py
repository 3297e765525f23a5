"""iceoryx2: publish and subscribe of slices of bytes, polled.

Without safe overflow, and the publisher retries until a message is delivered; such a send has no
time-out. A subscriber is connected by its first look for a message after the publisher has come:
what finds no room before that is dropped, and what lies there is gone with the publisher. So the
first send waits until all readers have looked, at most MET_WITHIN_NS. Names and folder are of the
run's own, so that nothing of anybody else's is touched.
"""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any, Optional, Sequence

import iceoryx2 as iox

from cy_kernels.pure.clock import monotonic_ns
from sim.abc import Regions, TransportSpec
from sim.transport.peer import Inlet, Outlet

FOLDER = "iox"
MET = "met"  # a byte for each reader
MET_WITHIN_NS = 1_000_000_000
LOOK_EVERY_S = 0.0005


class Service:
    def create(self, spec: TransportSpec, regions: Regions) -> None:
        os.mkdir(regions.place(FOLDER), 0o700)
        regions.create(MET, spec.readers, reserve=True)

    def outlets(self, spec: TransportSpec, regions: Regions) -> Sequence[Outlet]:
        return [_Publisher(spec, regions)]

    def inlet(self, spec: TransportSpec, regions: Regions, rank: int) -> Inlet:
        return _Subscriber(spec, regions, rank)


class _Publisher:
    def __init__(self, spec: TransportSpec, regions: Regions) -> None:
        self._met = regions.attach(MET)
        self._service = _service(spec, regions)
        builder = self._service.publisher_builder().initial_max_slice_len(spec.slot_bytes)
        builder = builder.backpressure_strategy(iox.BackpressureStrategy.RetryUntilDelivered)
        self._publisher = builder.create()
        self._met[:] = bytes(spec.readers)
        self._is_first = True

    def put(self, frame: bytes, deadline_ns: int) -> bool:
        if self._is_first:
            self._is_first = False
            self._meet()
        sample = self._publisher.loan_slice_uninit(len(frame))
        ctypes.memmove(sample.payload_ptr, frame, len(frame))
        sample.assume_init().send()
        return True

    def _meet(self) -> None:
        until_ns = monotonic_ns() + MET_WITHIN_NS
        while not all(self._met) and monotonic_ns() < until_ns:
            time.sleep(LOOK_EVERY_S)

    def close(self) -> None:
        self._publisher.delete()


class _Subscriber:
    def __init__(self, spec: TransportSpec, regions: Regions, rank: int) -> None:
        self._met, self._rank = regions.attach(MET), rank
        self._service = _service(spec, regions)
        self._subscriber = self._service.subscriber_builder().buffer_size(spec.slots).create()

    def get(self, deadline_ns: int) -> Optional[bytes]:
        while True:
            is_there = self._service.dynamic_config.number_of_publishers > 0
            sample = self._subscriber.receive()
            if is_there:
                self._met[self._rank] = 1
            if sample is not None:
                frame = ctypes.string_at(sample.payload_ptr, sample.payload().len())
                sample.delete()
                return frame
            if 0 <= deadline_ns <= monotonic_ns():
                return None
            time.sleep(LOOK_EVERY_S)

    def close(self) -> None:
        self._subscriber.delete()


def _service(spec: TransportSpec, regions: Regions) -> Any:
    iox.set_log_level(iox.LogLevel.Fatal)
    folder = regions.place(FOLDER)
    config = iox.config.default()
    config.global_cfg.prefix = iox.FileName.new(os.path.basename(folder) + ".")
    config.global_cfg.root_path = iox.Path.new(folder)
    node = (
        iox.NodeBuilder.new()
        .config(config)
        .signal_handling_mode(iox.SignalHandlingMode.Disabled)
        .create(iox.ServiceType.Ipc)
    )
    return (
        node.service_builder(iox.ServiceName.new("messages"))
        .publish_subscribe(iox.Slice[ctypes.c_uint8])
        .enable_safe_overflow(False)
        .subscriber_max_buffer_size(spec.slots)
        .max_publishers(1)
        .max_subscribers(spec.readers)
        .open_or_create()
    )
