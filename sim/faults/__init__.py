"""Ways to go wrong, one file each, and the table that names them."""

from __future__ import annotations

from typing import Mapping, Type

from sim.abc import Fault
from sim.faults.bad_link import BadLink
from sim.faults.break_extension import BreakExtension
from sim.faults.corrupt_word import CorruptWord
from sim.faults.cpu_starve import CpuStarve
from sim.faults.crash_at_step import CrashAtStep
from sim.faults.disturb_wakes import DisturbWakes
from sim.faults.env_var import EnvVar
from sim.faults.exhaust_fds import ExhaustFds
from sim.faults.failing_import import FailingImport
from sim.faults.foreign_abi import ForeignAbi
from sim.faults.fork_with_threads import ForkWithThreads
from sim.faults.freeze import Freeze
from sim.faults.gated_import import GatedImport
from sim.faults.import_twice import ImportTwice
from sim.faults.kill import Kill
from sim.faults.late_attach import LateAttach
from sim.faults.limit import Limit
from sim.faults.link_down import LinkDown
from sim.faults.missing_module import MissingModule
from sim.faults.never_attach import NeverAttach
from sim.faults.no_main_guard import NoMainGuard
from sim.faults.oversubscribe import Oversubscribe
from sim.faults.partition import Partition
from sim.faults.preload_broken import PreloadBroken
from sim.faults.raise_at_step import RaiseAtStep
from sim.faults.raise_in_read import RaiseInRead
from sim.faults.resource_tracker_unlink import ResourceTrackerUnlink
from sim.faults.restart import Restart
from sim.faults.signal_storm import SignalStorm
from sim.faults.slow import Slow
from sim.faults.slow_host import SlowHost
from sim.faults.slow_import import SlowImport
from sim.faults.small_shm import SmallShm
from sim.faults.stale_region import StaleRegion
from sim.faults.stall import Stall
from sim.faults.start_method_twice import StartMethodTwice
from sim.faults.stop_at_step import StopAtStep
from sim.faults.truncate_region import TruncateRegion
from sim.faults.unlink_region import UnlinkRegion

FAULTS: Mapping[str, Type[Fault]] = {
    Stall.alias: Stall,
    Freeze.alias: Freeze,
    Kill.alias: Kill,
    Restart.alias: Restart,
    Slow.alias: Slow,
    RaiseInRead.alias: RaiseInRead,
    SignalStorm.alias: SignalStorm,
    DisturbWakes.alias: DisturbWakes,
    CpuStarve.alias: CpuStarve,
    Oversubscribe.alias: Oversubscribe,
    ExhaustFds.alias: ExhaustFds,
    UnlinkRegion.alias: UnlinkRegion,
    TruncateRegion.alias: TruncateRegion,
    CorruptWord.alias: CorruptWord,
    SmallShm.alias: SmallShm,
    StaleRegion.alias: StaleRegion,
    LateAttach.alias: LateAttach,
    NeverAttach.alias: NeverAttach,
    CrashAtStep.alias: CrashAtStep,
    StopAtStep.alias: StopAtStep,
    RaiseAtStep.alias: RaiseAtStep,
    BreakExtension.alias: BreakExtension,
    ForeignAbi.alias: ForeignAbi,
    MissingModule.alias: MissingModule,
    FailingImport.alias: FailingImport,
    SlowImport.alias: SlowImport,
    GatedImport.alias: GatedImport,
    ImportTwice.alias: ImportTwice,
    StartMethodTwice.alias: StartMethodTwice,
    NoMainGuard.alias: NoMainGuard,
    PreloadBroken.alias: PreloadBroken,
    ForkWithThreads.alias: ForkWithThreads,
    ResourceTrackerUnlink.alias: ResourceTrackerUnlink,
    EnvVar.alias: EnvVar,
    Limit.alias: Limit,
    Partition.alias: Partition,
    LinkDown.alias: LinkDown,
    BadLink.alias: BadLink,
    SlowHost.alias: SlowHost,
}
