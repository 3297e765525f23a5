"""What `make test-newest` decides: what it downloads, what it refuses, and how it ends.

The interpreters themselves are for the command, which takes minutes and a network.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import debian_packages
import newest_pythons
import pytest
from debian_packages import Unobtainable, listed_in, packages, sources, suite, with_dependencies

INDEX = "\n\n".join(
    f"""Package: {name}
Version: 1:2.0-1
Filename: pool/{name}.deb
SHA256: {"0" * 64}
Size: 10
{needs}Description: of one line
 and another, Depends: nothing"""
    for name, needs in {
        "python": "Pre-Depends: libc (>= 2)\nDepends: lib (= 1), mime | types, tool:any,\n zip\n",
        "lib": "Depends: libc (<< 3) [amd64], gone | ssl\n",
        "libc": "",
        "ssl": "Depends: python\n",
        "types": "",
        "tool": "Depends: only-by-tool\n",
        "zip": "",
        "only-by-tool": "",
    }.items()
)
SOURCES = "\n\n".join(
    f"""Package: {name}
Directory: pool/{name}
Checksums-Sha256:
 {"1" * 64} 5 {name}_{version}-1.dsc
 {"2" * 64} 6 {name}_{version}.orig.tar.xz"""
    for name, version in (("python3.14", "3.14.9"), ("python3.14", "3.14.10"), ("other", "9"))
)


def chosen(*names: str, unused: Tuple[str, ...] = ()) -> List[str]:
    return [each.name for each in with_dependencies(names, packages(INDEX), unused)]


def test_a_package_is_read_with_all_that_it_needs() -> None:
    read = packages(INDEX)["python"]
    assert read[:5] == ("python", "1:2.0-1", "pool/python.deb", "0" * 64, 10)
    assert read.needs == (("libc",), ("lib",), ("mime", "types"), ("tool",), ("zip",))


def test_of_two_packages_of_a_name_the_first_counts() -> None:
    second = INDEX.replace("Version: 1:2.0-1", "Version: 9")
    assert packages(f"{INDEX}\n\n{second}")["lib"].version == "1:2.0-1"


def test_what_is_needed_is_chosen_once_and_of_alternatives_the_first_that_there_is() -> None:
    assert chosen("python", "lib") == [
        *("python", "lib", "libc", "types", "tool", "zip", "ssl", "only-by-tool")
    ]


def test_what_is_unused_is_left_out_with_what_only_that_needs() -> None:
    assert chosen("python", unused=("tool", "mime")) == ["python", "libc", "lib", "zip", "ssl"]


def test_a_package_that_the_index_has_not_is_named() -> None:
    with pytest.raises(Unobtainable, match="no package absent$"):
        chosen("lib", "absent")


def test_sources_are_taken_newest_first_by_number() -> None:
    assert sources(SOURCES, "python3.14") == [
        (f"pool/python3.14/python3.14_{version}.orig.tar.xz", "2" * 64)
        for version in ("3.14.10", "3.14.9")
    ]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """Of files: an index and one package, and a Release that nobody signed."""
    made = tmp_path / "mirror"
    folder = made / "dists/sid/main"
    folder.mkdir(parents=True)
    (made / "lib.deb").write_bytes(b"a package")
    index = lzma.compress(INDEX.encode())
    (folder / "Packages.xz").write_bytes(index)
    listed = f"Suite: sid\nSHA256:\n {sha256(index)} {len(index)} main/Packages.xz\n"
    (made / "dists/sid/InRelease").write_text(listed)
    return made


@pytest.fixture
def unsigned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(debian_packages, "KEYRING", tmp_path / "no-keyring")


def test_what_is_as_listed_is_taken(mirror: Path, tmp_path: Path, unsigned: None) -> None:
    debian, said = suite(mirror.as_uri(), "sid", tmp_path)
    assert "signature not looked at: needs gpgv and" in said
    assert debian.index("main/Packages") == INDEX
    assert debian.file("lib.deb", sha256(b"a package")) == b"a package"


def test_what_is_not_as_listed_is_refused(mirror: Path, tmp_path: Path, unsigned: None) -> None:
    debian, _ = suite(mirror.as_uri(), "sid", tmp_path)
    (mirror / "dists/sid/main/Packages.xz").write_bytes(lzma.compress(b"Package: another"))
    with pytest.raises(Unobtainable, match="^main/Packages.xz is refused: its SHA256 is"):
        debian.index("main/Packages")
    with pytest.raises(Unobtainable, match=r"^lib\.deb is refused: .* and 0{64} is listed"):
        debian.file("lib.deb", "0" * 64)
    with pytest.raises(Unobtainable, match="^dists/sid has no main/Sources.xz"):
        debian.index("main/Sources")


def test_a_release_that_is_not_signed_is_refused_where_that_can_be_told(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = tmp_path / "gpgv"
    verifier.write_text("#!/bin/sh\necho 'no signature' >&2\nexit 2\n")
    verifier.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(debian_packages, "KEYRING", verifier)
    with pytest.raises(Unobtainable, match="dists/sid is refused: no signature"):
        suite(mirror.as_uri(), "sid", tmp_path)


def test_only_sha256_are_taken_from_a_release() -> None:
    release = f"MD5Sum:\n {'a' * 32} 7 main/x.xz\nSHA256:\n {'b' * 64}       7 main/x.xz\n"
    assert listed_in(release) == {"main/x.xz": "b" * 64}


def test_without_a_mirror_nothing_is_tried_and_that_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(newest_pythons, "MIRROR", (tmp_path / "nowhere").as_uri())
    monkeypatch.setattr(newest_pythons, "missing", lambda: [])
    status = newest_pythons.main(["--free-threaded", "--folder", str(tmp_path / "kept")])
    assert status == newest_pythons.NOT_TRIED == 75
    told = capsys.readouterr().out.splitlines()
    assert [line.split(" file:")[0] for line in told] == [
        *("3.14: NOT TRIED:", "3.14t: NOT TRIED:")
    ]
    assert all("No such file or directory" in line for line in told)


def test_what_the_host_lacks_is_named_and_nothing_is_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "dpkg-deb" else name)
    assert newest_pythons.main(["--lack"]) == 0
    assert newest_pythons.main([]) == newest_pythons.NOT_TRIED
    assert capsys.readouterr().out == "dpkg-deb\n3.14: NOT TRIED: needs dpkg-deb\n"


def test_a_failure_outweighs_what_was_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = {"3.14": newest_pythons.NOT_TRIED, "3.14t": newest_pythons.FAILED}
    folders: Dict[str, Path] = {}

    def status_of(name: str, obtain: Callable[..., Path], folder: Path) -> int:
        folders[name] = folder
        return statuses[name]

    monkeypatch.setattr(newest_pythons, "status_of", status_of)
    assert newest_pythons.main(["--free-threaded"]) == newest_pythons.FAILED
    assert newest_pythons.main([]) == newest_pythons.NOT_TRIED
    statuses["3.14"] = 0
    assert newest_pythons.main([]) == 0
    assert not folders["3.14"].parent.exists()
    newest_pythons.main(["--folder", str(tmp_path)])
    assert folders["3.14"] == tmp_path / "3.14"


def test_a_check_that_fails_is_told_with_its_last_words() -> None:
    told: List[str] = []
    good = newest_pythons.Check("good", ("sh", "-c", "echo first; echo last"))
    bad = newest_pythons.Check("bad", ("sh", "-c", "echo why; exit $STATUS"), {"STATUS": "3"})
    assert newest_pythons.passes(good, told.append)
    assert not newest_pythons.passes(bad, told.append)
    assert told[0].startswith("good: last, ")
    assert told[1:] == ["bad: sh ended with status 3\nwhy"]


def test_without_the_gil_nothing_but_a_module_of_others_may_turn_it_on() -> None:
    """The kernels are imported as they are; tests that import posix_ipc are held off it."""
    python = Path("/nowhere/bin/python")
    settings = [dict(each.variables) for each in newest_pythons.checks(python, is_free=True)]
    assert settings == [{}, *([{"PYTHON_GIL": "0"}] * 3), {}]
    assert not any(each.variables for each in newest_pythons.checks(python, is_free=False))


def test_an_unknown_flag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        newest_pythons.main(["--free-thread", "--newer"])
    assert refused.value.code == 2
    assert "unrecognized arguments: --newer" in capsys.readouterr().err
