"""Named shared memory, and the resource tracker that unlinks what nobody has unlinked.

A program and all that it starts have one tracker. It is told of every name that is made, and of
every name that is attached to; when the last who could tell it something has gone, it unlinks what
it still knows of. Another program has a tracker of its own, which knows nothing of the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Optional

from sim.virtual.lifecycle.channels import Channel, End, Parcel, Region
from sim.virtual.lifecycle.steps import START_NS, Exited, Steps, Wait, modelled

if TYPE_CHECKING:
    from sim.virtual.lifecycle.interpreter import Interpreter
    from sim.virtual.lifecycle.machine import Machine, Process


def ensure_tracker(py: Interpreter) -> Steps[None]:
    yield None
    if py.mp.tracker_end is not None:
        return
    process = py.machine.start_process(py.process, py.process.program, "resource_tracker")
    hears, tells = Channel("tracker").ends
    process.open(hears)
    py.mp.tracker_end = py.process.open(tells)
    py.machine.start_thread(process, _track(py.machine, process, hears))


def inherit_tracker(py: Interpreter, process: Process) -> Optional[int]:
    """What a process that this one starts tells the same tracker by."""
    if py.mp.tracker_end is None:
        return None
    return process.open(py.process.files[py.mp.tracker_end])


def _track(machine: Machine, process: Process, end: End) -> Steps[None]:
    yield Wait(lambda: False, None, machine.clock_ns + START_NS)
    known: Dict[str, None] = {}
    while True:
        yield Wait(lambda: end.is_readable, end)
        if not end.queue:
            break
        what, name = end.queue.popleft().content
        if what == "register":
            known[name] = None
        else:
            known.pop(name, None)
    if known:
        process.program.stderr += (
            "UserWarning: resource_tracker: There appear to be "
            f"{len(known)} leaked shared_memory objects to clean up at shutdown\n"
        )
    for name in known:
        yield None
        try:
            unlink(machine, name)
        except FileNotFoundError as error:
            process.program.stderr += f"UserWarning: resource_tracker: {name!r}: {error}\n"
    raise Exited(0)


def _tell(py: Interpreter, what: str, name: str) -> Steps[None]:
    yield from ensure_tracker(py)
    assert py.mp.tracker_end is not None
    end = py.process.files[py.mp.tracker_end]
    assert isinstance(end, End)
    end.peer.queue.append(Parcel((what, name)))


def unlink(machine: Machine, name: str) -> None:
    """shm_unlink(3): those who have it mapped keep it."""
    region = machine.regions.pop(name, None)
    if region is None:
        raise modelled(FileNotFoundError(2, "No such file or directory", "/" + name))
    region.names = 0


class SharedMemory:
    """multiprocessing.shared_memory.SharedMemory."""

    def __init__(self, name: str, number: int, is_tracked: bool) -> None:
        self.name = name
        self._number = number
        self._is_tracked = is_tracked

    def content(self, py: Interpreter) -> bytearray:
        region = py.process.files[self._number]
        assert isinstance(region, Region)
        return region.content

    def close(self, py: Interpreter) -> None:
        py.process.close(self._number)

    def unlink(self, py: Interpreter) -> Steps[None]:
        yield None
        unlink(py.machine, self.name)
        if self._is_tracked:
            yield from _tell(py, "unregister", self.name)


def create(py: Interpreter, size_bytes: int) -> Steps[SharedMemory]:
    name = f"psm_{py.machine.number():08x}"
    yield None
    region = py.machine.regions[name] = Region(name, size_bytes)
    number = py.process.open(region)
    yield from _tell(py, "register", name)
    return SharedMemory(name, number, True)


def attach(py: Interpreter, name: str, *, track: bool = True) -> Steps[SharedMemory]:
    """Raises TypeError for `track` below the version that has it."""
    yield None
    if not track and not py.behaviour.may_attach_untracked:
        said = "SharedMemory.__init__() got an unexpected keyword argument 'track'"
        raise modelled(TypeError(said))
    region = py.machine.regions.get(name)
    if region is None:
        raise modelled(FileNotFoundError(2, "No such file or directory", "/" + name))
    number = py.process.open(region)
    if track:
        yield from _tell(py, "register", name)
    return SharedMemory(name, number, track)


def mapped_names(machine: Machine, processes: List[Process]) -> List[str]:
    """Regions that they have mapped and that have a name."""
    found = {
        each.name
        for process in processes
        for each in process.files.values()
        if isinstance(each, Region) and each.name is not None and each.names
    }
    return sorted(found & set(machine.regions))
