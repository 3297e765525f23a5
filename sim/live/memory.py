"""The memory of one incarnation: state words, step gate, trap, its task, its flight recorder.

It is a memfd passed by descriptor: it has no name, survives its process, and a full or tiny
/dev/shm cannot touch it.

    page 0: state words, step gate, trap | the task, pickled
    from a page boundary to the end: flight recorder
"""

from __future__ import annotations

import mmap
import os
import pickle
from typing import TYPE_CHECKING

from cy_kernels.choice import kernels

if TYPE_CHECKING:
    from sim.live.task import Task

# Words of 8 bytes. Only the participant writes the first three while it runs, so no atomics.
FAILS = 0  # operations that were completed, but not ok
IDLE_UNTIL_NS = 1  # a planned pause of the workload: no progress is due before
SLOWED = 2  # operations that the fault "slow" made longer
TASK_BYTES = 3
RECORDER_AT = 4
SIGNALS = 5  # of a storm, received
WORDS = 8
GATE_AT = 128  # lines of its own
GATE_BYTES = 80  # of cy_kernels.gate, which pure kernels do without
TRAP_AT = 256
TRAP_BYTES = 640  # of cy_kernels.trap, likewise

PAGE = mmap.PAGESIZE


class ProcessMemory:
    """Both sides map all of it; `words`, `gate`, `trap`, `recorder` are views into the mapping."""

    def __init__(self, fd: int) -> None:
        """Maps the memory behind `fd`, and takes the descriptor over."""
        self.fd = fd
        self._map = mmap.mmap(fd, os.fstat(fd).st_size)
        self._all = memoryview(self._map)
        self.words = self._all[: WORDS * 8].cast("Q")
        self.gate = self._all[GATE_AT : GATE_AT + GATE_BYTES]
        self.trap = self._all[TRAP_AT : TRAP_AT + TRAP_BYTES]
        self.recorder = self._all[self.words[RECORDER_AT] :]

    @classmethod
    def create(cls, task: Task, records: int) -> ProcessMemory:
        recorder = kernels().recorder
        pickled = pickle.dumps(task, protocol=pickle.HIGHEST_PROTOCOL)
        recorder_at = -(-(PAGE + len(pickled)) // PAGE) * PAGE
        fd = os.memfd_create("spinbed-process", os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, recorder_at + recorder.recorder_bytes(records))
            os.pwrite(fd, pickled, PAGE)
            for word, value in ((TASK_BYTES, len(pickled)), (RECORDER_AT, recorder_at)):
                os.pwrite(fd, value.to_bytes(8, "little"), word * 8)
            memory = cls(fd)
        except BaseException:
            os.close(fd)
            raise
        recorder.format_recorder(memory.recorder, records)
        return memory

    def task(self) -> Task:
        size = self.words[TASK_BYTES]
        loaded: Task = pickle.loads(self._all[PAGE : PAGE + size])
        return loaded

    def close_fd(self) -> None:
        """The mapping stays. Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def close(self) -> None:
        """Idempotent."""
        self.close_fd()
        if not self._map.closed:
            self.words.release()
            self.gate.release()
            self.trap.release()
            self.recorder.release()
            self._all.release()
            self._map.close()
