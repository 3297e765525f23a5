"""The two rings over mapped memory, in plain Python: the names of the compiled cy_kernels.ring."""

from __future__ import annotations

from cy_kernels.pure.cursor_ring import (
    CursorReader,
    CursorWriter,
    cursor_describe,
    cursor_format,
    cursor_region_bytes,
    cursor_shutdown,
)
from cy_kernels.pure.flag_ring import (
    MUTANTS,
    FlagReader,
    FlagWriter,
    flag_describe,
    flag_format,
    flag_region_bytes,
)
from cy_kernels.pure.wait import STRATEGIES

__all__ = [
    "MUTANTS",
    "STRATEGIES",
    "CursorReader",
    "CursorWriter",
    "FlagReader",
    "FlagWriter",
    "cursor_describe",
    "cursor_format",
    "cursor_region_bytes",
    "cursor_shutdown",
    "flag_describe",
    "flag_format",
    "flag_region_bytes",
]
