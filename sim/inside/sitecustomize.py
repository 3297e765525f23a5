"""Found first by an interpreter that starts with our folder on its path; hands on to the next one.

`site` imports the first module of this name: without handing on, the program would lose whatever
its own did. An error of that one is raised here, and `site` says it, as it would without us.
"""

from __future__ import annotations

import os
import sys


def _chain(folder: str) -> None:
    # PathFinder of importlib.machinery, which would have to be loaded.
    find = sys.modules["_frozen_importlib_external"].PathFinder.find_spec
    rest = [each for each in sys.path if os.path.realpath(each) != folder]
    spec = find(__name__, rest)
    if spec is not None and spec.loader is not None:
        module = sys.modules["_frozen_importlib"].module_from_spec(spec)
        sys.modules[__name__] = module  # who asks for the name now asks for that one
        spec.loader.exec_module(module)


_folder = os.path.dirname(os.path.realpath(__file__))
try:
    from spinbed_inside.starting import begin  # type: ignore[import-not-found]

    begin()
finally:
    _chain(_folder)
