"""The kit for transports: all that are installed keep what it promises, planted bugs do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sim.live.supervisor import Supervisor
from sim.testing.transport_kit import BrokenPromise, Lacking, check_transport
from sim.transport import PEERS, TRANSPORTS


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as made:
        yield made


@pytest.mark.parametrize("kind", TRANSPORTS)
def test_every_transport_keeps_what_all_promise(kind: str, supervisor: Supervisor) -> None:
    try:
        check_transport(kind, supervisor)
    except Lacking as lacking:
        pytest.skip(str(lacking))


@pytest.mark.parametrize(
    ("name", "objection"),
    [
        ("ForgettingRing", "no_loss"),
        ("DeafRing", "a reader with a deadline waits on"),
        ("LeakyRing", "leaks"),
    ],
)
def test_a_planted_bug_is_refused(name: str, objection: str, supervisor: Supervisor) -> None:
    with pytest.raises(BrokenPromise, match=objection):
        check_transport(f"sim.testing.planted:{name}", supervisor)


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    lacks = {peer.alias: peer.lack() for peer in PEERS}
    assert lacks["mp_pipe"] is None
    assert lacks["zmq_push_pull"] == (
        "zmq_push_pull needs pyzmq, which is not installed: spinbed[peers]"
    )
