"""Tests of the port of verifiers: every adapter has the methods, and a question shows nobody."""

from __future__ import annotations

import pytest

from authguard.ports.verifier import Question, Verifier
from authguard.verification.code import CodeVerifier
from authguard.verification.resilience import ResilientVerifier
from tests.ports.conformance import list_differences


@pytest.mark.parametrize("adapter", [ResilientVerifier, CodeVerifier])
def test_a_verifier_has_the_methods_of_the_port(adapter: type) -> None:
    assert list_differences(adapter, Verifier) == []


def test_the_text_of_a_question_has_no_person_and_no_answer() -> None:
    asked = Question(
        issuer="https://idp.test", subject="alice", session="0f" * 8, attempt="abcdef", answers={"pet": "rex"},
        channel="phone", at=1.0,
    )  # fmt: skip
    assert repr(asked) == str(asked) == "Question(attempt='abcd'...)"
