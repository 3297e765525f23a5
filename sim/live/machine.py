"""What the live world can do around its processes: freezers, quotas, signals, load, limits."""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from cy_kernels.pure.layout import OWNER_EVICTED
from sim.abc import TransportSpec
from sim.errors import WorldError
from sim.live import emulation
from sim.live.cgroup import CPU, FREEZER, FROZEN, THAWED, Group, find_tree, lack
from sim.live.memory import SIGNALS
from sim.live.mounts import SmallShm
from sim.live.process import LiveProcess
from sim.live.region import LiveRegions
from sim.live.supervisor import Supervisor
from sim.live.watcher import OWNER, boot
from sim.transport.words import CURSOR_RING, FLAG_RING, Word, find_word

# The kernel's work or a cold start of a small interpreter: slow only under great load.
DEADLINE_NS = 20_000_000_000
POLL_NS = 1_000_000
STORM_SIGNAL = signal.SIGALRM  # which nothing else of ours uses
US_NS = 1_000
MS_NS = 1_000_000


class LiveMachine:
    """Satisfies sim.abc.Machine. `newest` is the current incarnation of a process, and
    `acknowledged` as the world's."""

    def __init__(
        self,
        prefix: str,
        supervisor: Supervisor,
        regions: LiveRegions,
        spec: TransportSpec,
        newest: Callable[[str], LiveProcess],
        acknowledged: Callable[..., Optional[Mapping[str, Any]]],
    ) -> None:
        self._prefix = prefix
        self._supervisor = supervisor
        self._regions = regions
        self._spec = spec
        self._newest = newest
        self._acknowledged = acknowledged
        self._groups = 0
        self._frozen: Dict[str, Group] = {}
        self._starved: Dict[str, Group] = {}
        self._storms: Dict[str, subprocess.Popen[bytes]] = {}
        self._crowds: Dict[str, List[subprocess.Popen[bytes]]] = {}
        self._fds: Dict[str, Tuple[int, int]] = {}  # soft and hard limit before
        self._shm: Optional[SmallShm] = None

    # CPU time, by control group.

    def freeze(self, process: str) -> str:
        if process not in self._frozen:
            group = self._group(FREEZER, process)
            self._frozen[process] = group
            with _as_world_error("freeze", process):
                group.make(self._pid(process))
                group.freeze()
        group = self._frozen[process]
        return self._freezer_reaches(group, FROZEN)

    def thaw(self, process: str) -> str:
        group = self._frozen.pop(process, None)
        if group is None:
            return THAWED
        with _as_world_error("thaw", process):
            group.thaw()
            state = self._freezer_reaches(group, THAWED)
            self._remove(group)
        return state

    def is_frozen(self, process: str) -> bool:
        return process in self._frozen

    def starve(self, process: str, run_ns: int, of_ns: int) -> Mapping[str, Any]:
        if process not in self._starved:
            group = self._group(CPU, process)
            self._starved[process] = group
            with _as_world_error("limit CPU time", process):
                group.make(self._pid(process))
                group.limit_cpu(run_ns // US_NS, of_ns // US_NS)
        group = self._starved[process]
        with _as_world_error("limit CPU time", process):
            run_us, of_us = group.cpu_limit_us()
            is_inside = group.has(self._pid(process))
        return {"run_ns": run_us * US_NS, "of_ns": of_us * US_NS, "is_inside": is_inside}

    def feed(self, process: str) -> Mapping[str, Any]:
        group = self._starved.pop(process, None)
        if group is None:
            return {"is_limited": False, "throttled": 0}
        with _as_world_error("lift the limit of CPU time", process):
            throttled = group.times_throttled()
            self._remove(group)
        return {"is_limited": os.path.exists(group.path), "throttled": throttled}

    # Signals and load, by processes of our own that die with us.

    def storm(self, process: str, every_ns: int) -> None:
        if process in self._storms:
            return
        life = self._newest(process)
        life.acknowledgements.pop("count", None)
        life.command({"count": int(STORM_SIGNAL)})
        if self._acknowledged(process, "count", within_ns=DEADLINE_NS) is None:
            raise WorldError("signals", pid=life.pid, detail=f"{process} does not answer")
        target = life.pidfd()
        self._storms[process] = self._start(
            "storm", [target, int(STORM_SIGNAL), every_ns], [target]
        )

    def calm(self, process: str) -> None:
        sender = self._storms.pop(process, None)
        if sender is not None:
            _end([sender])

    def signals_received(self, process: str, *, at_least: int, within_ns: int) -> int:
        life = self._newest(process)
        self._poll(lambda: life.memory.words[SIGNALS] >= at_least or life.is_dead, within_ns)
        return int(life.memory.words[SIGNALS])

    # Wake-ups, by way of the trap that the process carries.

    def disturb_wakes(self, process: str, how: str, one_in: int, for_ns: int) -> None:
        life = self._newest(process)
        emulation.disturb(life.memory.trap, how, one_in, for_ns)
        life.release()  # it can only be disturbed while it waits

    def calm_wakes(self, process: str) -> None:
        emulation.calm(self._newest(process).memory.trap)

    def wakes(self, process: str, how: str, *, at_least: int, within_ns: int) -> Mapping[str, Any]:
        life = self._newest(process)

        def is_there() -> bool:
            return emulation.seen(life.memory.trap, how)["disturbed"] >= at_least or life.is_dead

        self._poll(is_there, within_ns)
        return emulation.seen(life.memory.trap, how)

    def crowd(self, process: str, count: int) -> Mapping[str, Any]:
        cores = sorted(os.sched_getaffinity(self._pid(process)))
        if process not in self._crowds:
            started = [self._start("spinner", cores, ()) for _ in range(count)]
            self._crowds[process] = started
            for spinner in started:
                assert spinner.stdout is not None
                if not _is_readable(spinner.stdout.fileno(), DEADLINE_NS // MS_NS):
                    raise WorldError("crowd", pid=spinner.pid, detail="it does not begin to spin")
        pids = [spinner.pid for spinner in self._crowds[process]]
        spinning = [pid for pid in pids if sorted(os.sched_getaffinity(pid)) == cores]
        return {"cores": cores, "pids": spinning}

    def disperse(self, process: str) -> Mapping[str, Any]:
        spinners = self._crowds.pop(process, [])
        spun_ns = [_cpu_time_ns(spinner.pid) for spinner in spinners]
        _end(spinners)
        left = [spinner.pid for spinner in spinners if spinner.returncode is None]
        return {"left": left, "spun_ns": spun_ns}

    # Limits and memory.

    def limit_fds(self, process: str, limit: Optional[int]) -> Optional[int]:
        life = self._newest(process)
        if life.is_dead:
            return None
        pid = self._pid(process)
        with _as_world_error("prlimit", process):
            before = self._fds.setdefault(process, resource.prlimit(pid, resource.RLIMIT_NOFILE))
            if limit is None:
                del self._fds[process]
            # The hard limit stays: without CAP_SYS_RESOURCE it could not be raised again.
            soft = before[0] if limit is None else min(limit, before[0])
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, before[1]))
            return resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]

    def try_open(self, process: str, *, within_ns: int) -> Optional[str]:
        life = self._newest(process)
        life.acknowledgements.pop("open", None)
        life.command({"open": True})
        said = self._acknowledged(process, "open", within_ns=within_ns)
        return None if said is None else str(said["outcome"])

    def read_word(self, name: str) -> int:
        word = self._word(name)
        return self._regions.read_main(word.offset, word.size_bytes)

    def write_word(self, name: str, value: int) -> None:
        word = self._word(name)
        self._regions.write_main(word.offset, word.size_bytes, value)

    def replace_region(self, name: str, value: int) -> Mapping[str, Any]:
        word = self._word(name)
        with _as_world_error("replace", "the region"):
            before, after = self._regions.replace_main(word.offset, word.size_bytes, value)
        return {"before_inode": before, "after_inode": after}

    def give_up(self, rank: Optional[int]) -> bool:
        """On the dead reader of that rank: nobody waits for it any more. False: it is no reader, or
        the transport is not one of ours."""
        spec = self._spec
        if rank is None or not self._regions.is_whole() or not self.can_read_all:
            return False
        if spec.kind == CURSOR_RING:
            self.write_word(f"reader[{rank}].owner", OWNER_EVICTED)
        elif spec.kind == FLAG_RING:
            for slot in range(spec.slots):
                self.write_word(f"slot[{slot}].read[{rank}]", 1)
        return spec.kind in (CURSOR_RING, FLAG_RING)

    def _word(self, name: str) -> Word:
        try:
            return find_word(self._spec, name)
        except KeyError as error:
            raise WorldError("find a word", detail=str(error.args[0])) from None

    def limit_shm(self, size_bytes: int) -> None:
        if self._shm is not None:
            raise WorldError("mount", detail="a run has one /dev/shm, and this one has it already")
        self._shm = SmallShm(size_bytes, self._supervisor.prefix[1:])
        self._regions.move_to(self._shm)

    def shm_size_bytes(self) -> int:
        if self._shm is not None:
            return self._shm.size_bytes()
        found = os.statvfs("/dev/shm")
        return found.f_blocks * found.f_frsize

    @property
    def namespaces(self) -> Sequence[str]:
        """What participants enter before they touch anything."""
        return self._shm.namespaces if self._shm is not None else ()

    @property
    def can_read_all(self) -> bool:
        """False: pages of the region may not be there, and to touch them would be a SIGBUS."""
        return self._shm is None or self._spec.reserve

    def names_left(self) -> Sequence[str]:
        """In a /dev/shm of the run's own."""
        return self._shm.names_with(self._prefix) if self._shm is not None else ()

    # The end.

    def release(self) -> None:
        """Nothing of ours acts on anybody any more. Idempotent."""
        with ExitStack() as each:
            for process in [*self._frozen]:
                each.callback(self.thaw, process)
            for process in [*self._starved]:
                each.callback(self.feed, process)
            for process in [*self._storms]:
                each.callback(self.calm, process)
            for process in [*self._crowds]:
                each.callback(self.disperse, process)

    def close(self) -> None:
        """Idempotent."""
        with ExitStack() as each:
            if self._shm is not None:
                each.callback(self._shm.close)
            each.callback(self.release)

    # How.

    def _pid(self, process: str) -> int:
        life = self._newest(process)
        if life.pid is None or life.is_dead:
            raise WorldError("find", detail=f"{process} does not run")
        return life.pid

    def _group(self, controller: str, process: str) -> Group:
        tree = find_tree(controller)
        if tree is None:
            raise WorldError("cgroup", detail=lack(controller) or "")
        self._groups += 1
        group = Group(tree, f"{self._prefix[1:]}{controller}.{process}.{self._groups}")
        self._supervisor.register_cgroup(group.path)
        return group

    def _freezer_reaches(self, group: Group, state: str) -> str:
        self._poll(lambda: group.freezer_state() == state, DEADLINE_NS)
        return group.freezer_state()

    def _remove(self, group: Group) -> None:
        """A process that is on its way out keeps its group busy for a moment."""

        def is_removed() -> bool:
            try:
                group.remove()
            except FileNotFoundError:
                return True
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                return False
            return True

        if not self._poll(is_removed, DEADLINE_NS):
            raise WorldError("rmdir", errno=errno.EBUSY, detail=group.path)

    def _poll(self, done: Callable[[], bool], within_ns: int) -> bool:
        deadline_ns = time.monotonic_ns() + within_ns
        while not done():
            now_ns = time.monotonic_ns()
            if now_ns >= deadline_ns:
                return False
            self._supervisor.pump(now_ns + POLL_NS)
        return True

    def _start(
        self, module: str, arguments: Sequence[int], fds: Sequence[int]
    ) -> subprocess.Popen[bytes]:
        path = "\n".join(os.path.abspath(entry) for entry in sys.path)
        with _as_world_error("start", module):
            return subprocess.Popen(
                boot(f"sim.live.{module}", path, [os.getpid(), *arguments]),
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                start_new_session=True,  # a Ctrl-C in the terminal is the runner's alone
                env={**os.environ, OWNER: self._supervisor.prefix[1:]},
            )


def _end(helpers: Sequence[subprocess.Popen[bytes]]) -> None:
    for helper in helpers:
        helper.kill()
    for helper in helpers:
        helper.wait()
        assert helper.stdout is not None
        helper.stdout.close()


def _is_readable(fd: int, within_ms: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(within_ms))


def _cpu_time_ns(pid: int) -> int:
    """Of all threads of a process: clock_getcpuclockid(3), as glibc makes it."""
    return time.clock_gettime_ns((~pid << 3) | 2)


@contextmanager
def _as_world_error(call: str, process: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorldError(call, errno=error.errno, detail=f"{process}: {error}") from error
