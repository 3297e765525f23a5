"""An end of one of our rings together with the mapping under it."""

from __future__ import annotations

from typing import Any


class RegionEnd:
    """Forwards to a compiled end; `close` also lets go of the memoryview, so it can be unmapped."""

    kernels = "compiled"

    def __init__(self, end: Any, buffer: memoryview) -> None:
        self._end = end
        self._buffer = buffer
        self.wait: str = end.wait
        self.send = getattr(end, "send", None)  # bound once: the hot path makes no extra call
        self.receive = getattr(end, "receive", None)
        self.receiving = getattr(end, "receiving", None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._end, name)

    def close(self) -> None:
        self._end.close()
        self._buffer.release()
