"""A program that imports a large package in a background thread, so as to start sooner.

    before         the main thread uses the package while the background import is on its way
    after          nothing is imported in the background
    after_joined   the main thread first waits for the end of the background import

The package ends by putting another module in its own place in sys.modules. The import statement of
the main thread has taken the old one from there, waits until the background import has ended, and
goes on with what it has: a module without the names.

    prefetch_before   weights are read in the background, and what goes wrong there is suppressed
    prefetch_after    it is logged as one warning

    SUBJECT_STATEMENT     from (default): from modelkit import GenerationConfig; attribute: import
                          modelkit, then modelkit.GenerationConfig; import_module: by importlib
    SUBJECT_ORDER         own (default): the two threads of `before` always meet in the wrong
                          order; none: they race, or whoever runs this orders them
    SUBJECT_BODY_SECONDS  how long the body of the package takes where they race; 0
    SUBJECT_WEIGHTS       present (default), moved: the index names a file that is not there any
                          more; garbled: the index is none
    SUBJECT_FOLDER        where the weights are written to; weights need it. $VARIABLES are expanded

Before it imports the package, the main thread imports `console`. Probes: importing, result.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Dict

import spinbed
from sim.subjects import import_order

STATEMENT = os.environ.get("SUBJECT_STATEMENT", "from")
ORDER = os.environ.get("SUBJECT_ORDER", "own")
WEIGHTS = os.environ.get("SUBJECT_WEIGHTS", "present")
FOLDER = os.path.expandvars(os.environ.get("SUBJECT_FOLDER", "")) or None

PACKAGES = str(Path(__file__).parent / "packages")
SHARDS = {"one.bin": b"1" * 4096, "two.bin": b"2" * 8192}

log = logging.getLogger("sim.subjects.parallel_import")


def before() -> None:
    if ORDER == "own":
        import_order.ask_for()
    background = _in_background()
    _main("before")
    background.join()


def after() -> None:
    _main("after")


def after_joined() -> None:
    background = _in_background()
    background.join()
    _main("after_joined")


def prefetch_before() -> None:
    def prefetch(folder: Path) -> None:
        with contextlib.suppress(Exception):
            _read_all(folder)

    _load("prefetch_before", prefetch)


def prefetch_after() -> None:
    def prefetch(folder: Path) -> None:
        try:
            _read_all(folder)
        except (OSError, ValueError) as error:
            log.warning("the weights are not read ahead: %s", error)

    _load("prefetch_after", prefetch)


def _in_background() -> threading.Thread:
    sys.path.insert(0, PACKAGES)

    def preload() -> None:
        with contextlib.suppress(Exception):
            importlib.import_module("modelkit")

    thread = threading.Thread(target=preload, name="preload", daemon=True)
    thread.start()
    return thread


def _main(variant: str) -> None:
    if PACKAGES not in sys.path:
        sys.path.insert(0, PACKAGES)
    console: Any = importlib.import_module("console")
    import_order.wait_for_body()
    spinbed.probe("importing")
    config = STATEMENTS[STATEMENT]()
    module = sys.modules["modelkit"]
    _say(
        variant=variant,
        program=console.PROGRAM,
        max_length=config.max_length,
        module=type(module).__name__,
    )


# The statements are what is shown: each uses the package in its own way.
def _from() -> Any:
    from modelkit import GenerationConfig  # type: ignore[import-not-found]

    return GenerationConfig


def _attribute() -> Any:
    import modelkit

    return modelkit.GenerationConfig


def _import_module() -> Any:
    return importlib.import_module("modelkit").GenerationConfig


STATEMENTS: Dict[str, Callable[[], Any]] = {
    "from": _from,
    "attribute": _attribute,
    "import_module": _import_module,
}


def _load(variant: str, prefetch: Callable[[Path], None]) -> None:
    if FOLDER is None:
        sys.exit("weights need a SUBJECT_FOLDER")
    folder = Path(FOLDER)
    _write_weights(folder)
    thread = threading.Thread(target=prefetch, args=(folder,), name="prefetch", daemon=True)
    thread.start()
    weights = b"".join(each.read_bytes() for each in sorted(folder.glob("*.bin")))
    thread.join()
    _say(variant=variant, weights=len(weights), prefetched=_prefetched)


_prefetched = 0


def _read_all(folder: Path) -> None:
    global _prefetched
    index = json.loads(folder.joinpath("index.json").read_text(encoding="utf-8"))
    for name in index:
        _prefetched += len(folder.joinpath(name).read_bytes())


def _write_weights(folder: Path) -> None:
    for name, content in SHARDS.items():
        folder.joinpath(name).write_bytes(content)
    index = json.dumps(sorted(SHARDS, reverse=True))  # the moved one comes first: nothing is read
    if WEIGHTS == "moved":
        folder.joinpath("two.bin").rename(folder / "two-of-two.bin")
    elif WEIGHTS == "garbled":
        index = index[:-1]
    folder.joinpath("index.json").write_text(index, encoding="utf-8")


def _say(**result: Any) -> None:
    spinbed.probe("result", **result)
    print(json.dumps(result))
