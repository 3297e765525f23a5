"""Ways to go wrong, one file each, and the table that names them."""

from __future__ import annotations

from typing import Mapping, Type

from sim.abc import Fault
from sim.faults.kill import Kill
from sim.faults.raise_in_read import RaiseInRead
from sim.faults.restart import Restart
from sim.faults.slow import Slow
from sim.faults.stall import Stall
from sim.faults.truncate_region import TruncateRegion
from sim.faults.unlink_region import UnlinkRegion

FAULTS: Mapping[str, Type[Fault]] = {
    Stall.alias: Stall,
    Kill.alias: Kill,
    Restart.alias: Restart,
    Slow.alias: Slow,
    RaiseInRead.alias: RaiseInRead,
    UnlinkRegion.alias: UnlinkRegion,
    TruncateRegion.alias: TruncateRegion,
}
