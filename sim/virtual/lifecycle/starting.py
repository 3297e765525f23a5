"""How multiprocessing starts a process: by fork, by spawn, by a fork server.

A forked process has a copy of everything, with the locks as they are, and one thread. A spawned one
starts with nothing but what its parent has pickled for it; one of a fork server likewise, but for
what that server has imported in advance.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple

from sim.virtual.lifecycle.channels import Channel, End, Parcel
from sim.virtual.lifecycle.machine import Process
from sim.virtual.lifecycle.multiprocess import Child, packed, unpacked
from sim.virtual.lifecycle.steps import FORK_NS, MS, Exited, S, Steps, Wait, modelled
from sim.virtual.lifecycle.tracking import ensure_tracker, inherit_tracker

if TYPE_CHECKING:
    from sim.virtual.lifecycle.interpreter import Interpreter

PREFIX = {"fork": "ForkProcess", "spawn": "SpawnProcess", "forkserver": "ForkServerProcess"}
BOOTSTRAPPING = """
        An attempt has been made to start a new process before the
        current process has finished its bootstrapping phase.

        This probably means that you are not using fork to start your
        child processes and you have forgotten to use the proper idiom
        in the main module:

            if __name__ == '__main__':
                freeze_support()
                ...
"""
REQUEST_NS_MAX = 1 * S
SENT_NS = 50 * MS  # from a connection to the end of the request, as sim.inside.start_hooks has it

Target = Callable[..., Steps[None]]


def start(
    py: Interpreter,
    target: Target,
    *args: Any,
    method: Optional[str] = None,
    daemon: bool = False,
) -> Steps[Child]:
    """Process(target, args).start() of a context; without `method`, of the default one."""
    if py.mp.is_importing_main:
        raise modelled(RuntimeError(BOOTSTRAPPING))
    kind = py.mp.context(method)
    py.mp.count += 1
    child = Child(f"{PREFIX[kind] if method else 'Process'}-{py.mp.count}", daemon)
    yield from STARTS[kind](py, child, target, args)
    py.mp.children.append(child)
    return child


def _fork(py: Interpreter, child: Child, target: Target, args: Sequence[Any]) -> Steps[None]:
    py.flush()
    yield from py.hooks.before_fork(py)
    yield from py.sleep(FORK_NS)
    process, copied, theirs = forked(py, args)
    child.process = process
    steps = _bootstrap(copied, child.name, target(copied, *theirs))
    py.machine.start_thread(process, steps, ident=py.ident)
    py.hooks.after_fork_in_parent(py)
    yield None


def forked(py: Interpreter, args: Sequence[Any]) -> Tuple[Process, Interpreter, Sequence[Any]]:
    """fork(2), and what Python does after it in the child: one thread, and locks as they are but
    for those that somebody makes anew. Its memory and `args` are copies; the kernel's is shared."""
    parent = py.process
    process = py.machine.start_process(parent, parent.program, parent.command)
    process.is_fork = True
    for number, each in parent.files.items():
        process.files[number] = each.opened()
    copied, theirs = copy.deepcopy((py, tuple(args)), {id(parent): process})
    process.interpreter = copied
    for thread in copied.threads.values():
        thread.is_over = True
    copied.threads.clear()
    copied.logging.after_fork_in_child()
    copied.mp.children = []  # they are its parent's
    return process, copied, theirs


def _bootstrap(py: Interpreter, name: str, steps: Steps[None]) -> Steps[None]:
    """BaseProcess._bootstrap, then os._exit."""
    status = yield from py.ends_with(steps, before=f"Process {name}:\n")
    yield from py.mp.exit_function(py)
    for thread in list(py.threads.values()):
        if not thread.is_daemon:
            yield from py.join(thread)
    py.flush()
    raise Exited(status)


def _spawn(py: Interpreter, child: Child, target: Target, args: Sequence[Any]) -> Steps[None]:
    yield from ensure_tracker(py)
    parcel = packed(py, args)
    process = py.machine.start_process(py.process, py.process.program, "spawn_main")
    made = anew(py, process)
    child.process = process
    steps = _spawned(made, child.name, _prepared(py, made, target, unpacked(parcel, process)))
    py.machine.start_thread(process, steps)
    yield from py.sleep(FORK_NS)


def anew(py: Interpreter, process: Process) -> Interpreter:
    """An interpreter that this one executes in the new process."""
    made = type(py)(py.machine, process, py.behaviour, py.environ)
    made.mp.tracker_end = inherit_tracker(py, process)
    return made


