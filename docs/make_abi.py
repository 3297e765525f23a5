"""Writes docs/abi.md: modules built by each Python of this host, loaded by each of them.

python docs/make_abi.py            builds and loads, which takes a minute, and writes the page
python docs/make_abi.py --print    the same, onto the terminal

Needs gcc, Cython, and as many of the versions with their headers as the page is to tell of.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, List, Mapping, NamedTuple, Optional, Sequence

from sim.live.interpreters import Interpreter, found

PAGE = Path(__file__).resolve().parent / "abi.md"
STEP_DEADLINE_S = 120
MODULE = "sample"
LIMITED = "-DPy_LIMITED_API=0x030B0000"
CALLS = 10_000  # more than an interpreter has references to True
COUNTED_CALLS = 100  # fewer

# Both take memory by the buffer protocol and return True, as kernels do.
CYTHON = """\
# cython: language_level=3, binding=False
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer

cdef class Held:
    cdef Py_ssize_t size

def answer(buffer):
    cdef Py_buffer view
    cdef Held held = Held()
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    held.size = view.len
    PyBuffer_Release(&view)
    return held.size == 8

def refuse():
    raise ValueError("refused")
"""
C = """\
#include <Python.h>

static PyObject *answer(PyObject *module, PyObject *buffer) {
    Py_buffer view;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    PyBuffer_Release(&view);
    Py_RETURN_TRUE;
}

static PyObject *refuse(PyObject *module, PyObject *ignored) {
    PyErr_SetString(PyExc_ValueError, "refused");
    return NULL;
}

