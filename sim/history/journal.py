"""The journal: a history on disk, one JSON value a line, written once and never changed.

Line 1 is the header, line i + 2 is op i, and the last line says how many ops there are, so that
a file that was cut at a line's end is told from a whole one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import os
import tempfile
from pathlib import Path
from typing import (
    IO,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Tuple,
    Union,
)

from sim.errors import Problem, ScenarioError, WorldError
from sim.history.history import Allowance, FaultHeader, Header, History, ProcessHeader
from sim.history.op import TYPES, Op

SCHEMA = 1
FIRST_OP_LINE = 2
# A file that is not a journal at all has a problem on every line; a person reads the first few.
PROBLEMS_MAX = 20

# NaN is refused: no other JSON reader takes it. ASCII, so that any bytes of a log survive.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Journal:
    """Written under a temporary name, so that no reader ever sees half a journal."""

    def __init__(self, path: Path, stream: IO[str]) -> None:
        self._path = path
        self._stream = stream
        self._words: Dict[str, str] = {}
        self.ops_written = 0

    @classmethod
    @contextlib.contextmanager
    def create(
        cls, path: Union[str, Path], header: Header, *, temporaries: Optional[str] = None
    ) -> Iterator[Journal]:
        """Raises WorldError where the disk fails; then, and on any error, nothing is left.

        `temporaries` is how the temporary file's path begins; it is in the folder of `path`.
        """
        path = Path(path)
        folder, name = os.path.split(temporaries or f"{os.path.abspath(path)}.tmp-")
        with _disk("creating the journal", path):
            descriptor, temporary = tempfile.mkstemp(prefix=name, dir=folder)
        try:
            with _disk("writing the journal", path):
                stream = os.fdopen(descriptor, "w", encoding="ascii", newline="\n")
            with contextlib.ExitStack() as stack:
                stack.callback(_close_quietly, stream)
                journal = cls(path, stream)
                with _disk("writing the journal", path):
                    stream.write(_encode({"schema": SCHEMA, "header": _plain(header)}) + "\n")
                yield journal
                with _disk("writing the journal", path):
                    stream.write(f'{{"ops":{journal.ops_written}}}\n')
                    stream.close()
                    os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def write(self, ops: Iterable[Op]) -> None:
        """Append ops. Raises WorldError where the disk fails."""
        lines = [self._line(op) for op in ops]
        with _disk("writing the journal", self._path):
            self._stream.write("".join(lines))
        self.ops_written += len(lines)

    def _line(self, op: Op) -> str:
        """As `_encode` of a dict without its Nones would say it, at a fifth of the cost."""
        parts = [
            f'{{"time_ns":{op.time_ns},"process":{self._word(op.process)},'
            f'"incarnation":{op.incarnation},"type":{self._word(op.type)},"f":{self._word(op.f)}'
        ]
        if op.position is not None:
            parts.append(f',"position":{op.position}')
        if op.size_bytes is not None:
            parts.append(f',"size_bytes":{op.size_bytes}')
        if op.checksum is not None:
            parts.append(f',"checksum":{op.checksum}')
        if op.outcome is not None:
            parts.append(f',"outcome":{self._word(op.outcome)}')
        if op.detail is not None:
            parts.append(f',"detail":{_encode(op.detail)}')
        parts.append("}\n")
        return "".join(parts)

    def _word(self, word: str) -> str:
        encoded = self._words.get(word)
        if encoded is None:
            encoded = self._words[word] = _encode(word)
        return encoded


def read(path: Union[str, Path]) -> History:
    """The history in a journal. Raises ScenarioError with every problem, by file and line."""
    name = str(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ScenarioError([Problem(name, None, None, f"{error.strerror or error}")]) from None
    problems = _Problems(name)
    lines = data.split(b"\n")
    if not data:
        problems.add(None, None, "is empty; a journal begins with its header")
        problems.raise_if_any()
    if lines.pop() != b"":
        problems.add(len(lines) + 1, None, "is cut in the middle of a line")
    values = [_value(line, number, problems) for number, line in enumerate(lines, start=1)]
    header = _header(values[0], problems) if values else None
    if header is not None:
        ops = [_op(value, line, problems) for line, value in enumerate(values[1:-1], start=2)]
        _check_end(values, len(values), problems)
    problems.raise_if_any()
    assert header is not None
    return History(header=header, ops=tuple(op for op in ops if op is not None))


class _Problems:
    def __init__(self, file: str) -> None:
        self._file = file
        self._found: List[Problem] = []

    def add(
        self, line: Optional[int], key: Optional[str], message: str, nearest: Optional[str] = None
    ) -> None:
        self._found.append(Problem(self._file, line, key, message, nearest))

    def raise_if_any(self) -> None:
        if not self._found:
            return
        shown = self._found[:PROBLEMS_MAX]
        more = len(self._found) - len(shown)
        if more:
            shown.append(Problem(self._file, None, None, f"and {more} more problems"))
        raise ScenarioError(shown)


class _Unreadable:
    """Stands for a line whose problem is already noted."""


def _value(line: bytes, number: int, problems: _Problems) -> Any:
    try:
        return json.loads(line.decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        problems.add(number, None, f"is not UTF-8 at byte {error.start}")
    except RecursionError:
        problems.add(number, None, "is nested too deeply")
    except ValueError as error:
        problems.add(number, None, f"is not JSON: {error}")
    return _Unreadable()


def _object(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key appears twice")
    return value


def _header(value: Any, problems: _Problems) -> Optional[Header]:
    if isinstance(value, _Unreadable):
        return None
    if not isinstance(value, dict) or "schema" not in value:
        problems.add(1, "schema", "is missing: this is not a journal")
        return None
    if value["schema"] != SCHEMA or isinstance(value["schema"], bool):
        found = _shown(value["schema"])
        problems.add(1, "schema", f"is {found}, but this spinbed reads schema {SCHEMA}")
        return None
    header: Optional[Header] = _record(Header, value.get("header"), "header", 1, problems)
    return header


def _op(value: Any, line: int, problems: _Problems) -> Optional[Op]:
    if isinstance(value, _Unreadable):
        return None
    if not isinstance(value, dict):
        problems.add(line, None, f"is {_shown(value)}, not an op")
        return None
    if not _fits(value, _OP_KINDS, _OP_REQUIRED, "", line, problems):
        return None
    if value["type"] not in TYPES:
        nearest = _nearest(value["type"], TYPES)
        problems.add(line, "type", f"{_shown(value['type'])} is no type of op", nearest)
        return None
    return Op(**value)


def _check_end(values: List[Any], line: int, problems: _Problems) -> None:
    end = values[-1]
    if isinstance(end, _Unreadable):
        return
    if len(values) < 2 or not isinstance(end, dict) or set(end) != {"ops"}:
        problems.add(line, None, "is cut: the last line does not say how many ops there are")
    elif end["ops"] != len(values) - 2:
        problems.add(line, "ops", f"says {_shown(end['ops'])} ops, but there are {len(values) - 2}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_str(value: Any) -> bool:
    return isinstance(value, str)


# Annotation of a field, as written in the dataclasses -> (test, what was expected).
_KINDS: Mapping[str, Tuple[Callable[[Any], bool], str]] = {
    "str": (_is_str, "a string"),
    "int": (_is_int, "an integer"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "Optional[str]": (lambda value: value is None or _is_str(value), "a string or null"),
    "Optional[int]": (lambda value: value is None or _is_int(value), "an integer or null"),
    "Optional[Mapping[str, Any]]": (lambda v: v is None or isinstance(v, dict), "an object"),
    "Sequence[ProcessHeader]": (lambda value: isinstance(value, list), "a list"),
    "Sequence[FaultHeader]": (lambda value: isinstance(value, list), "a list"),
    "Sequence[Allowance]": (lambda value: isinstance(value, list), "a list"),
}
_RECORDS: Mapping[str, Any] = {
    "Sequence[ProcessHeader]": ProcessHeader,
    "Sequence[FaultHeader]": FaultHeader,
    "Sequence[Allowance]": Allowance,
}
# NamedTuple wraps the annotations, a dataclass does not.
_OP_KINDS: Mapping[str, str] = {
    name: str(getattr(kind, "__forward_arg__", kind)) for name, kind in Op.__annotations__.items()
}
_OP_REQUIRED = frozenset(Op._fields) - frozenset(Op._field_defaults)


def _record(cls: Any, value: Any, key: str, line: int, problems: _Problems) -> Any:
    if not isinstance(value, dict):
        problems.add(line, key, f"is {_shown(value)}, not an object")
        return None
    fields = dataclasses.fields(cls)
    kinds = {field.name: str(field.type) for field in fields}
    required = {field.name for field in fields if field.default is dataclasses.MISSING}
    if not _fits(value, kinds, frozenset(required), key, line, problems):
        return None
    values: Dict[str, Any] = dict(value)
    for name, kind in kinds.items():
        if kind in _RECORDS and name in values:
            values[name] = tuple(
                _record(_RECORDS[kind], item, f"{key}.{name}[{index}]", line, problems)
                for index, item in enumerate(values[name])
            )
    return cls(**values)


def _fits(
    value: Mapping[str, Any],
    kinds: Mapping[str, str],
    required: Iterable[str],
    under: str,
    line: int,
    problems: _Problems,
) -> bool:
    prefix = f"{under}." if under else ""
    fits = True
    for name, item in value.items():
        if name not in kinds:
            problems.add(line, prefix + name, "is not a known key", _nearest(name, kinds))
            fits = False
            continue
        test, expected = _KINDS[kinds[name]]
        if not test(item):
            problems.add(line, prefix + name, f"is {_shown(item)}, not {expected}")
            fits = False
    for name in required:
        if name not in value:
            problems.add(line, prefix + name, "is missing")
            fits = False
    return fits


def _nearest(name: Any, names: Iterable[str]) -> Optional[str]:
    return next(iter(difflib.get_close_matches(str(name), list(names), n=1)), None)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _plain(header: Header) -> Mapping[str, Any]:
    return dataclasses.asdict(header)


@contextlib.contextmanager
def _disk(call: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorldError(call, errno=error.errno, detail=str(path)) from error


def _close_quietly(stream: IO[str]) -> None:
    """On the way out of an error, whose own message matters more than a second one from here."""
    with contextlib.suppress(OSError):
        stream.close()