def _spawned(py: Interpreter, name: str, steps: Steps[None]) -> Steps[None]:
    yield from py.begin()
    yield from _bootstrap(py, name, steps)


def _prepared(
    py: Interpreter, made: Interpreter, target: Target, args: Sequence[Any]
) -> Steps[None]:
    """spawn.prepare in the new process: sys.path, and the main module once more under another
    name. What is called then is found by its name in its module, which has to be imported."""
    path, main_path = list(py.path), py.main_path

    def steps() -> Steps[None]:
        made.path = path
        if main_path is not None:
            made.mp.is_importing_main = True
            name = "__main__" if made.hooks.takes_guard_away(made) else "__mp_main__"
            yield from made.run_path(main_path, name)
            made.mp.is_importing_main = False
        subject = target.__globals__.get("SUBJECT")
        if subject is not None and main_path is None:
            yield from made.imports.import_module(made, subject)
        yield from target(made, *args)

    return steps()


# The fork server.


def ensure_running(py: Interpreter) -> Steps[None]:
    """forkserver.ensure_running: one that has ended is started again."""
    yield None
    mp = py.mp
    if mp.server is not None and not mp.server.is_dead:
        return
    for number in mp.server_ends:
        py.process.close(number)
    yield from ensure_tracker(py)
    process = mp.server = py.machine.start_process(py.process, py.process.program, "forkserver")
    made = anew(py, process)
    made.hooks.is_server = True
    listener, lives_by = Channel("listener"), Channel("alive")
    mp.server_ends = (py.process.open(listener.ends[1]), py.process.open(lives_by.ends[1]))
    ends = (listener.ends[0], lives_by.ends[0])
    for end in ends:
        process.open(end)
    modules = [name for name in py.hooks.preloads if name not in mp.preload] + mp.preload
    py.machine.start_thread(process, made.run(lambda them: _serve(them, modules, *ends)))


def _serve(py: Interpreter, modules: List[str], listener: End, lives_by: End) -> Steps[None]:
    py.listens_to = (listener, lives_by)
    for name in modules:
        try:
            yield from py.imports.import_module(py, name)
        except ImportError:
            pass
    while True:
        yield Wait(lambda: bool(listener.queue) or lives_by.is_readable, lives_by)
        if not listener.queue:
            return  # its program has ended
        parcel = listener.queue.popleft()
        name, steps, tells = parcel.content
        process, copied, _ = forked(py, ())
        child_steps = steps(copied, process)
        tells.peer.queue.append(Parcel(process.pid))
        for each in parcel.descriptors:
            each.closed()
        py.machine.start_thread(process, _bootstrap(copied, name, child_steps), ident=py.ident)


def await_request(py: Interpreter) -> Steps[None]:
    """In a module that a fork server preloads: until somebody asks that server for a process."""
    if py.listens_to:
        listener, lives_by = py.listens_to
        until_ns = py.now_ns + REQUEST_NS_MAX
        yield Wait(lambda: bool(listener.queue) or lives_by.is_readable, lives_by, until_ns)
        yield from py.sleep(SENT_NS)


def _ask_server(py: Interpreter, child: Child, target: Target, args: Sequence[Any]) -> Steps[None]:
    """popen_forkserver: the server tells the number of the new process, or ends before it does."""
    yield from ensure_running(py)
    given = packed(py, args)
    tells, is_told = Channel("status").ends
    number = py.process.open(is_told)

    def steps(made: Interpreter, process: Process) -> Steps[None]:
        for each in [n for n, end in process.files.items() if end in made.listens_to]:
            process.close(each)
        return _prepared(py, made, target, unpacked(given, process))

    listener = py.process.files[py.mp.server_ends[0]]
    assert isinstance(listener, End)
    if listener.peer.count == 0:
        raise modelled(ConnectionRefusedError(111, "Connection refused"))
    listener.peer.queue.append(Parcel((child.name, steps, tells), tells))
    while not is_told.queue:
        if is_told.peer.count == 0:
            py.process.close(number)
            for each in given.descriptors:
                each.closed()
            raise modelled(EOFError("unexpected EOF"))
        yield Wait(lambda: is_told.is_readable, is_told)
    child.process = py.machine.processes[is_told.queue.popleft().content]
    py.process.close(number)


STARTS: Dict[str, Callable[..., Steps[None]]] = {
    "fork": _fork,
    "spawn": _spawn,
    "forkserver": _ask_server,
}
