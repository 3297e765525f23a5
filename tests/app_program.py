"""The program of test_programs.py: each function of it does one thing, right or wrong."""

from __future__ import annotations

PROGRAM = """
import logging, multiprocessing, os, signal, subprocess, sys, threading, time
import spinbed

def fine():
    spinbed.probe("ready", answer=42)
    logging.getLogger("app").warning("careful: %d", 1)
    print("hello")
    print("oops", file=sys.stderr)

def raises():
    {}["no such key"]

def hangs():
    spinbed.probe("ready")
    threading.Event().wait()

def hangs_with_a_semaphore():
    context = multiprocessing.get_context("spawn")
    lock = context.Lock()
    child = context.Process(target=time.sleep, args=(600,), daemon=True)
    child.start()
    spinbed.probe("ready", path="/dev/shm/sem." + lock._semlock.name[1:])
    threading.Event().wait()

def ignores_sigterm():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hangs()

def floods():
    while True:
        os.write(1, b"0123456789abcdef" * 4096)

def leaves_a_process():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"],
                     start_new_session=True)

def daemonises():
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    threading.Event().wait()

def fills_its_folder():
    os.makedirs(os.path.join(os.environ["SPINBED_FOLDER"], "a", "b"))
    print(os.environ["SPINBED_FOLDER"])

def leaves_one_that_ends():
    ends = os.pipe()
    os.set_inheritable(ends[0], True)
    code = f"import os; os.read({ends[0]}, 1); import json, logging, socket"
    subprocess.Popen([sys.executable, "-c", code], pass_fds=[ends[0]], start_new_session=True)

def waits_for_a_process():
    code = "import threading; threading.Event().wait()"
    subprocess.run([sys.executable, "-c", code])

def imports_late():
    spinbed.probe("turn")
    import sqlite3

def imports_once_it_is_let_go():
    print("waits", flush=True)
    signal.pause()

def three_times():
    for _ in range(3):
        spinbed.probe("turn")

def is_sane():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT):
        handler = signal.getsignal(number)
        if number != signal.SIGPIPE:  # which the interpreter ignores itself
            assert handler != signal.SIG_IGN, number
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
    assert os.getpgrp() == os.getsid(0) == os.getpid()
    assert os.read(0, 1) == b""
    fds = sorted(map(int, os.listdir("/proc/self/fd")))
    assert len(fds) <= 6, fds  # the standard ones, two for probes, and the listing's own

async def waits(): pass

not_callable = 3
"""
