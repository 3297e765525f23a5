"""Hosts of a run that are network namespaces, each joined by a veth pair to a switch.

The switch, a bridge in a namespace of its own, is where links are cut and narrow: at a queue of its
own a host would know what it drops, and TCP would not wait as it does for a network. No namespace
has a name: it lives by our descriptor and by the processes in it, and with it go its ends of the
links, so that nothing can be left behind. See network_namespaces(7), veth(4), bridge(8), tc-tbf(8).
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from sim.errors import WorldError
from sim.live.task import RemoteLeg
from sim.live.watcher import OWNER
from sim.scenario.plan import Plan, ProcessPlan

TOOLS = ("unshare", "nsenter", "ip", "bridge", "tc")
DEADLINE_S = 60.0  # of a tool on a loaded machine
# States of a bridge's port, which forwards or drops what comes and goes; no host can tell.
DISABLED, FORWARDING = 0, 3
# What a narrow link lets through at once, and holds back before it drops.
NARROW = "tbf rate {rate}bps burst 16kb limit 256kb"
PORT = 5555  # the namespace is the run's own
DEVICE = "eth0"  # of each host
WRITER_ADDRESS = "10.99.0.1"


@dataclass
class _Link:
    """From the switch to a host, by that one's index."""

    index: int
    is_cut: bool = False
    bandwidth: Optional[float] = None  # bytes per second
    dropped: int = 0  # by queues that are gone

    @property
    def port(self) -> str:
        return f"port{self.index}"

    @property
    def address(self) -> str:
        return f"10.99.0.{2 + self.index}"


