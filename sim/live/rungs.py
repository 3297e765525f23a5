"""What `best` comes to where a program runs, as `spinbed doctor` tells it of itself.

Its text is also run by other interpreters, so it needs nothing but the kernels.
"""

from __future__ import annotations

from typing import Optional

from cy_kernels.choice import PURE, kernels
from cy_kernels.ladder import BEST, rung_of


def best_rung(kind: Optional[str] = None, override: Optional[str] = None) -> str:
    """`kind` and `override` instead of SPINBED_KERNELS and SPINBED_CPU of this process. Raises
    ValueError where one of them makes no sense, and ImportError."""
    chosen = kernels(kind)
    if chosen.kind == PURE:
        from cy_kernels.pure.wait import really_runs

        return really_runs(BEST)
    return rung_of(BEST, chosen.cpu.features(override))
