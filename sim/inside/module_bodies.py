"""Runs a module's body with something done between two of its statements."""

from __future__ import annotations

import builtins
import itertools

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable, Dict, List, Optional, Sequence

    Act = Callable[[], Optional[BaseException]]


ONLY_AST = 0x400  # ast.PyCF_ONLY_AST, without loading ast
# Found as a built-in, so that a body that lists its own names finds none of ours.
DOOR = "__spinbed_at__"
_numbers = itertools.count()
_acts: Dict[int, Act] = {}


class Insertion:
    """Something to be done before the statement number `at`; if it `raises`, what it returns."""

    def __init__(self, at: int, act: Act, *, raises: bool = False) -> None:
        self.at, self.act, self.raises = at, act, raises


def run(loader: Any, module: ModuleType, insertions: Sequence[Insertion]) -> None:
    """Executes `module` as `loader` would, and the insertions within.

    `at` of an insertion counts statements of the body: 0 is before the first one that may have
    something before it, -1 after the last. Where there is no source, 0 is before the whole of the
    body, all else after it. What an insertion returns, where it `raises`, is raised in the body.
    """
    setattr(builtins, DOOR, _pass)
    name = module.__name__
    path = str(getattr(module, "__file__", None) or f"<{name}>")
    source = _source(loader, name)
    if source is None:
        exec(_code([i for i in insertions if i.at == 0], path), {})
        loader.exec_module(module)
        exec(_code([i for i in insertions if i.at != 0], path), {})
        return
    tree: Any = compile(source, path, "exec", ONLY_AST, dont_inherit=True)
    body: List[Any] = tree.body
    first, last = _first_free(body), len(body)
    placed = [(min(max(i.at + (last + 1) * (i.at < 0), first), last), i) for i in insertions]
    for at, insertion in reversed(sorted(placed, key=lambda each: each[0])):
        line = body[min(at, len(body) - 1)].lineno if body else 1
        body[at:at] = _tree([insertion], path, line).body
    exec(compile(tree, path, "exec", dont_inherit=True), module.__dict__)


def _pass(number: int) -> Optional[BaseException]:
    return _acts[number]()


def _source(loader: Any, name: str) -> Optional[str]:
    try:
        source: Optional[str] = loader.get_source(name)
    except (AttributeError, ImportError, OSError):
        return None  # an extension, a module without source, or a loader of somebody's own
    return source


def _first_free(body: List[Any]) -> int:
    """A docstring and what is imported from __future__ must stay in front."""
    first = 0
    for at, statement in enumerate(body):
        value = getattr(getattr(statement, "value", None), "value", None)
        is_doc = at == 0 and type(statement).__name__ == "Expr" and isinstance(value, str)
        if not is_doc and getattr(statement, "module", None) != "__future__":
            break
        first = at + 1
    return first


def _tree(insertions: Sequence[Insertion], path: str, line: int) -> Any:
    statements = []
    for each in insertions:
        number = next(_numbers)
        _acts[number] = each.act
        statements.append(f"{'raise ' if each.raises else ''}{DOOR}({number})")
    # The empty lines in front let it stand where the body stands.
    text = "\n" * (line - 1) + "; ".join(statements)
    return compile(text, path, "exec", ONLY_AST, dont_inherit=True)


def _code(insertions: Sequence[Insertion], path: str) -> Any:
    return compile(_tree(insertions, path, 1), path, "exec", dont_inherit=True)
