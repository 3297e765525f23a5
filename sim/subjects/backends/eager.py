"""Makes xfer available by importing it with itself, in each process that imports this module."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from typing import Any

logger = logging.getLogger("sim.subjects.backends")

Agent: Any
AgentConfig: Any
Telemetry: Any

if "XFER_CACHE_MAX" not in os.environ:
    if "xfer" in sys.modules:
        logger.warning("xfer was imported already: XFER_CACHE_MAX cannot be set any more")
    else:
        logger.info("XFER_CACHE_MAX is set to 1024")
        os.environ["XFER_CACHE_MAX"] = "1024"

try:
    Agent = importlib.import_module("xfer._api").Agent
    logger.info("the backend is available")
except ImportError:
    Agent = None
    logger.warning("the backend is not available")

try:
    AgentConfig = importlib.import_module("xfer._api").AgentConfig
except ImportError:
    AgentConfig = None

try:
    Telemetry = importlib.import_module("xfer._bindings").Telemetry
except ImportError:
    Telemetry = None


def is_installed() -> bool:
    return importlib.util.find_spec("xfer") is not None
