"""Who gets which signal while a trap is installed, in which thread, and what it leaves when."""

from __future__ import annotations

import signal
import threading
from typing import Iterator

import machine_code as code
import pytest
from trapped import WATCHDOG_S, Shared, ended, outcome

from cy_kernels import trap

WHY_NOT = trap.refusal()
if WHY_NOT is not None:
    pytest.skip(WHY_NOT, allow_module_level=True)

SOON = 100_000  # cycles, some 30 us
WAITS = "code.monitorx(line); code.mwaitx(0, 0)\n"
UD2 = "code.function(code.UD2)()\n"


@pytest.fixture
def shared() -> Iterator[Shared]:
    yield Shared()
    trap.uninstall()


def test_ctrl_c_ends_a_wait_that_nothing_else_would() -> None:
    shared = Shared()
    child = shared.child(WAITS + "print('woke')\nfor _ in range(10**9): pass")
    shared.await_waiting()
    child.send_signal(signal.SIGINT)
    status, out, err = outcome(child)
    assert status == -signal.SIGINT and "KeyboardInterrupt" in err
    assert ended(shared.state()) == {"signal": 1}


@pytest.mark.parametrize("how", [None, "missed", "raced_arm", "raced_wait"])
def test_a_signal_ends_a_wait_and_its_handler_runs(how: str | None) -> None:
    shared = Shared()
    if how is not None:
        trap.disturb(shared.block, how, cycles=2**62)
    handled = "import signal\nsignal.signal(signal.SIGUSR2, lambda *_: print('handled'))\n"
    wakes_later = "code.umonitor(line); code.umwait(code.tsc() + 2 * 10**5)\n"
    child = shared.child(handled + (wakes_later if how == "raced_arm" else WAITS))
    shared.await_state(lambda s: s["held" if how in ("raced_arm", "raced_wait") else "waiting"])
    child.send_signal(signal.SIGUSR2)
    status, out, err = outcome(child)
    assert (status, out, err) == (0, "handled\n", "")


def test_a_signal_that_is_blocked_anyway_ends_no_wait(shared: Shared) -> None:
    trap.install(shared.block, limit_cycles=0)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
        assert signal.SIGUSR2 in signal.sigpending()
        code.tpause(code.tsc() + SOON)
        assert ended(shared.state()) == {"deadline": 1}
        assert signal.sigwait({signal.SIGUSR2}) == signal.SIGUSR2
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_deadly_signal_kills_in_a_wait() -> None:
    shared = Shared()
    child = shared.child(WAITS)
    shared.await_waiting()
    child.send_signal(signal.SIGTERM)
    assert outcome(child)[0] == -signal.SIGTERM


def test_faulthandler_shows_the_stack_of_a_wait() -> None:
    shared = Shared()
    child = shared.child("import signal\nfaulthandler.register(signal.SIGUSR1)\n" + WAITS * 2)
    shared.await_waiting()
    child.send_signal(signal.SIGUSR1)
    shared.await_state(lambda state: state["waits"] == 2)
    shared.store(1)
    status, _, err = outcome(child)
    assert status == 0 and "in mwaitx" in err


def test_an_illegal_instruction_that_is_not_ours_still_kills_with_a_dump() -> None:
    shared = Shared()
    status, out, err = outcome(shared.child("code.umonitor(line)\n" + UD2 + "print('survived')"))
    assert (status, out) == (-signal.SIGILL, "")
    assert err.count("Fatal Python error: Illegal instruction") == 1
    assert shared.state()["handed_on"] >= 1 and shared.seen("umonitor")["emulated"] == 1


def test_it_kills_without_a_word_where_nobody_else_handles_it() -> None:
    shared = Shared()
    reset = "trap.uninstall(); faulthandler.disable(); trap.install(shared.block)\n"
    assert outcome(shared.child(reset + UD2)) == (-signal.SIGILL, "", "")
    ignored = "import signal\nsignal.signal(signal.SIGILL, signal.SIG_IGN)\n"
    calm = "os.kill(os.getpid(), signal.SIGILL); print('lives', flush=True)\n"
    put = "trap.install(shared.block)\n"
    script = "trap.uninstall(); faulthandler.disable()\n" + ignored + put + calm + UD2
    assert outcome(shared.child(script)) == (-signal.SIGILL, "lives\n", "")
    assert shared.state()["handed_on"] == 3


def test_an_illegal_instruction_at_the_end_of_what_is_mapped_kills_as_such() -> None:
    shared = Shared()
    at_the_end = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p] + [ctypes.c_long] * 5
def ends_with(made):
    at = libc.mmap(None, 2 * 4096, 7, 0x22, -1, 0)
    libc.munmap(ctypes.c_void_p(at + 4096), ctypes.c_size_t(4096))
    ctypes.memmove(at + 4096 - len(made), made, len(made))
    return ctypes.CFUNCTYPE(None, ctypes.c_uint64)(at + 4096 - len(made))
ends_with(code.UD2 + bytes.fromhex("f30faef7c3"))(line)
print(shared.seen("umonitor")["emulated"], flush=True)
ends_with(code.UD2)(0)
"""
    status, out, err = outcome(shared.child(at_the_end))
    assert (status, out) == (-signal.SIGILL, "1\n")
    assert "Illegal instruction" in err


def test_a_sent_sigill_goes_to_whoever_had_it_before() -> None:
    shared = Shared()
    script = """
