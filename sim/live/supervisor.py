"""Starts, hears and reaps live processes: the runner's end of watcher and template.

One Supervisor serves one thread and many runs, because a fresh interpreter costs 100 ms and a fork
of the template 1 to 2 ms. Whatever becomes of us, the watcher cleans up (sim/live/watcher.py).
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from contextlib import ExitStack
from typing import Any, Callable, Dict, List, Optional, Protocol, Sequence, Union

from sim.errors import WorldError
from sim.live.litter import end_cgroup, remove_files, shm_starts
from sim.live.region import owner_prefix
from sim.live.watcher import OWNER, boot, escaped

# Two interpreters with all their imports; on a machine with many more processes than cores this
# takes seconds.
START_DEADLINE_NS = 60_000_000_000
CLOSE_DEADLINE_S = 60.0
REGISTER_DEADLINE_NS = 20_000_000_000  # the watcher only has to answer
PACKET_BYTES_MAX = 65536


# A child that the runner forks without exec inherits the lifeline, and would keep the watcher from
# seeing the runner's end.
_lifelines: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _close_lifelines() -> None:
    for lifeline in list(_lifelines):
        lifeline.close()


os.register_at_fork(after_in_child=_close_lifelines)


Source = Union[socket.socket, int]  # a descriptor


class Listener(Protocol):
    """Hears what becomes of one spawned process."""

    def on_spawned(self, pid: int, death: int) -> None:
        """`death` is a pidfd, and the listener's to close."""

    def on_exit(self, code: int) -> None:
        """The exit status, or minus the signal's number."""


