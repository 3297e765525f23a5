"""A large package, which ends by putting a lazy module in its own place: its names are loaded from
their submodules at their first use.
"""

from __future__ import annotations

import sys

from . import _dependencies
from ._lazy import LazyModule

SUBMODULES = {"GenerationConfig": "configs", "AutoModel": "models"}

sys.modules[__name__] = LazyModule(__name__, __spec__, SUBMODULES, _dependencies.VERSION)
