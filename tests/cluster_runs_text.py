"""The text of a file of a cluster, and what is wrong with such texts. Needs no simpy."""

from __future__ import annotations

from typing import Sequence

import pytest

from sim.errors import Problem, ScenarioError
from sim.scenario.loader import load_text

GOOD = """schema = 1
name = "good"
[cluster]
#
reply = "all"
compute = { median = "10ms", p99 = "14ms" }
[cluster.link]
kind = "tcp"
#
[cluster.policy]
kind = "phi"
[[fault]]
kind = "stall"
target = "host[3].reader[1]"
at = { process = "writer", after_ops = 10 }
heal_after = "1s"
[[expect]]
blame = "host[3]"
""".replace("[cluster]\n#", "[cluster]\nhosts = 20", 1)


def problems_of(text: str) -> Sequence[Problem]:
    with pytest.raises(ScenarioError) as caught:
        load_text(text, "bad.toml")
    return caught.value.problems
