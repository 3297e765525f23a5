"""cy_kernels.status() over really broken files: one warning, and fatal only if asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

import posix_ipc
import pytest

import cy_kernels

ROOT = Path(__file__).resolve().parent.parent
FIRST = cy_kernels.KERNELS[0]
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")

# Asked twice by the main thread and by four threads at once; a handler on the root counts records.
ASK = """
import json, logging, threading
seen = []
class Keep(logging.Handler):
    def emit(self, record):
        seen.append([record.name, record.levelname, record.getMessage()])
logging.getLogger().addHandler(Keep())
import cy_kernels
threads = [threading.Thread(target=cy_kernels.status) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
status = cy_kernels.status()
assert status is cy_kernels.status()
reason = status.reason and vars(status.reason)
answer = {"kind": status.kind, "required": status.required, "reason": reason, "log": seen}
with open("answer.json", "w") as file:
    json.dump(answer, file)
"""


class Outcome(NamedTuple):
    done: subprocess.CompletedProcess[str]
    answer: Optional[dict[str, Any]]  # None: the script did not get as far


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package without its kernels, ahead of the real one on the path."""
    real = Path(cy_kernels.__file__).parent
    ignored = shutil.ignore_patterns("*.so", "_build_note.txt", "__pycache__")
    return Path(shutil.copytree(real, tmp_path / "cy_kernels", ignore=ignored))


def run(package: Path, script: str, **environment: str) -> Outcome:
    env = {**os.environ, "PYTHONPATH": str(package.parent), **environment}
    if "SPINBED_REQUIRE_EXT" not in environment:
        env.pop("SPINBED_REQUIRE_EXT", None)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=package.parent,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    answer = package.parent / "answer.json"
    return Outcome(done, json.loads(answer.read_text()) if answer.exists() else None)


def elf_bytes() -> bytes:
    return Path(posix_ipc.__file__).read_bytes()


def compiled(body: str, directory: Path) -> bytes:
    """A shared object whose PyInit does what `body` says."""
    include = sysconfig.get_path("include")
    if shutil.which("gcc") is None or not Path(include, "Python.h").is_file():
        pytest.skip("needs gcc and Python.h")
    source, target = directory / "broken.c", directory / "broken.so"
    source.write_text(
        f"#include <Python.h>\nPyMODINIT_FUNC PyInit_{FIRST}(void) {{ {body} return NULL; }}\n"
    )
    command = ["gcc", "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(target)]
    subprocess.run(command, check=True, timeout=60)
    return target.read_bytes()


RAISES = 'PyErr_SetString(PyExc_RuntimeError, "no such luck");'
DAMAGES: dict[str, tuple[Callable[[Path], bytes], str, str]] = {
    "empty": (lambda _: b"", "ImportError", "file too short"),
    "text": (lambda _: b"not a library\n" * 20, "ImportError", "invalid ELF header"),
    "truncated": (lambda _: elf_bytes()[:64], "ImportError", "cannot read file data"),
    "wrong-class": (
        lambda _: b"\x7fELF\x01" + elf_bytes()[5:],
        "ImportError",
        "wrong ELF class",
    ),
    "foreign-module": (
        lambda _: elf_bytes(),
        "ImportError",
        "does not define module export function",
    ),
    "raises": (lambda where: compiled(RAISES, where), "RuntimeError", "no such luck"),
    "returns-null": (lambda where: compiled("", where), "SystemError", "initialization of"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_kernel_is_one_warning_and_never_fatal(package, tmp_path, damage):
    make, exception, text = DAMAGES[damage]
    broken = package / (FIRST + SUFFIX)
    broken.write_bytes(make(tmp_path))
    done, answer = run(package, ASK)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert answer is not None
    assert (answer["kind"], answer["required"]) == ("pure", False)
    assert answer["reason"]["exception"] == exception
    assert text in answer["reason"]["text"]
    assert answer["reason"]["file"] == str(broken)
    [(logger, level, message)] = answer["log"]
    assert (logger, level) == ("cy_kernels", "WARNING")
    assert "could not be loaded" in message
    assert str(broken) in message and text in message


def test_absent_kernels_are_named_with_the_note_of_the_build(package):
    (package / "_build_note.txt").write_text("CompileError: command 'gcc' failed\n")
    done, answer = run(package, ASK)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert answer is not None and len(answer["log"]) == 1
    reason = answer["reason"]
    assert reason["exception"] == "ModuleNotFoundError"
    assert "no compiled kernel is installed" in reason["text"]
    assert reason["file"] == str(package / (FIRST + SUFFIX))
    assert reason["build_note"] == "CompileError: command 'gcc' failed"
    assert "command 'gcc' failed" in answer["log"][0][2]


def test_a_kernel_for_another_interpreter_is_told_from_an_absent_one(package):
    (package / f"{FIRST}.cpython-27-foreign.so").write_bytes(elf_bytes())
    _, answer = run(package, ASK)
    assert answer is not None
    assert answer["reason"]["exception"] == "ModuleNotFoundError"
    assert SUFFIX in answer["reason"]["text"]


@pytest.mark.parametrize("damage", ["missing", "text", "raises"])
def test_a_broken_kernel_is_fatal_at_import_when_required(package, tmp_path, damage):
    if damage != "missing":
        (package / (FIRST + SUFFIX)).write_bytes(DAMAGES[damage][0](tmp_path))
    done, answer = run(package, ASK, SPINBED_REQUIRE_EXT="1")
    assert done.returncode == 1 and answer is None
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: SPINBED_REQUIRE_EXT=1")
    assert str(package / (FIRST + SUFFIX)) in last
    assert "direct cause" in done.stderr  # the original exception is chained


def test_importing_the_package_loads_no_kernel(package):
    (package / (FIRST + SUFFIX)).write_bytes(b"not a library\n" * 20)
    script = "import sys, cy_kernels.errors; print(*[m for m in sys.modules if 'cy_k' in m])"
    done, _ = run(package, script)
    assert done.stdout.split() == ["cy_kernels", "cy_kernels.errors"], done.stderr


def test_an_unconfigured_application_finds_nothing_on_its_terminal(package):
    done, _ = run(package, "import cy_kernels; cy_kernels.status()")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_each_pyx_is_a_kernel_that_status_knows():
    sources = {path.stem for path in (ROOT / "cy_kernels").glob("*.pyx")}
    assert sources == set(cy_kernels.KERNELS), "list every .pyx in cy_kernels.KERNELS"


def test_this_installation_says_what_it_is():
    status = cy_kernels.status()
    has_kernels = any(Path(cy_kernels.__file__).parent.glob("*.so"))
    assert status.kind == ("compiled" if has_kernels else "pure"), str(status)
    assert (status.reason is None) == (status.kind == "compiled")
    assert status.required == (os.environ.get("SPINBED_REQUIRE_EXT") == "1")
