"""Writes docs/transports.md from real runs of scenarios/transports.

python docs/make_transports.py            runs them, 2 minutes, and writes the page
python docs/make_transports.py --check    runs them, and says by the exit status whether the page
                                          tells the same, counts and times aside

Transports whose packages are not installed keep no rows: spinbed[peers] has them all.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sim.history import journal  # noqa: E402
from sim.testing.behaviour import behaviour, objections  # noqa: E402
from sim.transport import PEERS, TRANSPORTS  # noqa: E402

PAGE = ROOT / "docs" / "transports.md"
SCENARIOS = ROOT / "scenarios" / "transports"
SITUATIONS = {
    "stalled-reader": "a reader is stopped for 0.5 s",
    "full": "full: a reader is stopped for good, sends have 0.5 s",
    "killed-reader": "a reader is killed and stays dead, sends have 0.5 s",
    "restarted-reader": "a reader is killed and has a successor",
    "killed-writer": "the writer is killed and stays dead, receives have 1 s",
    "restarted-writer": "the writer is killed and has a successor",
    "late-reader": "a reader comes 1.5 s late",
    "killed-in-message": "the writer is killed in a message of 1 MiB and has a successor",
}
NO_SUCCESSOR = "no successor: it knows no owner"

Cells = Mapping[str, Mapping[str, str]]  # by situation and transport


def main(arguments: Sequence[str]) -> int:
    cells = measured()
    text = page(cells)
    if "--check" in arguments:
        there = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        return 0 if _without_figures(there) == _without_figures(text) else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


def measured() -> Cells:
    found: Dict[str, Dict[str, str]] = {situation: {} for situation in SITUATIONS}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sim.cli", "run", str(SCENARIOS), "--journal-dir", folder]
        subprocess.run([*command, "--report", f"json={folder}/report.json"], cwd=ROOT, check=False)
        for path in Path(folder).glob("*.jsonl"):
            history = journal.read(path)
            situation = history.header.name.split("[")[0].replace("transport-", "", 1)
            found[situation][history.header.transport] = _cell(history)
    return found


def _cell(history: journal.History) -> str:
    against = objections(history)
    return behaviour(history) + (f" ({', '.join(against)})" if against else "")


def page(cells: Cells) -> str:
    kinds = [kind for kind in TRANSPORTS if kind in cells["stalled-reader"]]
    rows: List[str] = []
    for situation, title in SITUATIONS.items():
        head = f"\n### {title[0].upper()}{title[1:]}"
        rows += [head, "| transport | what became of it |", "|---|---|"]
        for kind in kinds:
            rows.append(f"| {kind} | {cells[situation].get(kind, NO_SUCCESSOR)} |")
    about = [f"| `{peer.alias}` | {peer.doc} | {peer.distribution or '-'} |" for peer in PEERS]
    return PAGE_TEXT.format(about="\n".join(about), rows="\n".join(rows), where=_where())


def _where() -> str:
    versions = [f"Linux {platform.release()}", f"CPython {platform.python_version()}"]
    for peer in PEERS:
        said = f"{peer.distribution} {metadata.version(peer.distribution)}" if peer.package else ""
        if said and said not in versions:
            versions.append(said)
    return ", ".join(versions)


def _without_figures(text: str) -> str:
    return re.sub(r"[0-9][0-9.]*", "0", text)


PAGE_TEXT = """\
# Transports of others, and what each guarantees when something goes wrong
This page is made by `python docs/make_transports.py`, from real runs of
[scenarios/transports](../scenarios/transports); with `--check` it says whether they still come to
the same, counts and times aside.

Seen so on {where}.

## Which there are
`kind` in `[transport]` of a [scenario](scenario-format.md) takes the rings and these; what they
need comes with `spinbed[peers]`, and a run whose transport is not installed is skipped, with the
name of the package.

| kind | what carries the messages | needs |
|---|---|---|
{about}

- Each message goes with its position, 8 bytes, which is how a reader knows what it has missed. The
  position of the next message is kept beside the transport for each process, so that a successor
  goes on where its predecessor stopped; the transport itself knows of none.
- One that goes from one to one is there once for each reader. A message then goes to one reader
  after the other, and a send whose deadline is over in between has reached some of them.
- The end of the stream is one more message. If readers do not take it within 2 s they are not
  told.
- Everybody holds both ends of a pipe, as children of a fork do, so no death closes it.
- A deadline holds as far as the transport has time-outs: a pipe waits for room so long and no
  longer once a message is begun; SimpleQueue and iceoryx2 wait for ever in a send.
- `zmq_pub_sub` drops what a reader has no room for. Its first send, and that of `iceoryx2`, waits
  until all readers have met the writer, at most 1 s, as both drop messages for those that have not.
- Faults at a step of the protocol, and those of the region's words, are for the rings alone.

`sim.testing.transport_kit.check_transport(kind, supervisor)` checks what all must promise, of these
and of one of your own: without a fault, messages of every size come once, in order and whole, to
each reader, the end is told, and a reader is let go when its deadline is over.

## Behaviour under faults by transport
Two readers, 8 slots; lost, repeated and torn messages are counted over the readers that lived to
the end. In brackets the checkers that object to the run; `lossless` says nothing of those that were
never sent because an operation failed. `blocked for ever` is a hang: nothing moved for 5 s.

Some of it is a race: how much `mp_queue` loses with a writer that dies, which is what its thread
had not yet written, and ZeroMQ at any death, which is what lay in sockets and queues. There a run
may come to another verdict than its file expects. The successor of a reader of `mp_queue` waits for
a lock that died with its predecessor, which held it while it waited for a message. In the large
message the lock of a writer died likewise, and the rest of a pipe's message is read as the length
of the next one. That a ring's writer dies at any step of a message is shown by
[scenarios/slow](../scenarios/slow) (`crash_at_every_step.toml`).
{rows}
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
