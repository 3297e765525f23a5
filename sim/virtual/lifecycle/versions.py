"""What differs between versions of CPython, as far as the models can tell."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Optional, Tuple

MODELLED = ((3, 9), (3, 13))  # from, to


@dataclass(frozen=True)
class Behaviour:
    """Of one version. Without a patch level it is the first of that line."""

    version: Tuple[int, ...]

    def __str__(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def is_modelled(self) -> bool:
        return MODELLED[0] <= self.version[:2] <= MODELLED[1]

    @property
    def looks_again_after_wait(self) -> bool:
        """An import statement that has waited for another thread's import of a module takes the
        module from sys.modules once more (gh-143650)."""
        return self.version >= (3, 13, 13)

    @property
    def checks_context_of_locks(self) -> bool:
        """A semaphore of a fork context is refused by another one (gh-77377); below, what is an
        address in one process is used in another."""
        return self.version >= (3, 11)

    @property
    def may_attach_untracked(self) -> bool:
        """SharedMemory(track=False) is known (gh-82300)."""
        return self.version >= (3, 13)


def named(version: Optional[str]) -> Behaviour:
    """Of the version that is written so, "3.10"; None: of the interpreter that runs this.

    Raises ValueError for anything else, such as a path.
    """
    if version is None:
        return Behaviour(sys.version_info[:3])
    return Behaviour(tuple(int(part) for part in version.split(".")))