class LiveHosts:
    """Satisfies sim.abc.Network."""

    def __init__(self, names: Sequence[str], owner: str) -> None:
        """Of the hosts beside the writer's; `owner`: as processes of ours carry it in their
        environment."""
        self._env = {**os.environ, OWNER: owner}
        self._links = {name: _Link(index) for index, name in enumerate(names)}
        self._own = self._switch = -1  # descriptors of namespaces
        self._others: Dict[str, int] = {}

    def open(self) -> None:
        """Make them; the writer's too, where there are others. Raises WorldError."""
        if not self._links:
            return
        with self._new_namespace() as holder:
            self._switch = _namespace_of(holder)
        self._ip(self._switch, "link add switch type bridge", "link set switch up")
        self._own = self._plugged_in("writer", WRITER_ADDRESS)
        for name, link in self._links.items():
            self._others[name] = self._plugged_in(link.port, link.address)

    def _plugged_in(self, port: str, address: str) -> int:
        """A new host, its end of the link up."""
        with self._new_namespace() as holder:
            host = _namespace_of(holder)
            made = f"link add {port} type veth peer name {DEVICE} netns {holder}"
            self._ip(self._switch, made, f"link set {port} master switch up")
        self._ip(host, "link set lo up", f"addr add {address}/24 dev {DEVICE}")
        self._ip(host, f"link set {DEVICE} up")
        return host

    @contextmanager
    def _new_namespace(self) -> Iterator[int]:
        """The pid of who is in it, for as long."""
        pipe = subprocess.PIPE
        with subprocess.Popen(
            ["unshare", "--net", "cat"],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,  # a Ctrl-C in the terminal is the runner's alone
            env=self._env,
            bufsize=0,
        ) as holder:
            assert holder.stdin is not None and holder.stdout is not None
            with suppress(BrokenPipeError):  # it is gone, and has said why
                holder.stdin.write(b"?\n")
            if not holder.stdout.readline():  # it answers once it is inside
                said = holder.communicate()[1].decode(errors="replace").strip()
                raise WorldError("unshare", pid=holder.pid, detail=said)
            yield holder.pid

    def close(self) -> None:
        """Idempotent. Who is inside keeps a namespace alive."""
        for fd in {self._own, self._switch, *self._others.values()} - {-1}:
            os.close(fd)
        self._own, self._switch, self._others = -1, -1, {}

    def state(self, name: str) -> str:
        """As sim.abc.World.state, of who is no process that was started."""
        return "running" if name in self._links else "absent"

    # What participants are told.

    def namespaces(self, process: ProcessPlan) -> Sequence[str]:
        """What it enters first."""
        fd = self._own if process.host is None else self._others[process.host]
        return [f"/proc/{os.getpid()}/fd/{fd}"] if fd >= 0 else []

    def leg(self, process: ProcessPlan, plan: Plan) -> Optional[RemoteLeg]:
        """What is between a writer and readers on other hosts; None: it has no part in that."""
        if process.host is not None:
            return RemoteLeg(f"tcp://{WRITER_ADDRESS}:{PORT}")
        readers = sum(each.host is not None for each in plan.processes)
        if process.role == "writer" and readers:
            return RemoteLeg(f"tcp://*:{PORT}", readers)
        return None

    # sim.abc.Network

    def cut(self, host: str) -> None:
        self._links[host].is_cut = True
        self._set_port(host)

    def mend(self, host: str) -> None:
        self._links[host].is_cut = False
        self._set_port(host)

    def worsen(self, host: str, extra_ns: int, loss: float, bandwidth: Optional[float]) -> None:
        assert not extra_ns and not loss, "sim.scenario.hosts refuses what would need sch_netem"
        self._links[host].bandwidth = bandwidth
        self._shape(host)

    def restore(self, host: str) -> None:
        self._links[host].bandwidth = None
        self._shape(host)

    def set_interface(self, host: str, *, is_up: bool) -> None:
        self._ip(self._others[host], f"link set {DEVICE} {'up' if is_up else 'down'}")
        if is_up:
            self._set_port(host)  # a port whose link comes up forwards

    def link(self, host: str) -> Mapping[str, Any]:
        """As the kernel says: of the queues at both ends, of the switch's port and of the host."""
        link = self._links[host]
        queues = [self._queue(fd, name) for fd, name in self._ends(host)]
        port = self._ask(self._switch, ["ip", "-j", "-d", "link", "show", link.port])[0]
        found = self._ask(self._others[host], ["ip", "-j", "-s", "link", "show", DEVICE])[0]
        return {
            "is_up": "UP" in found["flags"],
            "is_cut": port["linkinfo"]["info_slave_data"]["state"] != "forwarding",
            "is_worse": all(each["kind"] == "tbf" for each in queues),
            "dropped": link.dropped + sum(each["drops"] for each in queues),
            "received_bytes": found["stats64"]["rx"]["bytes"],
        }

    def slow_host(self, host: str, factor: float) -> float:
        raise AssertionError("sim.scenario.hosts refuses it")

    # How.

    def _set_port(self, host: str) -> None:
        link = self._links[host]
        state = DISABLED if link.is_cut else FORWARDING
        told = ["bridge", "link", "set", "dev", link.port, "state", str(state)]
        self._tool(self._switch, told)

    def _shape(self, host: str) -> None:
        link = self._links[host]
        for fd, name in self._ends(host):
            now = self._queue(fd, name)
            if now["kind"] == "tbf":
                self._tool(fd, ["tc", "qdisc", "del", "dev", name, "root"])
                link.dropped += now["drops"]
            if link.bandwidth is not None:
                shape = NARROW.format(rate=max(1, round(link.bandwidth))).split()
                self._tool(fd, ["tc", "qdisc", "add", "dev", name, "root", *shape])

    def _ends(self, host: str) -> Sequence[Tuple[int, str]]:
        """Of its link: the namespace that it is in, and its name there."""
        return (self._switch, self._links[host].port), (self._others[host], DEVICE)

    def _queue(self, fd: int, name: str) -> Mapping[str, Any]:
        asked = ["tc", "-s", "-j", "qdisc", "show", "dev", name]
        found: List[Mapping[str, Any]] = self._ask(fd, asked)
        return next(each for each in found if each.get("root"))

    def _ip(self, fd: int, *lines: str) -> None:
        self._tool(fd, ["ip", "-batch", "-"], "\n".join(lines) + "\n")

    def _ask(self, fd: int, command: Sequence[str]) -> Any:
        return json.loads(self._tool(fd, command))

    def _tool(self, fd: int, command: Sequence[str], text: str = "") -> str:
        """Its output; what it does it does in the namespace. Raises WorldError."""
        try:
            done = subprocess.run(
                ["nsenter", f"--net=/proc/self/fd/{fd}", *command],
                input=text,
                capture_output=True,
                text=True,
                pass_fds=[fd],
                start_new_session=True,
                env=self._env,
                timeout=DEADLINE_S,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            detail = f"{' '.join(command)}: {error.stderr.strip()}"
            raise WorldError(command[0], detail=detail) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise WorldError(command[0], detail=str(error)) from error
        return done.stdout


def _namespace_of(pid: int) -> int:
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def remote_hosts(plan: Plan) -> Sequence[str]:
    """Beside the writer's."""
    return tuple(dict.fromkeys(p.host for p in plan.processes if p.host is not None))


def lack_of_hosts(plan: Plan) -> Optional[str]:
    """Why this host cannot be several; None where it can, or where the plan needs no other."""
    return lack() if remote_hosts(plan) else None


@functools.lru_cache(maxsize=1)
def lack() -> Optional[str]:
    """Tried, not guessed."""
    if importlib.util.find_spec("zmq") is None:
        return "readers on other hosts need pyzmq: pip install 'spinbed[remote]'"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"this host cannot join network namespaces: it has no {' and no '.join(missing)}"
    trial = LiveHosts(["trial"], "spinbed.trial")
    try:
        trial.open()
        trial.cut("trial")
        trial.worsen("trial", 0, 0.0, 1e6)
    except WorldError as error:
        return f"this host cannot join network namespaces: {error}"
    finally:
        trial.close()
    return None
