"""Random calls of spinloop and its kin under valgrind: no error has them in its stack.

    python tests/memcheck_spinloop.py --calls 20000

What CPython itself does that memcheck takes for an error is told apart by that. Exit status 1 where
an error of ours, or a lost block, is found; 2 where valgrind is not installed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).resolve().parent / "fuzz_spinloop.py"
OURS = "spinloop"  # in the name of the object file, and of each of its functions
DEADLINE_S = 3600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed", file=sys.stderr)
        return 2
    ran = subprocess.run(
        [
            *("valgrind", "--leak-check=full", "--show-leak-kinds=definite", "--num-callers=40"),
            *(sys.executable, str(FUZZ), "--no-trap"),  # it knows no instruction that waits
            *("--calls", str(options.calls), "--seed", str(options.seed)),
        ],
        env={**os.environ, "PYTHONMALLOC": "malloc"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    blocks = re.split(r"\n==\d+== \n", ran.stderr)
    errors = [block for block in blocks if re.search(r"==\d+==    at 0x", block)]
    ours = [block for block in errors if OURS in block]
    lost = re.search(r"definitely lost: ([\d,]+) bytes", ran.stderr)
    print(ran.stdout, end="")
    print("\n\n".join(ours) if ours else f"none of {len(errors)} errors is ours")
    print(f"definitely lost: {lost[1] if lost else 'unknown'} bytes; exit status {ran.returncode}")
    return int(bool(ours) or lost is None or lost[1] != "0" or ran.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
