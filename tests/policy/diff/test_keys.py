"""Every key of the policy language has a declared direction: one pair of policies that differ in this key alone."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from authguard.policy.diff.permissiveness import Direction
from authguard.policy.diff.policy_diff import diff_policies
from authguard.policy.loading.loader import load_draft
from authguard.policy.schema.json_schema import policy_schema
from tests.policy.diff.keys import DOCUMENT, GONE, KEYS, WITHOUT

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

#: what no sentence for a reviewer contains: values of Python, and names that no policy has
_INTERNAL = re.compile(
    r"\binf\b|\bNone\b|frozenset|\bTrue\b|\bFalse\b|[A-Z][a-z]+\(|`(?:amount|currency|payee|status|true|delegations|answer)_(?:at|form)`|`(?:key_file|jwks_uri|hedge_after|"
    r"open_for|failures|bearer_env|since_entered|answer_as|proof_window|discovery_url|secret_header)`|\b1 \w+s\b(?! )|"
    r"\b(?:[02-9]|\d\d+) (?:person|attempt|call|digit|day)\b"
)


def read(document: dict[str, Any]) -> Draft:
    found = load_draft("every-key.yaml", text=json.dumps(document).encode())
    assert found.draft is not None, found.problems
    return found.draft


@pytest.fixture(scope="module")
def whole() -> Draft:
    return read(DOCUMENT)


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the document with one value replaced, or removed."""
    document = deepcopy(DOCUMENT)
    *parts, last = path.split(".")
    parent: Any = document
    for part in parts:
        parent = parent[int(part)] if isinstance(parent, list) else parent.setdefault(part, {})
    key: Any = int(last) if isinstance(parent, list) else last
    if value is GONE:
        del parent[key]
    else:
        parent[key] = list(value) if isinstance(value, tuple) else value
    return document


def test_no_key_of_the_schema_is_forgotten() -> None:
    schema = policy_schema()
    models = {"Document": schema, **schema["$defs"]}
    keys = {f"{name}.{key}" for name, model in models.items() for key in model["properties"]}
    assert {*KEYS, *WITHOUT} == keys, "declare in `keys.py` what `policy diff` tells of each key"


@pytest.mark.parametrize("key", KEYS)
def test_a_change_of_one_key_is_told_with_its_direction(key: str, whole: Draft) -> None:
    path, value, expected = KEYS[key]
    found = diff_policies(whole, read(changed(path, value)), find_paths=False).differences
    told = {one.direction for one in found}
    assert next((one for one in Direction if one in told), None) is expected, found
    for one in found:
        assert not _INTERNAL.search(one.message), one.message
