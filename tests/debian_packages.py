"""Debian's packages, fetched without apt: found in an index, and refused if they are not as listed.

What vouches for a package is a chain: the archive's key signs InRelease, which has the index's
SHA256, which has the package's. Versions in dependencies are not looked at, since an index is of
one moment, whose packages go together.
"""

from __future__ import annotations

import hashlib
import http.client
import lzma
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Collection, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Tuple

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
FETCH_DEADLINE_S = 60  # without a byte
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


class Unobtainable(Exception):
    """What could not be got, and why: it says nothing of the product."""


class Package(NamedTuple):
    name: str
    version: str
    path: str  # below the mirror
    sha256: str
    size_bytes: int
    needs: Tuple[Tuple[str, ...], ...]  # of each line the alternatives, best first


def stanzas(index: str) -> Iterator[Mapping[str, str]]:
    """Fields of each; those of several lines keep their line breaks."""
    for text in index.split("\n\n"):
        fields = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", text, re.MULTILINE)
        if fields:
            yield dict(fields)


def packages(index: str) -> Dict[str, Package]:
    """By name; of two versions the one that is listed first."""
    found: Dict[str, Package] = {}
    for each in stanzas(index):
        relations = ", ".join(filter(None, map(each.get, ("Pre-Depends", "Depends"))))
        needs = tuple(tuple(alternatives(line)) for line in relations.split(",") if line.strip())
        name, size_bytes = each["Package"], int(each["Size"])
        one = Package(name, each["Version"], each["Filename"], each["SHA256"], size_bytes, needs)
        found.setdefault(name, one)
    return found


def alternatives(relation: str) -> Iterator[str]:
    for each in relation.split("|"):
        name = NAME.match(each.strip())
        assert name is not None, f"no relation of packages: {relation!r}"
        yield name[0]


def with_dependencies(
    names: Iterable[str], index: Mapping[str, Package], unused: Collection[str] = ()
) -> List[Package]:
    """All that these need, each once, but for what is unused here and what only that needs."""
    chosen: Dict[str, Package] = {}
    wanted = [(name,) for name in names]
    while wanted:
        either = wanted.pop(0)
        if not {*either}.isdisjoint({*chosen, *unused}):
            continue
        name = next((each for each in either if each in index), None)
        if name is None:
            raise Unobtainable(f"the index has no package {' or '.join(either)}")
        chosen[name] = index[name]
        wanted.extend(index[name].needs)
    return list(chosen.values())


def sources(index: str, package: str) -> List[Tuple[str, str]]:
    """Path and SHA256 of each release's tarball, the newest first."""
    found = []
    for each in stanzas(index):
        if each.get("Package") == package:
            for line in each["Checksums-Sha256"].split("\n"):
                tarball = re.fullmatch(r" *(\w{64}) \d+ (\S+_([\d.]+)\.orig\.tar\.xz)", line)
                if tarball is not None:
                    order = tuple(map(int, tarball[3].split(".")))
                    found.append((order, f"{each['Directory']}/{tarball[2]}", tarball[1]))
    return [(path, sha256) for _, path, sha256 in sorted(found, reverse=True)]


def checked(content: bytes, sha256: str, name: str) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise Unobtainable(f"{name} is refused: its SHA256 is {found}, and {sha256} is listed")
    return content


def fetched(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=FETCH_DEADLINE_S) as answer:
            return bytes(answer.read())
    except (OSError, http.client.HTTPException) as error:
        raise Unobtainable(f"{url}: {getattr(error, 'reason', error)}") from error


class Suite(NamedTuple):
    """A distribution of a mirror, and what its InRelease lists, by path: the SHA256."""

    mirror: str
    folder: str
    listed: Mapping[str, str]

    def index(self, path: str) -> str:
        """`path` without its suffix: main/binary-amd64/Packages, main/source/Sources."""
        packed = f"{path}.xz"
        if packed not in self.listed:
            raise Unobtainable(f"{self.folder} has no {packed}")
        content = fetched(f"{self.mirror}/{self.folder}/{packed}")
        return lzma.decompress(checked(content, self.listed[packed], packed)).decode()

    def file(self, path: str, sha256: str) -> bytes:
        return checked(fetched(f"{self.mirror}/{path}"), sha256, path)


def suite(mirror: str, name: str, scratch: Path) -> Tuple[Suite, str]:
    """And how far its signature was looked at, in words. Valid-Until is not: an old index that is
    signed is as good here, and copies of a mirror stand still."""
    content = fetched(f"{mirror}/dists/{name}/InRelease")
    signed, plain = scratch / "InRelease", scratch / "Release"
    signed.write_bytes(content)
    if shutil.which("gpgv") is None or not KEYRING.exists():
        text, said = content.decode(), f"signature not looked at: needs gpgv and {KEYRING}"
    else:
        command = ["gpgv", "--keyring", str(KEYRING), "--output", str(plain), str(signed)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Unobtainable(f"{mirror}/dists/{name} is refused: {done.stderr.strip()}")
        text, said = plain.read_text(), "signature good"
    return Suite(mirror, f"dists/{name}", listed_in(text)), said


def listed_in(release: str) -> Dict[str, str]:
    return {path: sha256 for sha256, path in re.findall(r"^ (\w{64}) +\d+ (\S+)$", release, re.M)}


def unpack(package: Path, root: Path) -> None:
    subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
