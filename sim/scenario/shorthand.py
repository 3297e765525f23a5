"""A fault in one word of a command line, and the scenario that such words make.

    stall:2s   kill@1s   stall:500ms@ready   env:NAME=VALUE   env:NAME   missing:MODULE
    failing:MODULE=OSError   slow:MODULE=200ms   twice:MODULE   limit:NOFILE=20
    break:MODULE=empty   break:MODULE=truncated_to=4096   foreign:MODULE=3.9
    method:spawn   preload:exits   fork:plain=MODULE:LOCK   fork:logging   unlink@ready

`@` says when: a time after the start, or the name of a probe that the program passes. What has to
hold from before the start takes none.
"""

from __future__ import annotations

import re
from typing import Dict, Mapping, NamedTuple, Optional, Sequence

from sim.scenario.durations import BadDuration, parse_duration
from sim.scenario.names import nearest
from sim.scenario.writing import text_of

APP = "app"  # what the program is called
Keys = Mapping[str, object]


class Shorthand(NamedTuple):
    kind: str
    usage: str
    keys: Sequence[str]  # what stands before and after "=", in this order
    optional: int  # how many of the last of them may be absent
    is_timed: bool = False


SHORTHANDS: Mapping[str, Shorthand] = {
    "stall": Shorthand("stall", "stall[:DURATION][@WHEN]", ("heal_after",), 1, True),
    "kill": Shorthand("kill", "kill[@WHEN]", (), 0, True),
    "env": Shorthand("env_var", "env:NAME[=VALUE]", ("variable", "value"), 1),
    "missing": Shorthand("missing_module", "missing:MODULE", ("module",), 0),
    "failing": Shorthand("failing_import", "failing:MODULE=EXCEPTION", ("module", "exception"), 0),
    "slow": Shorthand("slow_import", "slow:MODULE=DURATION", ("module", "duration"), 0),
    "twice": Shorthand("import_twice", "twice:MODULE", ("module",), 0),
    "limit": Shorthand("limit", "limit:RESOURCE=N", ("resource", "limit"), 0),
    "break": Shorthand("break_extension", "break:MODULE=KIND[=N]", ("module", "how"), 0),
    "foreign": Shorthand("foreign_abi", "foreign:MODULE=VERSION", ("module", "built_by"), 0),
    "method": Shorthand("start_method_twice", "method:METHOD", ("method",), 0),
    "noguard": Shorthand("no_main_guard", "noguard", (), 0),
    "preload": Shorthand("preload_broken", "preload:HOW", ("how",), 0),
    "fork": Shorthand("fork_with_threads", "fork:LOCK[=NAME]", ("lock", "name"), 1),
    "unlink": Shorthand("resource_tracker_unlink", "unlink[@WHEN]", (), 0, True),
}
DEFAULT_AT = "500ms"  # of what happens to a program that runs: its interpreter is up by then


class BadShorthand(ValueError):
    """What is wrong with a word, and the nearest that is not."""

    def __init__(self, message: str, near: Optional[str] = None) -> None:
        super().__init__(message)
        self.nearest = near


def fault_keys(word: str) -> Keys:
    """The keys of the [[fault]] that the word stands for. Raises BadShorthand."""
    name = re.split("[:@]", word, maxsplit=1)[0]
    made = SHORTHANDS.get(name)
    if made is None:
        known = ", ".join(each.usage for each in SHORTHANDS.values())
        raise BadShorthand(f"no fault {name!r}; there is {known}", nearest(name, SHORTHANDS))
    # The value of a variable may hold one.
    is_late = made.is_timed or "@" in word.partition("=")[0]
    rest, at, when = word.partition("@") if is_late else (word, "", "")
    _, colon, text = rest.partition(":")
    values = text.split("=", max(0, len(made.keys) - 1)) if colon else []
    if values == [""]:
        raise BadShorthand(f"{word!r}: nothing after ':'; it is {made.usage}")
    if not len(made.keys) - made.optional <= len(values) <= len(made.keys):
        raise BadShorthand(f"{word!r}: it is {made.usage}")
    if at and not made.is_timed:
        raise BadShorthand(f"{word!r}: {name} holds from before the start, so it takes no '@'")
    keys: Dict[str, object] = {"kind": made.kind, "target": APP}
    for key, value in zip(made.keys, values):
        keys[key] = _value(key, value, word)
    if made.is_timed:
        keys["at"] = _when(when, word) if at else DEFAULT_AT
    return keys


def _value(key: str, text: str, word: str) -> object:
    if key == "limit":
        if not text.isdigit():
            raise BadShorthand(f"{word!r}: {text!r} is not a whole number")
        return int(text)
    if key == "how" and "=" in text:
        kind, _, argument = text.partition("=")
        return {kind: int(argument) if argument.isdigit() else argument}
    return text


def _when(text: str, word: str) -> object:
    if not text:
        raise BadShorthand(f"{word!r}: nothing after '@': a time (1s) or the name of a probe")
    try:
        parse_duration(text)
    except BadDuration:
        if re.match(r"[-+.]?\d", text):
            raise BadShorthand(f"{word!r}: {text!r} is neither a time (1s) nor a probe") from None
        return {"probe": text}
    return text


def scenario_text(
    argv: Sequence[str], faults: Sequence[Keys], *, name: str, deadline: str
) -> str:
    """The text of a scenario file."""
    process = {"name": APP, "argv": list(argv)}
    keys: Dict[str, object] = {"schema": 1, "name": name, "deadline": deadline}
    keys.update(process=[process], fault=[dict(each) for each in faults])
    return text_of({key: value for key, value in keys.items() if value})
