"""vLLM's extension is replaced by one module, in both ways that docs/spinloop.md tells."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/spinloop.md"
if not PAGE.exists():
    pytest.skip("the tests run without the source tree", allow_module_level=True)

# As vLLM imports it, and as its loops call it.
IMPORTS = """
import site, sys
site.addsitedir(sys.argv[1])
from vllm.spinloop import spinloop
memory = bytearray(9)
def check():
    return memory[0]
print(spinloop(memoryview(memory)[0:4], check, timeout=0.001))
memory[0] = 1
print(spinloop(memoryview(memory)[0:4], check, timeout=0.1), spinloop.__module__)
"""


def told() -> list[str]:
    """The two pieces of Python that the page has a reader write into a file."""
    blocks = re.findall(r"^   ```python\n(.*?)^   ```", PAGE.read_text("utf-8"), re.M | re.S)
    return [re.sub(r"^   ", "", block, flags=re.M) for block in blocks]


@pytest.mark.parametrize("way", ["vllm_spinloop.pth", "vllm/spinloop.py"])
def test_the_loops_import_and_call_ours(tmp_path: Path, way: str) -> None:
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm/__init__.py").touch()
    as_path, as_source = told()
    (tmp_path / way).write_text(as_path if way.endswith(".pth") else as_source, encoding="utf-8")
    search = os.pathsep.join(path for path in sys.path if path)
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.stdout, ran.stderr) == ("False\nTrue cy_kernels.spinloop\n", "")
