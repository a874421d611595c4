"""Words about a key come from its declaration: its default and bounds in the units in which a policy writes them."""

from __future__ import annotations

import pytest

from authguard.core.issuer_settings import ClaimSources
from authguard.core.sections import Audit, Budget, Transactions
from authguard.policy.schema.deployment import Agent, Operation
from authguard.policy.schema.document import Document
from authguard.policy.schema.key_text import describe, format_bounds, format_default, format_written, kind_of
from authguard.policy.schema.model import DeclaredKey, keys_of
from authguard.policy.schema.verification import Verifier

CASES = [
    (keys_of(Budget)["request"], "duration", "2s", ""),
    (keys_of(Budget)["body"], "size", "1MiB", ""),
    (keys_of(Transactions)["response_retention"], "duration", "1d", "1m to 30d"),
    (keys_of(Transactions)["max_held"], "whole number", "20", "1 to 10000"),
    (keys_of(Audit)["subjects"], "`pseudonymous` or `plain`", "`pseudonymous`", ""),
    (keys_of(Audit)["retention"], "duration", "", "at least 1h"),
    (keys_of(Audit)["durability"], "mapping to `async` or `group` or `sync`", "", ""),
    (keys_of(Agent)["alone"], "`true` or `false`", "`false`", ""),
    (keys_of(Operation)["roles"], "list of text", "", "at most 32"),
    (keys_of(ClaimSources)["scopes"], "list of text", "`scope`, `scp`", "at most 32"),
    (keys_of(Verifier)["pass_at"], "number", "1", "0 to 1"),
    (keys_of(Document)["name"], "text", "", ""),
    (keys_of(Document)["budget"], "Budget", "", ""),
]


@pytest.mark.parametrize(("key", "kind", "default", "bounds"), CASES)
def test_a_key_tells_its_value_in_the_units_of_a_policy(key: DeclaredKey, kind: str, default: str, bounds: str) -> None:
    assert (kind_of(key.annotation), format_default(key), format_bounds(key.annotation)) == (kind, default, bounds)


def test_the_default_is_added_to_a_description_that_does_not_name_it() -> None:
    assert describe(keys_of(Transactions)["max_held"]).endswith("that wait for approval; default 20.")
    assert describe(keys_of(Agent)["issuer"]) == "Issuer of the client; default: the only issuer."


def test_a_duration_without_end_is_not_a_number() -> None:
    assert format_written(float("inf"), "duration") == "without end"
