"""Runs of sim/subjects as programs of their own, and small extensions to feed them with."""

from __future__ import annotations

import json
import os
import resource
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence

import pytest
from expected_skips import cannot_compile

WATCHDOG_S = 120  # only against a hang
# Of the interpreter alone: neither the bed's nor the user's settings decide what a subject does.
DROPPED = ("SPINBED_", "SUBJECT_", "PYTHON", "PYTEST_", "XFER_")

PT_LOAD = 1

needs_gcc = pytest.mark.skipif(cannot_compile(), reason="needs gcc and Python.h")


class Run(NamedTuple):
    """How a program ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def result(self) -> Dict[str, Any]:
        """The one line on its standard output. Fails where the program did."""
        assert self.status == 0, self.err
        [line] = self.out.splitlines()
        found: Dict[str, Any] = json.loads(line)
        return found

    @property
    def error(self) -> str:
        """The last line of a traceback."""
        assert self.status == 1, (self.status, self.err)
        return self.err.splitlines()[-1]

    @property
    def innermost(self) -> str:
        """The file of a traceback's innermost frame."""
        frames = [line for line in self.err.splitlines() if line.startswith('  File "')]
        return frames[-1].split('"')[1]


def subject(name: str, variant: str, *path: Path, **environment: str) -> Run:
    """`python -c` runs a variant, with folders of `path` before every other."""
    return program(f"from sim.subjects.{name} import {variant}; {variant}()", *path, **environment)


def program(code: str, *path: Path, inherited: Sequence[int] = (), **environment: str) -> Run:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=surroundings(*path, **environment),
        pass_fds=inherited,
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
        preexec_fn=without_a_core_file,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def without_a_core_file() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def surroundings(*path: Path, **environment: str) -> Dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    folders: List[str] = [*map(str, path), *filter(None, sys.path)]
    return {**kept, "PYTHONPATH": os.pathsep.join(folders), **environment}


def is_of_the_interpreter(file: str) -> bool:
    """A frozen module of the import system, or a file of the standard library."""
    stdlib = sysconfig.get_path("stdlib")
    return file.startswith("<frozen importlib") or file.startswith(stdlib + os.sep)


def mapped_bytes(elf: bytes) -> int:
    """How many bytes from the start of a 64-bit, little-endian object its segments reach to.

    Elf64_Ehdr and Elf64_Phdr of elf(5).
    """
    [start] = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    ends = [0]
    for header in range(start, start + size * count, size):
        kind, _, offset, _, _, in_file = struct.unpack_from("<IIQQQQ", elf, header)
        if kind == PT_LOAD:
            ends.append(offset + in_file)
    return max(ends)


SPINLOOP_C = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static PyObject *spinloop(PyObject *self, PyObject *arguments)
{
    PyObject *buffer, *callback, *answer;
    double seconds;
    int is_true;

    if (!PyArg_ParseTuple(arguments, "OOd", &buffer, &callback, &seconds))
        return NULL;
    do {
        answer = PyObject_CallObject(callback, NULL);
        if (answer == NULL)
            return NULL;
        is_true = PyObject_IsTrue(answer);
        Py_DECREF(answer);
    } while (!is_true && seconds > 0);
    if (is_true)
        Py_RETURN_TRUE;
    Py_RETURN_FALSE;
}

static PyMethodDef methods[] = {{"spinloop", spinloop, METH_VARARGS, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "NAME", NULL, -1, methods};

PyMODINIT_FUNC PyInit_NAME(void)
{
    AT_INIT
    return PyModule_Create(&module);
}
"""
TWIN_PY = """
def spinloop(buffer, callback, timeout):
    while True:
        if callback():
            return True
        if timeout == 0:
            return False
"""


def build(folder: Path, name: str, at_init: str = "") -> Path:
    """A compiled module `name` and its twin `name`_pure; `at_init` is C of its PyInit."""
    source = folder / f"{name}.c"
    source.write_text(SPINLOOP_C.replace("NAME", name).replace("AT_INIT", at_init))
    (folder / f"{name}_pure.py").write_text(TWIN_PY)
    built = folder / (name + sysconfig.get_config_var("EXT_SUFFIX"))
    include = sysconfig.get_path("include")
    subprocess.run(
        ["gcc", "-O1", "-w", "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(built)],
        check=True,
        timeout=WATCHDOG_S,
    )
    return built