class Supervisor:
    """Use as a context manager. Only `abort` may be called from another thread."""

    def __init__(self) -> None:
        self.prefix = owner_prefix()
        self._runs = 0
        self._keys = 0
        self._listeners: Dict[int, Listener] = {}
        self._resources = ExitStack()
        self._selector: selectors.BaseSelector
        self._template: socket.socket
        self._lifeline: socket.socket
        self._watcher: Optional[subprocess.Popen[bytes]] = None
        self._is_up = False
        self._asked = self._registered = 0  # what the watcher is to remove, and knows of
        self._files = shm_starts(self.prefix)
        self._cgroups: List[str] = []
        self._abort_read = self._abort_write = -1
        self._abort_lock = threading.Lock()
        self.failure: Optional[WorldError] = None  # once set, this supervisor is of no more use

    def __enter__(self) -> Supervisor:
        try:
            self._start()
        except OSError as error:
            self._close()
            raise WorldError("start of the watcher", errno=error.errno) from error
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def abort(self) -> None:
        """Whatever runs here ends soon with a WorldError. A no-op once we are closed."""
        with self._abort_lock:  # or we might write into somebody else's descriptor
            if self._abort_write >= 0:
                os.write(self._abort_write, b"x")

    def next_run_prefix(self) -> str:
        """For the names of one run; registered with the watcher since our start."""
        self._runs += 1
        return f"{self.prefix}.r{self._runs}."

    def temporaries(self, folder: str) -> str:
        """How paths of temporary files in this folder begin, so that none outlives us."""
        start = os.path.join(os.path.abspath(folder), f"{self.prefix[1:]}.")
        if start not in self._files:
            self._files.append(start)
            self._register("register-files", start)
        return start

    def folder_of(self, run: str) -> str:
        """Where the run of that prefix may keep files; not made yet. No other run's begins so."""
        return self.temporaries(tempfile.gettempdir()) + run.rpartition(".r")[2]

    def register_cgroup(self, path: str) -> None:
        """Call before it is made. Its last part begins with `prefix`, less the slash. Whatever
        becomes of us, it is thawed, its processes are killed, and it is removed."""
        assert os.path.basename(path).startswith(self.prefix[1:]), path
        if path not in self._cgroups:
            self._cgroups.append(path)
            self._register("register-cgroup", path)

    def _register(self, verb: str, what: str) -> None:
        """Returns when the watcher knows."""
        self._asked += 1
        try:
            self._lifeline.sendall(f"{verb} {escaped(what)}\n".encode())
        except OSError as error:
            raise self._fail("write to the watcher", errno=error.errno) from error
        deadline_ns = time.monotonic_ns() + REGISTER_DEADLINE_NS
        while self._registered < self._asked:
            if time.monotonic_ns() > deadline_ns:
                raise self._fail("watcher", detail=f"no answer to {verb}")
            self.pump(deadline_ns)

    def spawn(self, listener: Listener, start: str, fds: Sequence[int]) -> None:
        """`fds` as the template takes them; the caller keeps and closes its copies."""
        self._keys += 1
        self._listeners[self._keys] = listener
        message = json.dumps({"spawn": self._keys, "start": start, "prefix": self.prefix}).encode()
        try:
            socket.send_fds(self._template, [message], fds)
        except OSError as error:
            raise self._fail("sendmsg to the template", errno=error.errno) from error

    def listen(self, source: Source, on_readable: Callable[[], object]) -> None:
        self._selector.register(source, selectors.EVENT_READ, on_readable)

    def unlisten(self, source: Source) -> None:
        self._selector.unregister(source)

    def pump(self, until_ns: int) -> None:
        """Handle what has happened; wait for it until then. Raises WorldError if we are broken."""
        if self.failure is not None:
            raise self.failure
        timeout_s = max(0, until_ns - time.monotonic_ns()) / 1e9
        for event, _ in self._selector.select(timeout_s):
            try:
                event.data()
            except KeyboardInterrupt:  # what it had taken from its socket may be lost
                self._fail("run", detail="it was interrupted")
                raise

    def _start(self) -> None:
        self._abort_read, self._abort_write = os.pipe()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._lifeline = self._resources.enter_context(ours)
        _lifelines.add(ours)
        our_commands, their_commands = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._template = self._resources.enter_context(our_commands)
        self._selector = self._resources.enter_context(selectors.DefaultSelector())
        path = "\n".join(os.path.abspath(entry) for entry in sys.path)
        fds = [theirs.fileno(), their_commands.fileno()]
        with theirs, their_commands:
            self._watcher = subprocess.Popen(
                boot("sim.live.watcher", path, fds),
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C in the terminal is the runner's alone
                env={**os.environ, OWNER: self.prefix[1:]},
            )
        self._selector.register(self._lifeline, selectors.EVENT_READ, self._on_lifeline)
        self._selector.register(self._template, selectors.EVENT_READ, self._on_template)
        self._selector.register(self._abort_read, selectors.EVENT_READ, self._on_abort)
        self._asked += 1
        self._lifeline.sendall(f"register {self.prefix}\n".encode())
        deadline_ns = time.monotonic_ns() + START_DEADLINE_NS
        while not (self._is_up and self._registered):
            if time.monotonic_ns() > deadline_ns:
                raise self._fail("start of watcher and template", detail="no answer in time")
            self.pump(deadline_ns)

    def _on_lifeline(self) -> None:
        try:
            received = self._lifeline.recv(PACKET_BYTES_MAX)
        except ConnectionResetError:  # it went with something of ours unread
            received = b""
        if not received:
            raise self._fail("watcher", detail="it is gone")
        for line in received.decode().splitlines():
            verb, _, rest = line.partition(" ")
            if verb.startswith("registered"):
                self._registered += 1
            else:
                code = os.waitstatus_to_exitcode(int(rest))
                raise self._fail("template", detail=f"it died: {describe_exit(code)}")

    def _on_template(self) -> None:
        try:
            packet, fds, _, _ = socket.recv_fds(self._template, PACKET_BYTES_MAX, 1)
        except ConnectionResetError:  # it went with something of ours unread
            packet, fds = b"", []
        if not packet:
            # The watcher is about to say how it died, and that is worth waiting for.
            self._selector.unregister(self._template)
            return
        for fd in fds:
            os.set_inheritable(fd, False)  # recv_fds forgets its flags (CPython 3.9 to 3.13)
        message: Dict[str, Any] = json.loads(packet)
        if "spawned" in message:
            self._listeners[message["spawned"]].on_spawned(message["pid"], fds[0])
        elif "exit" in message:
            self._listeners.pop(message["exit"]).on_exit(message["code"])
        else:
            self._is_up = True

    def _on_abort(self) -> None:
        raise self._fail("run", detail="it was told to stop")

    def _fail(
        self,
        call: str,
        *,
        errno: Optional[int] = None,
        pid: Optional[int] = None,
        detail: str = "",
    ) -> WorldError:
        self.failure = WorldError(call, errno=errno, pid=pid, detail=detail)
        return self.failure

    def _close(self) -> None:
        """Closing the lifeline is the order to clean up."""
        with self._abort_lock:
            for fd in {self._abort_read, self._abort_write} - {-1}:
                os.close(fd)
            self._abort_read = self._abort_write = -1
        self._resources.close()
        if self._watcher is not None:
            try:
                self._watcher.wait(CLOSE_DEADLINE_S)
            except subprocess.TimeoutExpired as late:
                raise WorldError("watcher", pid=self._watcher.pid, detail=str(late)) from late
            finally:
                self._remove_rest()

    def _remove_rest(self) -> None:
        """Nothing is there, unless somebody killed the watcher."""
        with ExitStack() as last_first:
            last_first.callback(remove_files, self._files)
            for cgroup in self._cgroups:
                last_first.callback(end_cgroup, cgroup)


def describe_exit(code: int) -> str:
    """As in the outcome of an exit op: "0", "3", "SIGKILL"."""
    if code >= 0:
        return str(code)
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"SIG{-code}"  # a real-time signal has no name of its own
