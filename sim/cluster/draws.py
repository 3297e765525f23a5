"""Draws from the distributions of a plan: each by dice of its own, in whole nanoseconds."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Callable

from sim.scenario.cluster_plan import Spread
from sim.scenario.planning import Dice

Z99 = 2.3263478740408408  # of the standard normal distribution


def draws(spread: Spread, dice: Dice) -> Callable[[], int]:
    """A function that gives one time after the other. Of uniform draws only, by the inverse of the
    distribution function, so that the sequence is the same on every Python."""
    values = spread.values_ns
    unit = dice.unit
    if spread.kind == "constant" or values[0] == values[-1]:
        constant_ns = values[0]
        return lambda: constant_ns
    if spread.kind == "uniform":
        least, span = values[0], values[1] - values[0]
        return lambda: least + int(unit() * span)
    if spread.kind == "lognormal":
        location = math.log(values[0])
        scale = math.log(values[1] / values[0]) / Z99
        normal = NormalDist(location, scale).inv_cdf
        # inv_cdf is not defined at 0, which random() can give.
        return lambda: int(math.exp(normal(unit() or 0.5)))
    assert spread.kind == "quantiles"
    last = len(values) - 1

    def between() -> int:
        place = unit() * last
        index = int(place)
        return values[index] + int((place - index) * (values[index + 1] - values[index]))

    return between
