"""Combination of verifier results: a pass needs enough passes and no contradiction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.core.verification import Doubted, Failed, IncompleteMethod, Method, Passed, Unavailable, combine

if TYPE_CHECKING:
    from authguard.core.verification import VerifierVerdict

P, F, D, U = Passed(), Failed(), Doubted(0.6), Unavailable("timeout")
BOTH = Method(name="both", verifiers=("a", "b"), need=2)
ANY = Method(name="any", verifiers=("a", "b"), need=1, alternatives=True)
QUORUM = Method(name="quorum", verifiers=("a", "b", "c"), need=2, alternatives=True)
ROW = Method(name="row", verifiers=("a", "b"), need=2, in_order=True)
METHODS = st.builds(
    lambda verifiers, need, **rest: Method(name="m", verifiers=verifiers, need=min(need, len(verifiers)), **rest),
    st.sampled_from([("a",), ("a", "b"), ("a", "b", "c")]),
    st.integers(1, 3),
    in_order=st.booleans(),
    alternatives=st.booleans(),
    on_contradiction=st.sampled_from(["ambiguous", "failed"]),
    on_doubt=st.sampled_from(["ambiguous", "failed"]),
)
SAID = st.dictionaries(st.sampled_from("abc"), st.sampled_from([P, F, D, U]))


@pytest.mark.parametrize(
    ("method", "said", "amount"),
    [
        (BOTH, {}, IncompleteMethod(("a", "b"))),
        (BOTH, {"a": P}, IncompleteMethod(("b",))),
        (BOTH, {"a": P, "b": P}, "passed"),
        (BOTH, {"a": P, "b": F}, "failed"),
        (BOTH, {"a": P, "b": D}, "doubted"),
        (BOTH, {"a": F, "b": D}, "doubted"),
        (BOTH, {"a": U, "b": D}, "doubted"),
        (BOTH, {"a": P, "b": U}, "unavailable"),
        (BOTH, {"a": F, "b": U}, "failed"),
        (BOTH, {"a": F}, "failed"),
        (ANY, {"a": P}, "passed"),
        (ANY, {"a": F}, "failed"),
        (ANY, {"a": U}, IncompleteMethod(("b",))),
        (ANY, {"a": F, "b": P}, "contradicted"),
        (ANY, {"a": U, "b": P}, "passed"),
        (ANY, {"a": U, "b": U}, "unavailable"),
        (ANY, {"a": U, "b": F}, "failed"),
        (QUORUM, {"a": P, "b": P}, "passed"),
        (QUORUM, {"a": P, "b": F}, "contradicted"),
        (QUORUM, {"a": P, "b": D}, IncompleteMethod(("c",))),
        (QUORUM, {"a": P, "b": D, "c": P}, "passed"),
        (QUORUM, {"a": P, "b": D, "c": U}, "doubted"),
        (QUORUM, {"a": F, "b": F}, "failed"),
        (QUORUM, {"a": U, "b": U}, "unavailable"),
        (ROW, {}, IncompleteMethod(("a",))),
        (ROW, {"a": P}, IncompleteMethod(("b",))),
    ],
)
def test_what_answers_amount_to(method: Method, said: dict[str, VerifierVerdict], amount: object) -> None:
    assert combine(method, said) == amount


@given(METHODS, SAID)
def test_nothing_passes_without_the_passes_that_the_method_demands(
    method: Method, said: dict[str, VerifierVerdict]
) -> None:
    counted = [said[name] for name in method.verifiers if name in said]
    if combine(method, said) == "passed":
        assert counted.count(P) >= method.need
        assert not (method.alternatives and F in counted)


@given(METHODS, SAID)
def test_an_outage_alone_is_never_held_against_the_customer(method: Method, said: dict[str, VerifierVerdict]) -> None:
    if not {F, D} & {said[name] for name in method.verifiers if name in said}:
        assert combine(method, said) not in {"failed", "doubted", "contradicted"}


@given(METHODS, SAID)
def test_when_all_have_answered_there_is_an_amount(method: Method, said: dict[str, VerifierVerdict]) -> None:
    amount = combine(method, {**dict.fromkeys(method.verifiers, U), **said})
    assert not isinstance(amount, IncompleteMethod)


@given(METHODS, SAID)
def test_who_is_wanting_was_not_asked_yet_and_could_still_make_it_pass(
    method: Method, said: dict[str, VerifierVerdict]
) -> None:
    amount = combine(method, said)
    if isinstance(amount, IncompleteMethod):
        assert amount.verifiers
        assert not set(amount.verifiers) & set(said)
        others = [name for name in method.verifiers if name not in said]
        assert combine(method, {**said, **dict.fromkeys(others, P)}) == "passed"
