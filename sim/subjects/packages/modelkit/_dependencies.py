"""What takes most of the time of the package's import."""

from __future__ import annotations

from sim.subjects import import_order

VERSION = "1.0"

import_order.pass_through("modelkit")