import signal
trap.uninstall()
signal.signal(signal.SIGILL, lambda *_: print("had it", flush=True))
trap.install(shared.block)
os.kill(os.getpid(), signal.SIGILL)
code.umonitor(line)
trap.uninstall()
os.kill(os.getpid(), signal.SIGILL)
"""
    assert outcome(shared.child(script)) == (0, "had it\nhad it\n", "")
    assert (shared.state()["handed_on"], shared.state()["armings"]) == (1, 1)


def test_who_takes_the_signal_later_gets_it_until_the_trap_is_installed_again() -> None:
    shared = Shared()
    late = "trap.uninstall(); faulthandler.disable(); trap.install(shared.block)\n"
    late += "faulthandler.enable()\n"
    status, _, err = outcome(shared.child(late + "code.umonitor(line)"))
    assert status == -signal.SIGILL and err.count("Fatal Python error") == 1
    assert shared.seen("umonitor")["emulated"] == 0
    again = "trap.uninstall(); trap.install(shared.block)\n"
    again += "code.umonitor(line)\nprint('armed', flush=True)\n"
    status, out, err = outcome(shared.child(late + again + UD2))
    assert (status, out) == (-signal.SIGILL, "armed\n")
    assert err.count("Fatal Python error: Illegal instruction") == 1


def test_after_it_is_uninstalled_the_instructions_kill() -> None:
    shared = Shared()
    status, _, err = outcome(shared.child("trap.uninstall()\ncode.umonitor(line)"))
    assert status == -signal.SIGILL and "Illegal instruction" in err
    assert shared.state()["armings"] == 0


def test_who_waits_leaves_when_it_is_uninstalled(shared: Shared) -> None:
    trap.install(shared.block, limit_cycles=0)

    def wait() -> None:
        code.monitorx(shared.line)
        code.mwaitx(0, 0)

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    shared.await_waiting()
    assert trap.is_installed()
    trap.uninstall()
    assert not trap.is_installed()
    waiter.join(WATCHDOG_S)
    assert not waiter.is_alive()
    assert ended(shared.state()) == {"removal": 1}
    trap.uninstall()  # a second time: nothing
    shared.block.release()  # it is held no longer


def test_it_is_installed_once_and_holds_its_buffer(shared: Shared) -> None:
    trap.install(shared.block)
    with pytest.raises(RuntimeError, match="installed already"):
        trap.install()
    trap.uninstall()
    for buffer, error in ((bytearray(8), ValueError), (b"\0" * 4096, BufferError)):
        with pytest.raises(error):
            trap.install(buffer)  # type: ignore[arg-type]
    for line_bytes in (0, 4, 48, 8192):
        with pytest.raises(ValueError, match="power of two"):
            trap.install(line_bytes=line_bytes)
    with pytest.raises(ValueError, match="no trap is installed"):
        trap.state()
    assert not trap.is_installed()


def test_a_fresh_block_of_its_own_starts_at_nothing(shared: Shared) -> None:
    for _ in range(2):
        trap.install()
        code.umonitor(shared.line)
        assert trap.state()["armings"] == 1
        trap.uninstall()


def test_every_thread_has_a_monitor_of_its_own(shared: Shared) -> None:
    trap.install(shared.block, limit_cycles=0)
    woke: list[int] = []

    def wait(number: int) -> None:
        code.umonitor(shared.line + 64 * number)
        code.umwait(2**62)
        woke.append(number)

    threads = [threading.Thread(target=wait, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    for number in (2, 0, 3, 1):
        shared.await_waiting(4 - len(woke))
        shared.store(1, 64 * number)
        threads[number].join(WATCHDOG_S)
    assert woke == [2, 0, 3, 1]
    assert ended(shared.state()) == {"change": 4}


def test_more_threads_than_monitors_wake_for_nothing_at_worst(shared: Shared) -> None:
    trap.install(shared.block, limit_cycles=0)
    everybody = threading.Barrier(300)

    def wait() -> None:
        code.umonitor(shared.line)
        everybody.wait(WATCHDOG_S)  # all have armed: more than there are places for
        code.umwait(code.tsc() + SOON)

    before = threading.stack_size(256 * 1024)
    threads = [threading.Thread(target=wait, daemon=True) for _ in range(300)]
    threading.stack_size(before)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WATCHDOG_S)
        assert not thread.is_alive()
    found = ended(shared.state())
    assert sum(found.values()) == 300 and found["unarmed"] >= 44


FORKS = """
import threading
waiter = threading.Thread(target=lambda: (code.monitorx(line), code.mwaitx(0, 0)))
waiter.start()
shared.await_waiting()
pid = os.fork()
if pid == 0:
    code.umonitor(line + 64)
    trap.uninstall()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
shared.store(1)
waiter.join()
"""


def test_a_forked_child_has_the_trap_and_not_its_parents_waiters() -> None:
    shared = Shared()
    status, out, err = outcome(shared.child(FORKS))
    assert (status, out) == (0, "7\n"), err
    assert shared.seen("umonitor")["emulated"] == 1
    assert ended(shared.state()) == {"change": 1}
