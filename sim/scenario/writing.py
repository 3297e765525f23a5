"""The text of a scenario file from its keys."""

from __future__ import annotations

import json
import re
from typing import Any, List, Mapping

BARE = re.compile(r"[A-Za-z0-9_-]+")


def text_of(keys: Mapping[str, Any]) -> str:
    """What gives these keys when it is read as TOML. Comments of a file are not among them."""
    lines: List[str] = []
    for name, value in keys.items():
        if not _is_table(value):
            lines.append(f"{name_text(name)} = {value_text(value)}")
    for name, value in keys.items():
        if not _is_table(value):
            continue
        opening = f"[[{name_text(name)}]]" if isinstance(value, list) else f"[{name_text(name)}]"
        for table in value if isinstance(value, list) else [value]:
            lines += ["", opening]
            lines += [f"{name_text(each)} = {value_text(table[each])}" for each in table]
    return "\n".join(lines) + "\n"


def name_text(name: str) -> str:
    return name if BARE.fullmatch(name) else value_text(name)


def value_text(value: Any) -> str:
    """JSON's strings, numbers and booleans are TOML's; a table is not."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name_text(key)} = {value_text(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(value_text, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_table(value: Any) -> bool:
    """Or a list of them."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, Mapping) for each in value)
    return isinstance(value, Mapping)
