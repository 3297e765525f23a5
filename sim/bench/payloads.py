"""The messages that are sent, each told from the others by every byte of it, and their check.

A pool of different messages goes round and round, so nothing is made while the clock runs, and the
reader knows which one is next. Small messages are compared as a whole; of large ones the size and
the last bytes of each, and one in FULL_EVERY as a whole: comparing all would cost more than moving.
"""

from __future__ import annotations

import hashlib
import importlib
import operator
from typing import Any, Callable, Dict, List, Optional

from sim.bench.peer import Form

POOL_MESSAGES = 64  # as many as a batch has
POOL_BYTES = 256 * 1024  # of large ones fewer, that they fit into a core's cache
SMALL_BYTES = 4096
FULL_EVERY = 64
TAIL_BYTES = 16
AT_A_TIME, AT_A_TIME_BYTES = 64, 32 * 1024  # small messages that are compared together
END = -1  # what `which` says of the last message


class Payloads:
    """The pool of one form and size, in the order of sending, and the message that ends it.

    Raises ImportError where arrays are wanted and NumPy is not there.
    """

    def __init__(self, form: Form, size_bytes: int) -> None:
        count = max(2, min(POOL_MESSAGES, POOL_BYTES // size_bytes))
        self.form, self.size_bytes = form, size_bytes
        self.bytes: List[bytes] = [_pattern(str(index), size_bytes) for index in range(count)]
        last = _pattern("end", size_bytes)
        self._index: Dict[bytes, int] = {each: index for index, each in enumerate(self.bytes)}
        self._index[last] = END
        assert len(self._index) == count + 1, "messages must differ"
        wrap = _wrap(form)
        self.pool = [wrap(each) for each in self.bytes]
        self.end = {"id": 8, "data": last} if form is Form.OBJECT else wrap(last)
        self.tails = [each[-TAIL_BYTES:] for each in self.bytes]
        self.at_a_time = min(AT_A_TIME, AT_A_TIME_BYTES // size_bytes or 1)
        self.is_small = form in (Form.BYTES, Form.OBJECT) and size_bytes <= SMALL_BYTES
        self.raw = RAW.get(form)

    def __len__(self) -> int:
        return len(self.pool)

    def which(self, message: Any) -> Optional[int]:
        """Its index in the pool, END, or None for what was never sent. Looks at every byte."""
        try:
            index = self._index.get(bytes(message if self.raw is None else self.raw(message)))
            if self.form is Form.OBJECT and index is not None:
                expected = self.end if index == END else self.pool[index]
                return index if message == expected else None
        except (TypeError, KeyError, AttributeError, IndexError):
            return None
        return index

    def is_right(self, message: Any, number: int) -> bool:
        """Whether this large message can be the one of that number: see the module."""
        index = number % len(self.pool)
        if number % FULL_EVERY == 0:
            return self.which(message) == index
        data = message if self.raw is None else self.raw(message)
        return bool(data[-TAIL_BYTES:] == self.tails[index] and len(data) == self.size_bytes)


def _array_bytes(array: Any) -> memoryview:
    return memoryview(array).cast("B")


RAW: Dict[Form, Callable[[Any], Any]] = {  # the bytes in a message; of the others it is they
    Form.OBJECT: operator.itemgetter("data"),
    Form.ARRAY: _array_bytes,
    Form.ARRAY_VIEW: _array_bytes,
}


def _pattern(seed: str, size_bytes: int) -> bytes:
    block = hashlib.shake_256(f"spinbed {seed}".encode()).digest(min(size_bytes, SMALL_BYTES))
    return (block * (size_bytes // len(block) + 1))[:size_bytes]


def _wrap(form: Form) -> Callable[[bytes], Any]:
    if form is Form.OBJECT:
        return lambda data: {"id": 7, "data": data}
    if form in (Form.ARRAY, Form.ARRAY_VIEW):
        numpy = importlib.import_module("numpy")
        return lambda data: numpy.frombuffer(data, dtype=numpy.uint8).copy()
    return lambda data: data
