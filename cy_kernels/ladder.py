"""The ladder of wait strategies: what each needs of the CPU, and what runs without it."""

from __future__ import annotations

from typing import Mapping, Optional, Tuple

from cy_kernels.features import Features, nearest

ADAPTIVE = "adaptive"  # what a strategy that this host cannot run degrades to
BEST = "best"
# From the first rung that waits in the cheapest way to the one that every machine has.
LADDER = ("mwaitx", "umwait", "wfet", "wfe", ADAPTIVE)
# The features that a strategy needs, and how to say that one is absent.
NEEDS: Mapping[str, Tuple[str, ...]] = {
    "busy_spin": (),
    "pause": (),
    "yielding": (),
    "park": (),
    "backoff": (),
    ADAPTIVE: (),
    "mwaitx": ("monitorx",),
    "umwait": ("waitpkg",),
    "tpause": ("waitpkg",),
    "wfe": ("wfe", "evtstrm"),
    "wfet": ("wfxt",),
    BEST: (),
}
LACKS: Mapping[str, str] = {
    "monitorx": "no MONITORX",
    "waitpkg": "no WAITPKG",
    "wfe": "no WFE",
    "evtstrm": "no event stream (HWCAP_EVTSTRM): nothing would bound a WFE",
    "wfxt": "no FEAT_WFxT",
}


def can_run(strategy: str, features: Features) -> Optional[str]:
    """None, or the reason why a CPU of these features cannot run the strategy.

    Raises ValueError for a name that is none, TypeError for what is no string.
    """
    return next((LACKS[need] for need in _needs(strategy) if not getattr(features, need)), None)


def rung_of(strategy: str, features: Features) -> str:
    """The strategy that really runs where this one is asked for: itself, if it can.

    Raises as can_run does.
    """
    _needs(strategy)
    if strategy == BEST:
        return next(rung for rung in LADDER if can_run(rung, features) is None)
    return strategy if can_run(strategy, features) is None else ADAPTIVE


def _needs(strategy: str) -> Tuple[str, ...]:
    if not isinstance(strategy, str):
        raise TypeError(f"a wait strategy is a str, not {type(strategy).__name__}")
    if strategy not in NEEDS:
        raise ValueError(f"no wait strategy is called {strategy!r} ({nearest(strategy, NEEDS)})")
    return NEEDS[strategy]
