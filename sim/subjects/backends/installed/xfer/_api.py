"""What the users of xfer import: it loads the native library, which reads its settings once."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

# Bundled, as wheels do it; else what this process has loaded already.
LIBRARY = Path(__file__).with_name("libxfer.so")

_native = ctypes.CDLL(str(LIBRARY) if LIBRARY.exists() else None)


class Agent:
    cache_max = os.environ.get("XFER_CACHE_MAX")  # whoever sets it later is not heard


class AgentConfig:
    pass
