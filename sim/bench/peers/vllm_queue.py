"""vLLM's MessageQueue, from whatever of vLLM is installed: without torch, its one file alone.

`pip install --no-deps vllm` is enough. What that file then asks of torch and of the rest of vLLM,
none of it while messages pass, is answered by stand-ins here.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import time
import types
import uuid
from functools import partial
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

from sim.bench.peer import READERS_MOST, Channel, Form, Peer, ReadEnd, WriteEnd

FILE = "distributed/device_communicators/shm_broadcast.py"
MODULE = "vllm.distributed.device_communicators.shm_broadcast"
FRAME_BYTES = 512  # of an object beside its bytes, more than it has


class Queue(Peer):
    alias = "vllm"
    forms = (Form.OBJECT, Form.ARRAY)
    readers_max = READERS_MOST

    def __init__(self, with_spinloop: bool = False) -> None:
        os.environ["VLLM_USE_SPINLOOP_EXT"] = "1" if with_spinloop else "0"
        self._module, self.note = _loaded(with_spinloop)  # type: ignore[misc]
        if with_spinloop and not self._module.SPINLOOP_EXT_ENABLED:
            importlib.import_module("vllm.spinloop")  # says why not

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        _name_memory(channel)
        queue = self._module.MessageQueue(
            channel.readers, channel.readers, max_chunk_bytes=channel.size_bytes + FRAME_BYTES
        )
        return WriteEnd(queue.enqueue, address=queue.export_handle(), meet=queue.wait_until_ready)

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        queue = self._module.MessageQueue.create_from_handle(address, rank)
        return ReadEnd(partial(queue.dequeue, indefinite=True), meet=queue.wait_until_ready)


Plain = Queue
Spinloop = partial(Queue, with_spinloop=True)


def _name_memory(channel: Channel) -> None:
    """By the name that we clean up by."""

    def named() -> str:
        return f"/{channel.name}.{uuid.uuid4().hex}"

    shared_memory._make_filename = named  # type: ignore[attr-defined]


def _loaded(with_spinloop: bool) -> Any:
    """The module, and a note."""
    found = importlib.util.find_spec("vllm")
    if found is None or not found.submodule_search_locations:
        raise ImportError("No module named 'vllm'")
    if importlib.util.find_spec("torch") is not None:
        return importlib.import_module(MODULE), ""
    folder = Path(found.submodule_search_locations[0])
    _stand_in(folder, with_spinloop)
    spec = importlib.util.spec_from_file_location(MODULE, folder / FILE)
    if spec is None or spec.loader is None or not (folder / FILE).is_file():
        raise ImportError(f"no {FILE} in {folder}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module  # handles are pickled by its name
    spec.loader.exec_module(module)
    return module, "its shm_broadcast.py alone, without torch"


class _Zeroed:
    """What torch.frombuffer is used for here: memory that was made is filled with zeros."""

    def __init__(self, buffer: Any, dtype: Any) -> None:
        self._buffer = buffer

    def fill_(self, value: int) -> None:
        self._buffer[:] = bytes([value]) * len(self._buffer)


def _stand_in(folder: Path, with_spinloop: bool) -> None:
    def module(name: str, **has: Any) -> None:
        made = types.ModuleType(name)
        made.__dict__.update(has)
        made.__path__ = []
        sys.modules[name] = made
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], last, made)

    def nothing(*ignored: Any, **ignored_too: Any) -> None:
        pass

    module("torch", Tensor=type("Tensor", (), {}), frombuffer=_Zeroed, uint8=None, dtype=type)
    module("torch.distributed", ProcessGroup=type("ProcessGroup", (), {}))
    module("vllm")
    sys.modules["vllm"].__path__ = [str(folder)] if with_spinloop else []
    interval = {"VLLM_RINGBUFFER_WARNING_INTERVAL": 60}
    module("vllm.envs", VLLM_USE_SPINLOOP_EXT=with_spinloop, **interval)
    module("vllm.logger", init_logger=logging.getLogger)
    module("vllm.platforms", current_platform=None)
    module("vllm.distributed")
    gives_way = os.sched_yield if sys.version_info >= (3, 11, 1) else partial(time.sleep, 0)
    group = type("StatelessProcessGroup", (), {})
    module("vllm.distributed.utils", StatelessProcessGroup=group, sched_yield=gives_way)
    module("vllm.distributed.device_communicators")
    module("vllm.utils")
    module("vllm.utils.cpu_resource_utils", check_cgroup_memory_available=nothing)
    module(
        "vllm.utils.network_utils",
        get_ip=lambda: "127.0.0.1",
        get_open_zmq_inproc_path=lambda: f"inproc://{uuid.uuid4()}",
        get_open_zmq_ipc_path=lambda: f"ipc://{uuid.uuid4().hex[:12]}",
        is_valid_ipv6_address=lambda address: False,
    )
