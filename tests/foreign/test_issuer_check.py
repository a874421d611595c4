"""`authguard issuer check` reads the metadata and keys of a provider that nobody here wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from authguard.cli import build

if TYPE_CHECKING:
    from tests.foreign.issuer import Issuer


def _check(*words: str) -> tuple[int, Any]:
    result = CliRunner().invoke(build("issuer"), ["issuer", "check", *words, "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_the_provider_is_usable_as_written_and_with_a_slash_it_is_not(issuer: Issuer) -> None:
    code, found = _check(issuer.url, "--audience", "shop")
    assert (code, found["problems"], found["issuer"]) == (0, [], issuer.url)
    assert found["keys"]
    assert {name for key in found["keys"] for name in key["algorithms"]} >= set(found["algorithms"])
    assert found["introspection_endpoint"].startswith(issuer.url)
    assert found["policy"][1] == f'  - issuer: "{issuer.url}"'
    code, found = _check(f"{issuer.url}/")
    assert (code, found["problems"][0]["problem"]) == (3, "other-issuer")
    assert f"write `issuer: {issuer.url}`" in found["problems"][0]["message"]
