"""Tests of the words of a difference: units, plurals, keys of the policy, and what follows from the change."""

from __future__ import annotations

from math import inf

import pytest
from msgspec import Struct

from authguard.core.agents import Agent
from authguard.core.outcomes import LocalizedText
from authguard.core.own_conditions import OwnCondition
from authguard.policy.diff import field_order
from authguard.policy.diff.words import WORDS, count, describe_change, describe_declared, format_value


class Levels(Struct, frozen=True):
    """Stands for a part with fields."""

    none: str = ""
    most: int = 0


@pytest.mark.parametrize(
    ("kind", "field", "was", "becomes", "sentence"),
    [
        ("Fallback", "attempts", 1, 3, "`attempts` was 1 attempt, is now 3 attempts: more guesses are possible"),
        ("Fallback", "attempts", 3, 0, "`attempts` was 3 attempts, is now unlimited: more guesses are possible"),
        (
            "Operation",
            "max_age",
            0.0,
            300.0,
            ("`assurance.max_age` (the oldest sign-in that is accepted) was unlimited, is now 5 min: sign-ins must be"
            " fresher"),
        ),
        ("Operation", "scopes", frozenset("a"), frozenset("ab"), "`scopes` gains `b`: a token needs more"),
        ("Operation", "scopes", frozenset("ac"), frozenset("ab"), "`scopes` gains `b` and loses `c`"),
        ("Operation", "roles", frozenset("a"), frozenset(), "`roles` was `a`, is now anybody: further roles suffice"),
        ("Verifier", "digits", 8, 6, "`digits` was 8 digits, is now 6 digits: a code is easier to guess"),
        ("Issuer", "levels", Levels(), Levels("aal1", 2), ("`levels`: `none` was none, is now `aal1`; `most` was 0, is"
         " now 2")),
        ("Issuer", "levels", None, Levels("aal1"), "`levels` was none, is now none `aal1`"),
        ("Fallback", "message", LocalizedText(), "", "`message` (the text for the customer) has other words"),
        ("Other", "unknown", "a", "", "`unknown` was `a`, is now none"),
    ],
)  # fmt: skip
def test_a_change_is_one_sentence(kind: str, field: str, was: object, becomes: object, sentence: str) -> None:
    assert describe_change(kind, field, was, becomes) == sentence


def test_a_declared_key_takes_its_meaning_from_the_model() -> None:
    text = describe_declared("audit.retention", "Time before a line goes; default none.", "duration", inf, 86_400.0)
    assert text == (
        "`audit.retention` (time before a line goes) was without end, is now 1 day: records are deleted sooner"
    )
    size = describe_declared("budget.body", "Maximum size of a body.", "size", 1_024, 2_097_152)
    assert size == "`budget.body` (maximum size of a body) was 1KiB, is now 2MiB: larger bodies are read"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (inf, "without end"),
        (0.5, "0.5"),
        (True, "yes"),
        ({}, "none"),
        ({"b": "x", "a": "y"}, "`a`: `y`, `b`: `x`"),
        (("b", "a"), "`a`, `b`"),
        (frozenset({Agent("https://a.test", "helper")}), "`helper of https://a.test`"),
    ],
)
def test_a_value_is_told_in_words(value: object, text: str) -> None:
    assert format_value(value) == text


@pytest.mark.parametrize(("number", "noun", "text"), [(1, "call", "1 call"), (2, "retry", "2 retries")])
def test_counts_have_plurals(number: int, noun: str, text: str) -> None:
    assert count(number, noun) == text


def test_words_are_of_fields_that_are_compared() -> None:
    rows = {
        "Issuer": field_order.ISSUER,
        "Operation": field_order.OPERATION,
        "Fallback": field_order.FALLBACK,
        "AccountSource": field_order.ACCOUNT,
        "Verifier": field_order.VERIFIER,
        "Method": field_order.METHOD,
        "Channels": field_order.CHANNELS,
        "Cors": field_order.CORS,
        "Draft": field_order.POLICY,
        "OwnCondition": OwnCondition.__struct_fields__,  # compared by its effect, in `own_conditions`
    }
    assert not [(kind, field) for kind, words in WORDS.items() for field in words if field not in rows[kind]]
