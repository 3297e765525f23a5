"""The verbs of a World that a world of programs alone has no use for."""

from __future__ import annotations

from typing import Any, Mapping, NoReturn, Optional

from sim.abc import Machine, Network


class Ringless:
    """No fault that gets into such a world needs one of these (its capabilities say so)."""

    @property
    def machine(self) -> Machine:
        _of_rings()

    @property
    def network(self) -> Network:
        _of_rings()

    def restart(self, process: str) -> int:
        _of_rings()

    def at_step(self, process: str) -> Mapping[str, Any]:
        _of_rings()

    def slow(self, process: str, per_op_ns: int) -> None:
        _of_rings()

    def raise_in_read(self, process: str) -> None:
        _of_rings()

    def unlink_region(self) -> str:
        _of_rings()

    def truncate_region(self, size_bytes: int) -> int:
        _of_rings()

    def acknowledged(
        self, process: str, what: str, *, within_ns: int
    ) -> Optional[Mapping[str, Any]]:
        _of_rings()

    def region_size_bytes(self) -> Optional[int]:
        _of_rings()

    def hold_back(self, process: str) -> None:
        _of_rings()

    def attach(self, process: str) -> str:
        _of_rings()


def _of_rings() -> NoReturn:
    raise AssertionError("a program has no ring")
