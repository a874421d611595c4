"""Keys come from the issuer itself, over TLS or this machine, in one exact form, or not at all."""

from __future__ import annotations

import gzip
import json
from typing import Any

import anyio
import httpx2
import pytest

from authguard.credentials.fetch import ANSWER_BOUND, Fetcher, is_safe
from authguard.policy.compiled import Issuer

_SET = {"keys": []}
_OIDC = "/.well-known/openid-configuration"
_OAUTH = "/.well-known/oauth-authorization-server"


def _fetch(documents: dict[str, Any], issuer: str = "https://i.test", **fields: Any) -> tuple[Any, list[str]]:
    """Fetch from scripted answers, by URL; tell what came and what was asked."""
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        found = documents.get(str(request.url), 404)
        if isinstance(found, httpx2.Response):
            return found
        if isinstance(found, int):
            return httpx2.Response(found)
        return httpx2.Response(200, content=found if isinstance(found, bytes) else json.dumps(found))

    async def scene() -> Any:
        # an owner's client may follow redirects elsewhere; keys never do
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer), follow_redirects=True) as client:
            described = Issuer(issuer=issuer, audience="a", algorithms=("ES256",), **({"discovery": True} | fields))
            try:
                return await Fetcher(client).key_set(described)
            except ValueError as error:
                return error

    return anyio.run(scene), asked


def test_keys_are_found_by_openid_discovery() -> None:
    metadata = {"issuer": "https://i.test", "jwks_uri": "https://keys.test/set"}
    found, asked = _fetch({f"https://i.test{_OIDC}": metadata, "https://keys.test/set": _SET})
    assert found == _SET
    assert asked == [f"https://i.test{_OIDC}", "https://keys.test/set"]


@pytest.mark.parametrize("issuer", ["https://i.test/tenant/7", "https://i.test/tenant/7/"])
def test_keys_are_found_by_rfc_8414_where_openid_discovery_has_none(issuer: str) -> None:
    metadata = {"issuer": issuer, "jwks_uri": "https://i.test/set"}
    found, asked = _fetch({f"https://i.test{_OAUTH}/tenant/7": metadata, "https://i.test/set": _SET}, issuer)
    assert found == _SET
    assert asked[0] == f"https://i.test/tenant/7{_OIDC}"


def test_a_given_address_needs_no_discovery() -> None:
    found, asked = _fetch({"https://i.test/set": _SET}, discovery=False, jwks_uri="https://i.test/set")
    assert (found, asked) == (_SET, ["https://i.test/set"])


@pytest.mark.parametrize("named", ["https://other.test", "https://i.test/", "HTTPS://i.test", None, ["https://i.test"]])
def test_metadata_that_names_another_issuer_is_not_this_ones(named: object) -> None:
    metadata = {"issuer": named, "jwks_uri": "https://i.test/set"}
    found, asked = _fetch({f"https://i.test{_OIDC}": metadata, "https://i.test/set": _SET})
    assert isinstance(found, ValueError)
    assert "https://i.test/set" not in asked


@pytest.mark.parametrize(
    "address",
    [
        "http://i.test/set",
        "http://127.0.0.1/set",
        "ftp://i.test/set",
        "file:///etc/passwd",
        "//i.test/set",
        "",
        "http://[",
        7,
    ],
)
def test_metadata_read_over_tls_leads_nowhere_without(address: object) -> None:
    found, asked = _fetch({f"https://i.test{_OIDC}": {"issuer": "https://i.test", "jwks_uri": address}})
    assert isinstance(found, ValueError)
    assert str(address) not in asked


def test_an_issuer_on_this_machine_may_do_without_tls() -> None:
    issuer = "http://127.0.0.1:9"
    metadata = {"issuer": issuer, "jwks_uri": f"{issuer}/set"}
    assert _fetch({f"{issuer}{_OIDC}": metadata, f"{issuer}/set": _SET}, issuer)[0] == _SET


def test_an_issuer_elsewhere_may_not() -> None:
    found, asked = _fetch({}, "http://i.test")
    assert isinstance(found, ValueError)
    assert asked == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(302, id="redirect"),
        pytest.param(
            httpx2.Response(302, headers={"Location": "https://i.test/elsewhere"}), id="redirect with a place"
        ),
        pytest.param(404, id="not found"),
        pytest.param(500, id="broken"),
        pytest.param(204, id="empty"),
        pytest.param(206, id="partial"),
        pytest.param(b"<html>", id="no JSON"),
        pytest.param(b'{"keys":[],"keys":[]}', id="a name twice"),
        pytest.param([], id="no object"),
        pytest.param({"keys": ["x" * ANSWER_BOUND]}, id="too large"),
        pytest.param({"keys": [{}] * 5_000}, id="too many members"),
        pytest.param(
            httpx2.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b'{"keys":[]}')),
            id="compressed",
        ),
    ],
)
def test_an_answer_that_is_not_exactly_a_document_is_none(answer: Any) -> None:
    documents = {"https://i.test/set": answer, "https://i.test/elsewhere": _SET}
    found, asked = _fetch(documents, discovery=False, jwks_uri="https://i.test/set")
    assert isinstance(found, ValueError)
    assert asked == ["https://i.test/set"]


def test_an_endless_answer_is_read_up_to_the_bound_only() -> None:
    sent = 0

    class Endless(httpx2.AsyncByteStream):
        async def __aiter__(self) -> Any:
            nonlocal sent
            while True:
                sent += 1
                yield b"x" * 65_536

    answer = httpx2.Response(200, stream=Endless())
    found, _ = _fetch({"https://i.test/set": answer}, discovery=False, jwks_uri="https://i.test/set")
    assert isinstance(found, ValueError)
    assert sent * 65_536 <= ANSWER_BOUND + 65_536


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://i.test/set", True),
        ("HTTPS://i.test", True),
        ("http://localhost:8080", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:1", True),
        ("http://i.test", False),
        ("http://localhost.evil.test", False),
        ("http://127.0.0.1.evil.test", False),
        ("http://10.0.0.1", False),
        ("http://169.254.169.254", False),
        ("https://user@i.test", False),
        ("http://localhost@evil.test", False),
        ("https://", False),
        ("https:i.test", False),
        ("http://[::1", False),
        ("ftp://localhost", False),
        ("", False),
    ],
)
def test_which_addresses_are_safe(address: str, safe: bool) -> None:  # noqa: FBT001 - a table of answers
    assert is_safe(address) is safe
