"""The judge of the memory models is itself judged: by what is published about each shape."""

from __future__ import annotations

import pytest
from litmus_axioms import MODELS, outcomes
from litmus_notation import REGISTERS, Shape, is_weak
from litmus_shapes import SHAPES

BY_NAME = {shape.name: shape for shape in SHAPES}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_weak_outcome_is_allowed_where_it_is_published_to_be(shape: Shape, model: str) -> None:
    found = outcomes(shape.threads, model, registers=REGISTERS)
    assert found
    assert any(is_weak(outcome, shape) for outcome in found) == (model in shape.allowed.split())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_weaker_model_allows_no_less(shape: Shape) -> None:
    sc, tso, pso = (outcomes(shape.threads, model) for model in MODELS[:3])
    assert sc <= tso <= pso
    has_payload = any(step[0][:3] in ("put", "get") for thread in shape.threads for step in thread)
    if not has_payload:
        assert pso <= outcomes(shape.threads, "ra")


def weak_on_ra(name: str, **variant: bool) -> bool:
    shape = BY_NAME[name]
    return any(is_weak(each, shape) for each in outcomes(shape.threads, "ra", **variant))


def test_rc11_itself_orders_fences_apart_from_program_order_and_reads_from() -> None:
    name = "ISA2+sc-fence+po+sc-fence"
    assert not weak_on_ra(name)
    assert weak_on_ra(name, fences_in_order=False)
    assert not weak_on_ra("SB+sc-fences", fences_in_order=False)
    assert not weak_on_ra("IRIW+sc-fences", fences_in_order=False)


def test_the_release_sequence_of_cpp11_goes_on_through_own_stores() -> None:
    assert weak_on_ra("MP+own-store-after")
    assert not weak_on_ra("MP+own-store-after", own_stores_continue=True)
    assert weak_on_ra("MP+broken-sequence", own_stores_continue=True)


def test_names_are_given_once_and_there_are_enough() -> None:
    assert len(BY_NAME) == len(SHAPES) >= 40


def test_an_unknown_model_or_instruction_is_an_error() -> None:
    with pytest.raises(ValueError, match="rmo: not one of sc, tso, pso, ra"):
        outcomes([[]], "rmo")
    with pytest.raises(ValueError, match="nap: not a litmus instruction"):
        outcomes([[("nap", 5)]], "sc")


def test_all_outcomes_of_store_buffering_are_known() -> None:
    found = outcomes(BY_NAME["SB"].threads, "tso", registers=1, locations=2)
    read = {(one, other) for _, ((one,), (other,)), _ in found}
    assert read == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert {outcome.memory for outcome in found} == {(1, 1)}
    found = outcomes(BY_NAME["SB"].threads, "sc", registers=1, locations=2)
    assert {(one, other) for _, ((one,), (other,)), _ in found} == {(0, 1), (1, 0), (1, 1)}
