"""Extension modules of ours in plain C, to be compiled with the headers of any interpreter.

Which headers a module was compiled with, for which limited API, and which interpreter runs it are
three things, and some defects are only in their combination.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Optional

SOURCE = Path(__file__).with_name("constants.c")
MODULE = SOURCE.stem
LIMITED_API = "0x030B0000"  # of 3.11: what an extension for 3.11 and later is built for
COMPILER = "gcc"
COMPILE_DEADLINE_S = 120.0


def lack(interpreter_headers: Path) -> Optional[str]:
    """Why nothing can be compiled with these headers; None where it can."""
    if shutil.which(COMPILER) is None:
        return f"{COMPILER} is not on PATH"
    if not (interpreter_headers / "Python.h").is_file():
        return f"no Python.h in {interpreter_headers}"
    return None


def built(
    interpreter_headers: Path, into: Path, *, limited_api: Optional[str] = LIMITED_API
) -> Path:
    """The module `constants`, compiled with these headers, as a file in the folder `into`.

    `interpreter_headers` is the folder of Python.h: sysconfig.get_path("include") of an
    interpreter. `limited_api` is the value of Py_LIMITED_API; without one, the file is for that
    interpreter alone. Raises RuntimeError with the compiler's words where it does not compile.
    """
    reason = lack(interpreter_headers)
    if reason is not None:
        raise RuntimeError(f"{SOURCE.name} cannot be compiled: {reason}")
    into.mkdir(parents=True, exist_ok=True)
    made = into / f"{MODULE}{'.abi3' if limited_api else ''}.so"
    defined = [f"-DPy_LIMITED_API={limited_api}"] if limited_api else []
    command = [COMPILER, "-shared", "-fPIC", "-O1", *defined, f"-I{interpreter_headers}"]
    done = subprocess.run(
        [*command, str(SOURCE), "-o", str(made)],
        capture_output=True,
        text=True,
        timeout=COMPILE_DEADLINE_S,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{SOURCE.name} does not compile: {done.stderr.strip()}")
    return made
