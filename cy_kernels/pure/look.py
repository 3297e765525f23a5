"""A look at one message in place, and whether it is over.

The slot is written again some time after it was let go of, so nobody may look at it then, not even
through a slice of the view. Slices of a memoryview share one managed buffer, and that holds the
object the view was made of: a ctypes array of our own over the slot, which nothing else holds. So
the array is gone with the last slice, and a weak reference tells.
"""

from __future__ import annotations

import ctypes
import weakref


class Look:
    def __init__(self, message: memoryview[int], *, is_read_only: bool) -> None:
        """`message` is writable, and may be empty if there is a byte behind it."""
        self.size = len(message)
        array = (ctypes.c_char * len(message)).from_buffer(message)
        self._array = weakref.ref(array)
        view = memoryview(array)
        if len(message):  # an empty one cannot be cast
            view = view.cast("B")
        self.view: memoryview[int] = view.toreadonly() if is_read_only else view

    def revoke(self) -> None:
        """From here on nobody sees the slot; BufferError where somebody still could."""
        self.view.release()  # BufferError where an array, or another buffer, was made of it
        if self._array() is not None:
            raise BufferError("a slice of the view is still in use: its slot stays held")
