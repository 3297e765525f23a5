"""iceoryx2: publish and subscribe of slices of bytes, polled.

Without safe overflow, and the publisher retries until a message is delivered. Such a send has no
time-out; and with 0.10 the first message that finds a reader's buffer full is lost now and then.
Names and folder are of the run's own, so that nothing of anybody else's is touched.
"""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any, Optional, Sequence

import iceoryx2 as iox

from cy_kernels.clock import monotonic_ns
from sim.abc import Regions, TransportSpec
from sim.transport.peer import Inlet, Outlet

FOLDER = "iox"
LOOK_EVERY_S = 0.0005


class Service:
    def create(self, spec: TransportSpec, regions: Regions) -> None:
        os.mkdir(regions.place(FOLDER), 0o700)

    def outlets(self, spec: TransportSpec, regions: Regions) -> Sequence[Outlet]:
        return [_Publisher(spec, regions)]

    def inlet(self, spec: TransportSpec, regions: Regions, rank: int) -> Inlet:
        return _Subscriber(spec, regions)


class _Publisher:
    def __init__(self, spec: TransportSpec, regions: Regions) -> None:
        self._service = _service(spec, regions)
        builder = self._service.publisher_builder().initial_max_slice_len(spec.slot_bytes)
        builder = builder.backpressure_strategy(iox.BackpressureStrategy.RetryUntilDelivered)
        self._publisher = builder.create()

    def put(self, frame: bytes, deadline_ns: int) -> bool:
        sample = self._publisher.loan_slice_uninit(len(frame))
        ctypes.memmove(sample.payload_ptr, frame, len(frame))
        sample.assume_init().send()
        return True

    def close(self) -> None:
        self._publisher.delete()


class _Subscriber:
    def __init__(self, spec: TransportSpec, regions: Regions) -> None:
        self._service = _service(spec, regions)
        self._subscriber = self._service.subscriber_builder().buffer_size(spec.slots).create()

    def get(self, deadline_ns: int) -> Optional[bytes]:
        while True:
            sample = self._subscriber.receive()
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
