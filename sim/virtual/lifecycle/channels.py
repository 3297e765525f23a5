"""What processes share by way of the kernel: channels, regions, and descriptors of both."""

from __future__ import annotations

from collections import deque
from typing import Any, Deque, Dict, Optional, Union


class Shared:
    """The kernel's: a fork copies the reference, never the thing."""

    def __deepcopy__(self, memo: Dict[int, Any]) -> Any:
        return self


class Channel(Shared):
    """Two ends, each with a queue of what was sent to it: a socket pair, a pipe, a listener."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.ends = (End(self, 0), End(self, 1))


class End(Shared):
    """`count` descriptors refer to it; with the last of them it is closed."""

    def __init__(self, channel: Channel, side: int) -> None:
        self.channel = channel
        self.side = side
        self.queue: Deque[Any] = deque()
        self.count = 0

    @property
    def peer(self) -> End:
        return self.channel.ends[1 - self.side]

    @property
    def is_readable(self) -> bool:
        """There is something, or there will never be."""
        return bool(self.queue) or self.peer.count == 0

    def opened(self) -> End:
        self.count += 1
        return self

    def closed(self) -> None:
        self.count -= 1
        assert self.count >= 0
        if self.count == 0:
            for message in self.queue:  # what was on its way here is gone, descriptors too
                for each in getattr(message, "descriptors", ()):
                    each.closed()
            self.queue.clear()


class Region(Shared):
    """Shared memory, with so many `names`; `count` is how many descriptors and mappings it has."""

    def __init__(self, name: Optional[str], size_bytes: int) -> None:
        self.name = name
        self.content = bytearray(size_bytes)
        self.names = 0 if name is None else 1
        self.count = 0

    def opened(self) -> Region:
        self.count += 1
        return self

    def closed(self) -> None:
        self.count -= 1


class Parcel:
    """A message with descriptors in it (SCM_RIGHTS): each is open while it is on its way."""

    def __init__(self, content: Any, *descriptors: Union[End, Region]) -> None:
        self.content = content
        self.descriptors = [each.opened() for each in descriptors]


Open = Union[End, Region]
