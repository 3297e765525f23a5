"""The process that looks at another one's waits, asks for stacks and writes the report.

It shares the page with the process that it looks at, and has one end of a channel, on which that
sends wake-ups and the descriptors to which reports go. It ends with the process, of which it has a
pidfd, however that ends, and when the channel closes, as by an exec. It is nobody's child: a
program that waits for its children does not wait for this one.

A wait's time is counted by looks, each of them for two intervals at most. A host that was
suspended, or so busy that nobody ran, is not taken for a wait that stands still.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from typing import Dict, List, Optional

from sim.live.procfs import is_stopped
from sim.watch import page as at
from sim.watch.asking import ask_all
from sim.watch.ending import end_below
from sim.watch.family import Family
from sim.watch.page import SLOT_WORDS, Page
from sim.watch.telling import overdue, report, standstill

# What comes with a descriptor: the slot whose reports go there, or one of these.
STDERR, LAST = 0, at.SLOTS
WAKE = b"wake"
MESSAGE_BYTES_MAX = 64

IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE)
PAGE_FD, CHANNEL_FD = 3, 4
OWN_FDS = 5
# A tenth of the shortest stall, within these.
INTERVAL_NS_MIN, INTERVAL_NS_MAX = 50_000_000, 1_000_000_000
# With nothing due it is woken. The process's store and its look whether we sleep are not ordered
# against ours: this is what a wake-up that is missed may cost.
ASLEEP_NS = 1_000_000_000
# A wait that is given up: from the signal that raises there to the end of what it has started,
# and on to the end of the process, which then is in C and holds the GIL.
CHILDREN_NS, PROCESS_NS = 1_000_000_000, 10_000_000_000
WRITE_MS = 10_000  # for somebody who reads too slowly
WRITE_BYTES = 4096  # no more than a pipe that is writable takes at once


def main(owner: int) -> None:
    for ignored in IGNORED:
        signal.signal(ignored, signal.SIG_IGN)
    os.setsid()
    os.chdir("/")
    for number in map(int, os.listdir("/proc/self/fd")):
        if number >= OWN_FDS:  # not closed by an exec, and not ours to hold
            try:
                os.close(number)
            except OSError:
                pass  # it was the listing's
    death = os.pidfd_open(owner)
    if os.getppid() != owner or os.fork():
        os._exit(0)
    channel = socket.socket(fileno=CHANNEL_FD)
    channel.send(str(os.getpid()).encode())
    Monitor(owner, death, channel, Page(PAGE_FD)).watch()


class Standstill:
    """What is known of one entrance of a wait."""

    def __init__(self, entrance: int, count: int, spent_ns: int) -> None:
        self.entrance = entrance
        self.count = count
        self.standing_ns = 0  # since the last progress
        self.lasting_ns = spent_ns
        self.is_told = False
        self.is_overdue = False
        self.given_up_ns: Optional[int] = None  # since then
        self.has_lost_children = False
        self.text = ""


class Monitor:
    def __init__(self, owner: int, death: int, channel: socket.socket, page: Page) -> None:
        self._owner = owner
        self._family = Family(owner)
        self._death = death
        self._channel = channel
        self._page = page
        self._words = page.words
        self._files: Dict[int, int] = {}
        self._known: Dict[int, Standstill] = {}
        self._polled = select.poll()
        self._polled.register(death, select.POLLIN)
        self._polled.register(channel, select.POLLIN)

    def watch(self) -> None:
        """Until the process is gone."""
        looked_ns = time.monotonic_ns()
        while True:
            due = self._page.due()
            self._words[at.IS_ASLEEP] = not due
            interval_ns = self._interval_ns(due)
            # Looked at again: it may have become due before we said that we sleep.
            if not self._goes_on(interval_ns if due or not self._page.due() else 0):
                self._end_orphans()
                return
            now_ns = time.monotonic_ns()
            passed_ns = min(now_ns - looked_ns, 2 * interval_ns)
            looked_ns = now_ns
            for slot in set(self._known) - set(due):
                del self._known[slot]
            for slot in due:
                self._look(slot, passed_ns)

    def _end_orphans(self) -> None:
        """Of waits that would have been ended by force: whoever dies cannot clean up any more."""
        given_up = [slot for slot in self._page.due() if self._word(slot, at.SIGNAL)]
        if given_up:
            since_ticks = min(self._word(slot, at.SINCE_TICKS) for slot in given_up)
            end_below(self._family, since_ticks)

    def _interval_ns(self, due: List[int]) -> int:
        if not due:
            return ASLEEP_NS
        limits = [self._word(slot, word) for slot in due for word in (at.STALL_NS, at.DEADLINE_NS)]
        tenth_ns = min([limit // 10 for limit in limits if limit], default=INTERVAL_NS_MAX)
        return max(INTERVAL_NS_MIN, min(tenth_ns, INTERVAL_NS_MAX))

    def _goes_on(self, wait_ns: int) -> bool:
        for fd, _ in self._polled.poll(wait_ns / 1e6):
            if fd == self._death:
                return False
            message, received, _, _ = socket.recv_fds(self._channel, MESSAGE_BYTES_MAX, 1)
            if not message:
                return False
            if received:
                key = int(message)
                if key in self._files:
                    os.close(self._files[key])
                self._files[key] = received[0]
        return True

    def _word(self, slot: int, word: int) -> int:
        return self._words[slot * SLOT_WORDS + word]

    def _look(self, slot: int, passed_ns: int) -> None:
        entrance, count = self._word(slot, at.DUE), self._word(slot, at.COUNT)
        known = self._known.get(slot)
        if known is None or known.entrance != entrance:
            self._known[slot] = Standstill(entrance, count, self._word(slot, at.SPENT_NS))
            return
        known.lasting_ns += passed_ns
        if known.count != count or self._word(slot, at.IDLE):
            known.count, known.standing_ns, known.is_told = count, 0, False
        else:
            known.standing_ns += passed_ns
        stall_ns, deadline_ns = self._word(slot, at.STALL_NS), self._word(slot, at.DEADLINE_NS)
        if stall_ns and 2 * known.standing_ns >= stall_ns and is_stopped(self._owner):
            known.standing_ns = 0  # by a debugger or a shell: nothing can be due
        name = self._page.name(slot)
        if deadline_ns and known.lasting_ns >= deadline_ns and not known.is_overdue:
            known.is_told = known.is_overdue = True
            self._tell(slot, known, overdue(name, deadline_ns))
        elif stall_ns and known.standing_ns >= stall_ns and not known.is_told:
            known.is_told = True
            self._tell(slot, known, standstill(name, stall_ns))
        if known.given_up_ns is not None:
            known.given_up_ns += passed_ns
            self._go_further(slot, known, known.given_up_ns)

    def _tell(self, slot: int, known: Standstill, headline: str) -> None:
        """Also where it ends meanwhile: to be asked is enough to wake some out of a system call."""
        key = slot if self._word(slot, at.HAS_FILE) else STDERR
        number = self._word(slot, at.SIGNAL)
        self._words[slot * SLOT_WORDS + at.TOLD] += 1
        known.text = report(headline, ask_all(self._family))
        self._write(key, known.text)
        self._words[slot * SLOT_WORDS + at.WRITTEN] += 1
        if number and known.given_up_ns is None and self._word(slot, at.DUE) == known.entrance:
            known.given_up_ns = 0
            self._send(number)

    def _go_further(self, slot: int, known: Standstill, given_up_ns: int) -> None:
        """The exception did not end the wait: another process may keep it, or C code."""
        if given_up_ns >= CHILDREN_NS and not known.has_lost_children:
            known.has_lost_children = True
            end_below(self._family, self._word(slot, at.SINCE_TICKS))
        elif given_up_ns >= PROCESS_NS and self._word(slot, at.DUE) == known.entrance:
            ended = f"pid {self._owner} cannot be interrupted: it is ended by SIGKILL\n"
            self._write(LAST, known.text + ended)
            self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        try:
            signal.pidfd_send_signal(self._death, number)
        except ProcessLookupError:
            pass  # the next look sees it

    def _write(self, key: int, text: str) -> None:
        """As far as somebody reads it."""
        fd = self._files.get(key)
        if fd is None:
            return
        writable = select.poll()
        writable.register(fd, select.POLLOUT)
        rest = text.encode("utf-8", "replace")
        try:
            while rest and writable.poll(WRITE_MS):
                rest = rest[os.write(fd, rest[:WRITE_BYTES]) :]
        except OSError:
            pass  # its reader is gone, its disk is full: there is nobody to say it to
