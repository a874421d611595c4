"""A document is read without coercion; every error is found, each with its path and what is expected."""

from __future__ import annotations

from typing import Any

import pytest

from authguard.policy.loading.document_reader import DocumentError, read_document

LEAST: dict[str, Any] = {"authguard": 1, "name": "x"}
OPERATION: dict[str, Any] = {"name": "a", "match": {"path": "/x"}, "risk": "high", "effect": "write"}


def errors(**keys: object) -> list[DocumentError]:
    document, found = read_document(LEAST | keys)
    assert (document is None) == bool(found)
    return found


def kinds(**keys: object) -> list[tuple[str, tuple[str | int, ...]]]:
    return [(error.code, error.path) for error in errors(**keys)]


def test_values_become_what_the_model_declares() -> None:
    document, found = read_document(
        LEAST
        | {
            "budget": {"request": "2s", "body": "64KiB"},
            "hosts": ["shop.example"],
            "accounts": [{"from": "claim", "claim": "status", "map": {"ok": "normal"}}],
            "operations": [OPERATION | {"amount": {"at": "/a", "currency": {"at": "/c"}}}],
            "verifiers": {"otp": {"type": "http", "pass_at": 1}},
        }
    )
    assert found == []
    assert document is not None
    assert (document.budget.request, document.budget.body, document.budget.in_flight) == (2.0, 65_536, 64)
    assert document.hosts == ("shop.example",)
    assert document.accounts is not None
    assert (document.accounts[0].source, document.accounts[0].map) == ("claim", {"ok": "normal"})
    amount = document.operations[0].amount
    assert amount is not None
    assert amount.currency == ("", "/c", "")
    assert isinstance(document.verifiers["otp"].pass_at, float)


def test_short_forms_become_the_full_ones() -> None:
    document, _ = read_document(
        LEAST
        | {
            "agents": ["concierge"],
            "accounts": "none",
            "otherwise": "deny",
            "decisions": [{"when": {"risk": "high"}, "do": "refuse"}],
        }
    )
    assert document is not None
    assert [agent.client for agent in document.agents] == ["concierge"]
    assert (document.accounts, document.otherwise) == ((), None)
    assert document.decisions[0].when == {"risk": ("high",)}


@pytest.mark.parametrize(
    ("keys", "code", "path", "detail"),
    [
        ({"base": "no"}, "wrong-type", ("base",), "`true` or `false`"),
        ({"base": 1}, "wrong-type", ("base",), "`true` or `false`"),
        ({"authguard": True}, "unknown-value", ("authguard",), ("1",)),
        ({"authguard": 1.0}, "unknown-value", ("authguard",), ("1",)),
        ({"cors": {"max_age": True}}, "wrong-type", ("cors", "max_age"), "a whole number"),
        ({"cors": {"max_age": 1.0}}, "wrong-type", ("cors", "max_age"), "a whole number"),
        ({"cors": {"max_age": -1}}, "out-of-range", ("cors", "max_age"), "write at least 0"),
        ({"cors": {"max_age": 86_401}}, "out-of-range", ("cors", "max_age"), "write at most 86400"),
        (
            {"cors": {"allow_origin_regex": "x" * 501}},
            "out-of-range",
            ("cors", "allow_origin_regex"),
            "write at most 500 characters",
        ),
        ({"cors": {"allow_methods": "GET"}}, "wrong-type", ("cors", "allow_methods"), "a list"),
        ({"cors": []}, "wrong-type", ("cors",), "a mapping"),
        ({"audit": {"retention": "30m"}}, "out-of-range", ("audit", "retention"), "write at least 1h"),
        (
            {"audit": {"rotate": {"size": "1KiB"}}},
            "out-of-range",
            ("audit", "rotate", "size"),
            "write at least 64KiB",
        ),
        ({"credentials": {"from": []}}, "out-of-range", ("credentials", "from"), "write at least 1"),
        ({"hosts": ["a.example"] * 201}, "too-many-items", ("hosts",), "200"),
        (
            {"name": "X"},
            "malformed-value",
            ("name",),
            "write a lower-case letter, then lower-case letters, digits, `_` or `-`",
        ),
        ({"verifiers": None}, "wrong-type", ("verifiers",), "a mapping"),
        (
            {"verifiers": {"otp": {"type": "http", "pass_at": float("nan")}}},
            "out-of-range",
            ("verifiers", "otp", "pass_at"),
            "write at least 0",
        ),
    ],
)
def test_a_wrong_value_is_an_error_with_what_is_expected(
    keys: dict[str, object], code: str, path: tuple[str, ...], detail: object
) -> None:
    assert [(error.code, error.path, error.detail) for error in errors(**keys)] == [(code, path, detail)]


def test_an_unknown_key_is_an_error_that_names_the_known_keys() -> None:
    (error,) = errors(budget={"requst": "2s"})
    assert (error.code, error.path, error.is_key) == ("unknown-key", ("budget", "requst"), True)
    assert "request" in error.detail


def test_a_wrong_name_of_an_entry_is_an_error_of_the_key() -> None:
    (wrong,) = errors(fallbacks={"Refuse": {"kind": "deny"}})
    (unknown,) = errors(machines={"sesion": {}})
    assert (wrong.code, wrong.path, wrong.is_key) == ("malformed-value", ("fallbacks", "Refuse"), True)
    assert (unknown.code, unknown.path, unknown.is_key) == ("unknown-value", ("machines", "sesion"), True)


def test_every_error_is_found() -> None:
    assert kinds(
        operations=[{"name": "A", "match": 1, "risk": "hgh"}, OPERATION | {"limits": [{"calls": 0}, {"per": "call"}]}],
        on_fault=3,
        zz=1,
    ) == [
        ("malformed-value", ("operations", 0, "name")),
        ("wrong-type", ("operations", 0, "match")),
        ("unknown-value", ("operations", 0, "risk")),
        ("missing-key", ("operations", 0, "effect")),
        ("out-of-range", ("operations", 1, "limits", 0, "calls")),
        ("missing-key", ("operations", 1, "limits", 0, "per")),
        ("malformed-value", ("on_fault",)),
        ("unknown-key", ("zz",)),
    ]


def test_of_a_value_with_several_types_the_last_type_is_expected() -> None:
    issuer = {"issuer": "https://i.example", "audience": "us", "algorithms": ["ES256"]}
    assert errors(issuers=[issuer | {"keys": {"discovery": True}}]) == []
    assert errors(issuers=[issuer | {"keys": {"discovery": "https://i.example/.well-known"}}]) == []
    (error,) = errors(issuers=[issuer | {"keys": {"discovery": "here"}}])
    assert error.detail == "write an address such as `https://idp.example`"


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_a_document_is_a_mapping(value: object) -> None:
    assert read_document(value) == (None, [DocumentError((), "wrong-type", "a mapping")])
