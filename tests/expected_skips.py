"""The tests that may be skipped, why, and where: a skip that is not listed here fails the run.

A line is a pattern of the test (file::name, without the folder), a pattern of the reason, and the
condition of the host under which the skip is allowed. Patterns are those of the shell.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Callable, List, NamedTuple

from broken_extensions import VERSIONS, may_be_mended
from litmus_notation import TSO_MACHINES
from ring_regions import EVICTION, GATE, PARKING, TAKEOVER

import cy_kernels
from cy_kernels.choice import COMPILED, kernels
from cy_kernels.pure import memory
from sim.live import hosts, spying
from sim.live.interpreters import Interpreter, Lack, find, found
from sim.transport import PEERS

CAP_SYS_ADMIN = 21
SMALL_SHM_BYTES = 256 << 20
CROSS_COMPILER = "aarch64-linux-gnu-gcc"
EMULATOR = "qemu-aarch64"
DISASSEMBLER = "aarch64-linux-gnu-objdump"
NO_EXTENSION = "no extension for python3.* can be compiled: *"


class Expected(NamedTuple):
    test: str
    reason: str
    where: Callable[[], bool]

    def allows(self, test: str, reason: str) -> bool:
        is_meant = fnmatchcase(test, self.test) and fnmatchcase(reason, self.reason)
        return is_meant and self.where()


def cannot_cross_compile() -> bool:
    return shutil.which(CROSS_COMPILER) is None or shutil.which(EMULATOR) is None


def has_no_numpy() -> bool:
    return importlib.util.find_spec("numpy") is None


def has_no_matplotlib() -> bool:
    return importlib.util.find_spec("matplotlib") is None


def has_no_simpy() -> bool:
    return importlib.util.find_spec("simpy") is None


def cannot_join_namespaces() -> bool:
    return hosts.lack() is not None


def has_no_peers() -> bool:
    return any(peer.lack() for peer in PEERS)


def has_no_py_spy() -> bool:
    return spying.tool() is None


def anywhere() -> bool:
    return True


def is_pure() -> bool:
    return cy_kernels.status().kind == "pure"


def is_not_root() -> bool:
    return os.geteuid() != 0


def has_small_shm() -> bool:
    shm = os.statvfs("/dev/shm")
    return shm.f_blocks * shm.f_frsize <= SMALL_SHM_BYTES


def is_unprivileged() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = int(status.split("CapEff:")[1].split()[0], 16)
    return not effective >> CAP_SYS_ADMIN & 1


def has_no_source_tree() -> bool:
    return not Path(__file__).resolve().parents[1].joinpath("setup.py").exists()


def cannot_compile() -> bool:
    header = Path(sysconfig.get_path("include"), "Python.h")
    return shutil.which("gcc") is None or not header.exists()


def is_no_builder_of_abi3() -> bool:
    return sys.version_info[:2] != (3, 11)


def cannot_compile_for_one() -> bool:
    return cannot_compile() or others_cannot_compile()


def has_mended_headers() -> bool:
    return any(may_be_mended(each) for _, each in found() if isinstance(each, Interpreter))


def stamps_without_the_counter() -> bool:
    return is_pure() or not kernels(COMPILED).recorder.counter_is_constant()


def lacks_python(version: str) -> bool:
    return isinstance(find(version), Lack)


def others() -> List[Interpreter]:
    own = "{}.{}".format(*sys.version_info[:2])
    return [each for name, each in found() if name != own and isinstance(each, Interpreter)]


def has_no_other_python() -> bool:
    return not others()


def others_cannot_compile() -> bool:
    return shutil.which("gcc") is None or not all(each.has_headers for each in others())


def is_not_ci() -> bool:
    return os.environ.get("CI") != "true"


def has_one_core() -> bool:
    return len(os.sched_getaffinity(0)) == 1


def promises_no_tso() -> bool:
    return platform.machine() not in TSO_MACHINES


def is_no_x86() -> bool:
    return platform.machine() != "x86_64"


def is_another_machine() -> bool:
    return memory.MACHINE not in memory.SYS_MEMBARRIER


EXPECTED = [
    # What pure kernels have no form of: test_pure_kernels.py asserts what they do instead.
    Expected("test_*::*pure*", TAKEOVER, anywhere),
    Expected("test_*::*pure*", EVICTION, anywhere),
    Expected("test_*::*pure*", PARKING, anywhere),
    # Nothing is compiled: the commands that need it are tested by test_pure_runs.py.
    Expected("test_fault_live.py::*", TAKEOVER, is_pure),
    Expected("test_live_pythons.py::*", TAKEOVER, is_pure),
    Expected("test_programs.py::*", "needs compiled kernels", is_pure),
    Expected("test_fault_conformance.py::*break_extension*", "needs compiled kernels", is_pure),
    Expected("test_fault_conformance.py::*foreign_abi*", "needs compiled kernels", is_pure),
    Expected("test_fault_conformance.py::*", TAKEOVER, is_pure),
    Expected("test_fault_surroundings.py::*", TAKEOVER, is_pure),
    Expected("test_fault_conformance.py::*", GATE, is_pure),
    Expected("test_fault_conformance.py::*", "this host cannot disturb wake-ups*", is_pure),
    Expected("test_fault_conformance.py::*", "this host cannot disturb wake-ups*", is_no_x86),
    Expected("test_cli_run.py::*", "kernels: pure*", is_pure),
    Expected("test_public_face.py::*", "kernels: pure*", is_pure),
    Expected("test_pytest_plugin.py::*", "kernels: pure*", is_pure),
    Expected("test_pytest_plugin_ends.py::*", "kernels: pure*", is_pure),
    Expected("test_pure_kernels.py::*", "mixes pure with compiled kernels*", is_pure),
    Expected("test_pure_runs.py::*", "mixes pure with compiled kernels*", is_pure),
    Expected("test_doctor.py::*", "needs compiled kernels", is_pure),
    Expected("test_docs_evidence.py::*", "needs compiled kernels", is_pure),
    Expected("test_damage*::*", "needs compiled kernels", is_pure),
    Expected("test_cpu.py::*", "needs compiled kernels", is_pure),
    Expected("test_wait_strategies.py::*", "mixes pure with compiled kernels", is_pure),
    Expected("test_ring_objects.py::*", "mixes pure with compiled kernels*", is_pure),
    # What the machine lacks.
    Expected("test_ring_objects.py::*numpy*", "numpy is not installed", has_no_numpy),
    Expected("test_transport_kit.py::*", "* is not installed: spinbed*", has_no_peers),
    Expected("test_cluster*", "*could not import 'simpy'*", has_no_simpy),
    Expected("test_cluster*", "*could not import 'matplotlib'*", has_no_matplotlib),
    Expected("test_docs_commands.py::*", "*could not import 'simpy'*", has_no_simpy),
    Expected("test_pure_kernels.py::*", "this CPU's counter *", stamps_without_the_counter),
    Expected("test_litmus_live.py::*", "threads of one core *", has_one_core),
    Expected("test_litmus_live.py::*", "this machine does not promise TSO", promises_no_tso),
    Expected("test_pure_kernels.py::*", "knows no membarrier here", is_another_machine),
    Expected("test_spinloop_mutants.py*", "only x86-64 has the instructions *", is_no_x86),
    Expected("test_spinloop_rungs.py*", "only x86-64 has the instructions *", is_no_x86),
    Expected("test_fault_wakes*", "only x86-64 has the instructions *", is_no_x86),
    Expected("test_trap*", "only x86-64 has the instructions *", is_no_x86),
    Expected("test_*::*", "the tests run without the source tree", has_no_source_tree),
    Expected("test_install.py::*", "needs gcc and Python.h", cannot_compile),
    Expected("test_abi3.py::*", "needs gcc and Python.h", cannot_compile),
    Expected("test_abi3.py*", "only CPython 3.11 builds abi3 wheels", is_no_builder_of_abi3),
    *(
        Expected("test_*abi*.py::*", f"this host has no Python {each}", partial(lacks_python, each))
        for each in ("3.9", "3.10", "3.11", "3.12", "3.13")
    ),
    Expected("test_fault_abi.py::*", NO_EXTENSION, cannot_compile_for_one),
    Expected("test_fault_abi.py::*", "builds kernels where CI=true", is_not_ci),
    Expected("test_fault_abi.py::*", "needs compiled kernels", is_pure),
    Expected("test_docs_abi.py::*", "docs/abi.md is of other versions *", anywhere),
    Expected("test_docs_abi.py::*", "needs gcc and Python.h", cannot_compile),
    Expected("test_docs_abi.py::*", "needs gcc and Python.h", others_cannot_compile),
    Expected("test_interpreters.py::*", "this host has no other Python", has_no_other_python),
    Expected("test_environments.py::*", "builds kernels where CI=true", is_not_ci),
    Expected("test_environments.py::*", "needs gcc and Python.h", others_cannot_compile),
    Expected("test_docs_broken*::*", "needs gcc and Python.h", cannot_compile),
    Expected("test_portable_fibers.py::*", "needs gcc and Python.h", cannot_compile),
    Expected("test_fibers.py::*", "needs gcc and Python.h", cannot_compile),
    Expected("test_fibers.py::*", "needs an aarch64 compiler *", cannot_cross_compile),
    Expected("test_aarch64.py::*", "needs gcc and Python.h", cannot_compile),
    Expected("test_subject_*.py::*", "needs gcc and Python.h", cannot_compile),
    Expected("test_aarch64.py::*", "needs an aarch64 compiler *", cannot_cross_compile),
    *(
        Expected(f"test_{test}::*", f"this host has no Python {each}", partial(lacks_python, each))
        for test in ("damage*", "environments*", "refcounts*", "subject_borrowed*")
        for each in VERSIONS
    ),
    Expected("test_refcounts.py::*", "the headers * may no longer borrow", has_mended_headers),
    Expected("test_damage*::*", NO_EXTENSION, cannot_compile_for_one),
    Expected("test_refcounts*::*", NO_EXTENSION, cannot_compile_for_one),
    Expected("test_subject_borrowed*::*", NO_EXTENSION, cannot_compile_for_one),
    Expected("test_damage*::*", "this host cannot *: * is made for x86_64 *", is_no_x86),
    Expected("test_spying.py::*", "py-spy is not installed", has_no_py_spy),
    # What the user may not do.
    Expected("test_remote_readers.py::*", "*on other hosts need pyzmq*", cannot_join_namespaces),
    Expected("test_remote_readers.py::*", "*cannot join network *", cannot_join_namespaces),
    Expected("test_fault_conf*::*-b]", "*on other hosts need pyzmq*", cannot_join_namespaces),
    Expected("test_fault_conf*::*-b]", "*cannot join network *", cannot_join_namespaces),
    Expected("test_damage*::*", "this host cannot make it noexec: *", is_unprivileged),
    Expected("test_litter_*.py::*", "this host permits no mount namespace", is_unprivileged),
    Expected("test_litter_*.py::*", "cannot freeze: *", is_unprivileged),
    Expected("test_doctor.py::*", "this host permits no mount namespace", is_unprivileged),
    Expected("test_fault_*.py::*", "this host cannot *", is_unprivileged),
]
