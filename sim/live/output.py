"""What a program prints, of which the end is kept."""

from __future__ import annotations

import os

from sim.live.supervisor import Supervisor

KEPT_BYTES = 16384
READ_BYTES = 65536


class Output:
    """A pipe whose reading end is ours. Hand `their_fd` on, then `close_theirs`."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._ours, self.their_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._ours, False)
        self._supervisor = supervisor
        self._kept = b""
        self._is_open = True
        self.size_bytes = 0
        supervisor.listen(self._ours, self._read)

    def close_theirs(self) -> None:
        if self.their_fd >= 0:
            os.close(self.their_fd)
            self.their_fd = -1

    def _read(self) -> bool:
        """Whether there may be more."""
        if not self._is_open:
            return False
        try:
            received = os.read(self._ours, READ_BYTES)
        except BlockingIOError:
            return False
        if not received:
            self.close()
            return False
        self.size_bytes += len(received)
        self._kept = (self._kept + received)[-KEPT_BYTES:]
        return True

    def drain(self) -> None:
        """What is there already; whoever still has the other end may go on writing, unread."""
        most = self.size_bytes + (1 << 20)  # the largest pipe: who floods it does not hold us
        while self.size_bytes < most and self._read():
            pass

    def text(self) -> str:
        """Its last KEPT_BYTES."""
        return self._kept.decode("utf-8", "replace")

    def text_since(self, size_bytes: int) -> str:
        """What came after so many, as far as it is kept."""
        new = min(self.size_bytes - size_bytes, len(self._kept))
        return self._kept[len(self._kept) - new :].decode("utf-8", "replace")

    def close(self) -> None:
        """Idempotent."""
        self.close_theirs()
        if self._is_open:
            self._is_open = False
            self._supervisor.unlisten(self._ours)
            os.close(self._ours)
