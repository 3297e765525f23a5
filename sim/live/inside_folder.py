"""The folder that is put in front of a program under test, in whatever interpreter it runs.

    <folder>/sitecustomize.py       what an interpreter runs before the program
    <folder>/spinbed_inside/        sim/inside, under a name that nothing else has

Bytecode that an installation has of it comes along: 10 ms less for a program of its version.

It is a copy because the program must find nothing of ours beside it: neither `sim` nor what is
installed where we are.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any, Dict, Mapping

from sim import inside
from sim.inside import starting

PACKAGE = "spinbed_inside"
SITE = "sitecustomize.py"


def lay_out(folder: Path) -> None:
    """Makes the folder, which must not have the package yet. OSError where it cannot."""
    source = Path(inside.__file__).parent
    package = folder / PACKAGE
    package.mkdir(parents=True)
    for file in sorted(source.glob("*.py")):
        target = (folder if file.name == SITE else package) / file.name
        shutil.copy2(file, target)  # with its time, which bytecode is checked by
        compiled = Path(importlib.util.cache_from_source(str(file)))
        if compiled.is_file():
            (target.parent / "__pycache__").mkdir(exist_ok=True)
            shutil.copyfile(compiled, target.parent / "__pycache__" / compiled.name)


def environment(folder: Path, spec: Mapping[str, Any], base: Mapping[str, str]) -> Dict[str, str]:
    """`base`, and what an interpreter needs to start with the folder. `spec` is what
    sim.inside.starting reads; what the program starts itself inherits it all.
    """
    path = [str(folder.resolve()), *filter(None, [base.get("PYTHONPATH")])]
    return {**base, "PYTHONPATH": os.pathsep.join(path), starting.VARIABLE: json.dumps(spec)}
