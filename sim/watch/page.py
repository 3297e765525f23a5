"""The memory that a watching process shares with its monitor: 32 words for each wait.

It is a memfd, which has no name and outlives neither of them. The process writes it without a
system call: that is what progress costs. Words of 8 bytes are loaded and stored whole.
"""

from __future__ import annotations

import mmap
import os
from typing import List

WORD_BYTES = 8
SLOT_WORDS = 32
WAITS_MAX = 64  # at once, in one process
SLOTS = WAITS_MAX + 1  # the first has words of the whole process
BYTES = SLOTS * SLOT_WORDS * WORD_BYTES

# Of the first slot.
IS_ASLEEP = 0  # the monitor's: wake me when a wait becomes due
NOWHERE = 1  # where progress is counted outside of a wait

# Of a wait's slot. All are the process's but TOLD and WRITTEN, which are the monitor's, and which
# no entrance begins anew: what is told of one may be written when the next one has the slot.
DUE = 0  # a number of its own for each entrance, 0 when nothing is due
COUNT = 1  # changes with every progress
IDLE = 2  # how many say that nothing is due for now
STALL_NS = 3  # 0: however long
DEADLINE_NS = 4  # of the wait, whatever progress it makes; 0: none
SPENT_NS = 5  # of the deadline, before it was entered
TOLD = 6  # standstills that are told
WRITTEN = 7  # those whose reports are complete
HAS_FILE = 8  # a report goes to its own file
SIGNAL = 9  # ends the wait, by an exception of the process's; 0: it is only told
SINCE_TICKS = 10  # who was started below since then is ended with the wait
NAME_BYTES = 11
NAME = 12  # to the end

NAME_BYTES_MAX = (SLOT_WORDS - NAME) * WORD_BYTES


class Page:
    """A mapping of it; `words` are all words of all slots."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, BYTES)
        self._all = memoryview(self._map)
        self.words = self._all.cast("Q")

    @staticmethod
    def make() -> int:
        """A descriptor of a new one."""
        fd = os.memfd_create("spinbed-watch", os.MFD_CLOEXEC)
        os.ftruncate(fd, BYTES)
        return fd

    def due(self) -> List[int]:
        """The slots of the waits that are due."""
        numbers = self.words[DUE::SLOT_WORDS].tolist()
        return [slot for slot in range(1, SLOTS) if numbers[slot]]

    def name(self, slot: int) -> str:
        at, size = self._name_at(slot), self.words[slot * SLOT_WORDS + NAME_BYTES]
        return bytes(self._all[at : at + size]).decode("utf-8", "replace")

    def set_name(self, slot: int, name: str) -> None:
        encoded = name.encode("utf-8", "replace")[:NAME_BYTES_MAX]
        at = self._name_at(slot)
        self._all[at : at + len(encoded)] = encoded
        self.words[slot * SLOT_WORDS + NAME_BYTES] = len(encoded)

    @staticmethod
    def _name_at(slot: int) -> int:
        return (slot * SLOT_WORDS + NAME) * WORD_BYTES