static PyMethodDef methods[] = {
    {"answer", answer, METH_O, NULL},
    {"refuse", refuse, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "sample", NULL, -1, methods};
PyMODINIT_FUNC PyInit_sample(void) { return PyModule_Create(&module); }
"""

# What it has found out so far is said as soon as it is known: the process may not live to the end.
LOAD = f"""
import json, resource, sys, warnings
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
say = lambda **what: print(json.dumps(what), flush=True)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    try:
        from {MODULE} import answer, refuse
    except BaseException as error:
        say(failure=type(error).__name__ + ": " + str(error))
        sys.exit()
say(warning=str(told[0].message) if told else "")
eight = bytes(8)
def lost_in(calls):
    before = sys.getrefcount(True)
    for _ in range(calls):
        assert answer(eight) is True
    return before - sys.getrefcount(True)
lost = lost_in({COUNTED_CALLS})
say(lost=lost if sys.version_info < (3, 12) else 0)
lost_in({CALLS})
say(answered=True)
try:
    refuse()
except ValueError:
    say(refused=True)
"""


class Kind(NamedTuple):
    title: str
    is_cython: bool
    flags: Sequence[str]


KINDS = (
    Kind("Cython, for one version", True, ()),
    Kind("Cython, for the stable ABI of 3.11", True, (LIMITED,)),
    Kind("C by hand, for one version", False, ()),
    Kind("C by hand, for the stable ABI of 3.11", False, (LIMITED,)),
)


class Built(NamedTuple):
    folder: Optional[Path]  # where the module lies
    complaint: str  # of the compiler, where it does not


def main(arguments: Sequence[str]) -> int:
    interpreters = [each for _, each in found() if isinstance(each, Interpreter)]
    with tempfile.TemporaryDirectory(prefix="spinbed-abi-") as folder:
        page = "\n".join(lines_of_page(interpreters, Path(folder))) + "\n"
    if arguments == ["--print"]:
        sys.stdout.write(page)
    else:
        PAGE.write_text(page, encoding="utf-8")
    return 0


def lines_of_page(interpreters: Sequence[Interpreter], folder: Path) -> Iterator[str]:
    yield INTRODUCTION.format(
        versions=", ".join(each.version for each in interpreters),
        gcc=first_line("gcc", "-dumpfullversion"),
        cython=first_line(sys.executable, "-m", "cython", "-V").split()[-1],
        calls=CALLS,
    )
    for number, kind in enumerate(KINDS):
        yield f"## {kind.title}\n"
        yield "| built by | " + " | ".join(f"on {short(each)}" for each in interpreters) + " |"
        yield "|---" * (len(interpreters) + 1) + "|"
        for builder in interpreters:
            where = folder / f"{number}-{short(builder)}"
            built = build(kind, builder, where)
            yield f"| {short(builder)} | " + " | ".join(cells(built, interpreters)) + " |"
        yield ""
    yield CONCLUSIONS.rstrip("\n")


def short(interpreter: Interpreter) -> str:
    return "{}.{}".format(*interpreter.minor)


def build(kind: Kind, builder: Interpreter, folder: Path) -> Built:
    """A module with the plain suffix, which every interpreter takes for its own."""
    folder.mkdir(parents=True)
    source = folder / f"{MODULE}.c"
    if kind.is_cython:
        pyx = source.with_suffix(".pyx")
        pyx.write_text(CYTHON, encoding="utf-8")
        done = ran(sys.executable, "-m", "cython", "-3", str(pyx))
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
    else:
        source.write_text(C, encoding="utf-8")
    target = str(folder / f"{MODULE}.so")
    gcc = ("gcc", "-O1", "-w", "-shared", "-fPIC", f"-I{builder.include}", *kind.flags)
    done = ran(*gcc, str(source), "-o", target)
    return Built(folder, "") if done.returncode == 0 else Built(None, complaint(done.stderr))


def complaint(said: str) -> str:
    found = re.search(r"error: (?:#error )?(.*)", said)
    return found.group(1).strip() if found is not None else said.strip()[-100:]


def cells(built: Built, loaders: Sequence[Interpreter]) -> Sequence[str]:
    """Of a row: what becomes of it in each, or that there is none."""
    if built.folder is None:
        return [f"not built: {quoted(built.complaint)}", *["-"] * (len(loaders) - 1)]
    return [cell(built.folder, loader) for loader in loaders]


def cell(folder: Path, loader: Interpreter) -> str:
    """What becomes of it, in some words."""
    process = ran(loader.executable, "-B", "-S", "-c", LOAD, PYTHONPATH=str(folder))
    said = {}
    for line in process.stdout.splitlines():
        said.update(json.loads(line))
    if "failure" in said:
        return quoted(re.sub(r"/\S+/", "", said["failure"]).replace(f"{MODULE}.so: ", ""))
    loses = said.get("lost", 0) > COUNTED_CALLS // 2
    words: List[str] = []
    if "refused" in said and not loses:
        words.append("works")
    if said.get("warning"):
        words.append("warning")
    if loses:
        words.append("loses a reference a call")
    if process.returncode < 0:
        words.append(death(process, said))
    elif "refused" not in said:
        raise RuntimeError(f"{loader}: {process.stderr}")
    return ", ".join(words)


def death(process: subprocess.CompletedProcess[str], said: Mapping[str, object]) -> str:
    when = "at once"
    if "warning" in said:
        when = "when it raises" if "answered" in said else "later"
    fatal = re.search(r"Fatal Python error: (\w+)", process.stderr)
    of_what = f" {quoted(fatal.group(1))}" if fatal is not None else ""
    return f"**{signal.Signals(-process.returncode).name} {when}**{of_what}"


def quoted(text: str) -> str:
    return "`" + text.replace("|", "\\|").replace("`", "'") + "`"


def ran(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if command[0] == sys.executable and not variables:
        kept = dict(os.environ)
    return subprocess.run(
        command,
        cwd="/",
        env={**kept, "LC_ALL": "C", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STEP_DEADLINE_S,
    )


def first_line(*command: str) -> str:
    done = ran(*command)
    return (done.stdout + done.stderr).splitlines()[0]


INTRODUCTION = """\
# What an extension module does in a Python that it was not built for

Made by `python docs/make_abi.py`, which builds two small modules by each interpreter of the
host and loads each of them in each: {versions}; gcc {gcc}, Cython {cython}.

Both modules take memory by the buffer protocol and return True, or raise: one in Cython, as the
kernels of spinbed are, and one in C by hand. They are named by the plain suffix `.so`, so that
every interpreter takes them for its own; a foreign one by the suffix of its version it would not
see, and say `ModuleNotFoundError`.

*Works* means that it loads, answers {calls} calls rightly and raises. The warning is Cython's
RuntimeWarning at the import, `compile time Python version 3.9 of module 'sample' does not match
runtime version 3.10`. A signal in bold ended the process: no Python code learns of it.
"""
CONCLUSIONS = """\
## What follows
- A mismatch is an `ImportError` only where a symbol happens to be missing. It can as well be
  nothing, a warning, or the death of the process, at the import or long after it.
- Modules for the stable ABI are built with the headers of its own version, 3.11. With those of
  3.12 and 3.13 `Py_RETURN_TRUE` counts no reference, which nothing shows until a Python up to 3.11
  frees True ([decision 14](decisions/0014-one-wheel-of-the-stable-abi.md)). What Cython makes of
  `return True` does not use that macro; C in a module may.
- A module by hand for the stable ABI loads below 3.11 if it needs no symbol that is missing
  there: no more is checked.
- `except ImportError` is no safe way to try a module; another process that imports it first is.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
