"""The commands of README.md and docs/, in blocks marked `console`: they work, and print what is
shown but for figures."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Iterator, List, NamedTuple

import pytest
from warm_command import Spinbed

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "benchmarks/README.md", "docs/*.md", "docs/decisions/*.md")
PROMPT = "$ "
WATCHDOG_S = 60
SUCCESS = (0,)
STATUS_OF_A_HOST = (0, 5)  # doctor: another run may have left something on this host
REAP = "--reap"  # acts on what others left; it is shown, and its test has a /dev/shm of its own
REGRESSION = "003_aot_builtins"
# Files that a reader of adding-a-fault.md writes.
TO_BE_WRITTEN = {"sim/faults/newer_version.py"}

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="the tests run without the source tree"
)


class Shown(NamedTuple):
    where: str
    words: List[str]
    output: str


def shown_in(page: Path) -> Iterator[Shown]:
    text = page.read_text(encoding="utf-8")
    for block in re.finditer(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        first = text.count("\n", 0, block.start()) + 2
        lines = block.group(1).splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith(PROMPT)]
        assert starts and starts[0] == 0, f"{page.name}:{first}: a block begins with a command"
        for start, end in zip(starts, [*starts[1:], len(lines)]):
            words = shlex.split(lines[start][len(PROMPT) :], comments=True)
            output = "\n".join(lines[start + 1 : end])
            yield Shown(f"{page.relative_to(ROOT)}:{first + start}", words, output)


def pages() -> List[Path]:
    return sorted(page for pattern in PAGES for page in ROOT.glob(pattern))


ALL = [shown for page in pages() for shown in shown_in(page)]
OF_SPINBED = [each for each in ALL if each.words[0] == "spinbed" and REAP not in each.words]
OF_MAKE = [each for each in ALL if each.words[0] == "make"]


def without_figures(text: str) -> str:
    """Durations, counts, and what a journal's name has of its file's path."""
    text = re.sub(r"-[0-9a-f]{8}-seed", "-PATH-seed", text)
    text = re.sub(r"\d+(\.\d+)? m?s\b", "TIME", text)
    text = re.sub(r"(saw |jsonl:|position )\d+", r"\1N", text)
    return re.sub(r"[ \t]+", " ", text).strip()


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All, but of the regressions one: tests of their own run them all."""
    copy = tmp_path_factory.mktemp("commands") / "scenarios"
    # Not what somebody else is just byte-compiling.
    shutil.copytree(ROOT / "scenarios", copy, ignore=shutil.ignore_patterns("*.pyc.*"))
    for path in (copy / "regressions").iterdir():
        if path.name != REGRESSION:
            shutil.rmtree(path)
    return copy


@pytest.fixture
def folder(tmp_path: Path, scenarios: Path) -> Path:
    """What commands are given: the scenarios, and the example of README.md, less an expectation."""
    (tmp_path / "scenarios").symlink_to(scenarios)
    text = (ROOT / "scenarios/fast/stalled_reader.toml").read_text(encoding="utf-8")
    parts = re.split(r"^(?=\[\[expect\]\])", text, flags=re.MULTILINE)
    (tmp_path / "stalled_reader.toml").write_text(parts[0] + "".join(parts[2:]), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "shown", OF_SPINBED, ids=lambda shown: f"{shown.where} {' '.join(shown.words)}"
)
def test_a_command_of_the_product_works_and_prints_what_is_shown(
    spinbed: Spinbed, shown: Shown, folder: Path
) -> None:
    if "run" in shown.words and any("/cluster" in word for word in shown.words):
        pytest.importorskip("simpy")
    done = spinbed(*shown.words[1:], cwd=folder)
    if shown.output:
        assert without_figures(done.stdout) == without_figures(shown.output), done.stderr
        status = {"FAIL": 3, "verdict: invalid": 4}
        expected = next((status[mark] for mark in status if mark in shown.output), 0)
        assert done.returncode == expected
    else:
        allowed = STATUS_OF_A_HOST if "doctor" in shown.words else SUCCESS
        assert done.returncode in allowed, done.stdout + done.stderr
        assert done.stdout


@pytest.mark.parametrize(
    "shown", OF_MAKE, ids=lambda shown: f"{shown.where} {' '.join(shown.words)}"
)
def test_a_target_of_make_is_there(shown: Shown) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *shown.words[1:]],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=WATCHDOG_S,
    )
    assert done.returncode == 0, done.stderr


def test_every_target_of_make_that_the_pages_name_is_there() -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for page in pages()
        for target in re.findall(r"`make (\w+)", page.read_text(encoding="utf-8"))
    }
    assert named and named <= targets


def test_no_command_is_shown_that_no_test_knows() -> None:
    known = [*OF_SPINBED, *OF_MAKE, *(each for each in ALL if REAP in each.words)]
    assert [each.where for each in ALL if each not in known] == []
    assert len(OF_SPINBED) >= 6 and len(OF_MAKE) >= 2


def test_the_example_of_the_read_me_is_the_file_that_it_names() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [(name, example)] = re.findall(
        r"`(scenarios/[\w/]+\.toml)`.*?```toml\n(.*?)```", text, re.DOTALL
    )
    assert example == (ROOT / name).read_text(encoding="utf-8")


def test_the_read_me_can_be_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_path_of_a_page_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    text = text.split("\n## Planned")[0]
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), target
    named = re.findall(r"`((?:sim|cy_kernels|scenarios|docs|tests|benchmarks)/[\w./-]*)`", text)
    missing = {path for path in named if not (ROOT / path).exists()}
    assert not missing - TO_BE_WRITTEN


@pytest.mark.parametrize("package", ["sim", "cy_kernels"])
def test_the_architecture_names_every_part_of_a_package(package: str) -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    tree = text.split("## The tree")[1].split("## Who may import whom")[0]
    parts = {
        path.name.split(".")[0]
        for path in (ROOT / package).iterdir()
        if path.name[0] != "_" and path.suffix in ("", ".py", ".pyx", ".pxd")
    }
    assert parts
    assert [part for part in sorted(parts) if not re.search(rf"\b{part}\b", tree)] == []
