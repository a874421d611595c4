"""Keys come from the issuer, over TLS or from this machine, in one exact form, or not at all."""

from __future__ import annotations

import gzip
import json
from typing import Any

import anyio
import httpx2
import pytest

from authguard.credentials.jwk import DocumentVersion
from authguard.credentials.jwks_fetcher import MAX_RESPONSE_BYTES, JwksFetcher, is_secure_url
from authguard.policy.deployment import Issuer

_SET = {"keys": []}
_OIDC = "/.well-known/openid-configuration"
_OAUTH = "/.well-known/oauth-authorization-server"


def _fetch(documents: dict[str, Any], issuer: str = "https://i.test", **fields: Any) -> tuple[Any, list[str]]:
    """Fetch from scripted responses by URL; return the result and the requested URLs."""
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
        # the owner's client may follow redirects elsewhere; fetches of keys never do
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer), follow_redirects=True) as client:
            described = Issuer(issuer=issuer, audience=("a",), algorithms=("ES256",), **({"discovery": True} | fields))
            try:
                return (await JwksFetcher(client).fetch_jwks(described, DocumentVersion())).document
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


def test_keys_are_found_where_a_path_is_put_behind_the_well_known_name() -> None:
    metadata = {"issuer": "https://i.test/tenant/7", "jwks_uri": "https://i.test/set"}
    documents = {f"https://i.test{_OIDC}/tenant/7": metadata, "https://i.test/set": _SET}
    found, asked = _fetch(documents, "https://i.test/tenant/7")
    assert found == _SET
    assert asked == [
        f"https://i.test/tenant/7{_OIDC}",
        f"https://i.test{_OAUTH}/tenant/7",
        f"https://i.test{_OIDC}/tenant/7",
        "https://i.test/set",
    ]


def _ask(headers: dict[str, str], known: DocumentVersion = DocumentVersion(), status: int = 200) -> Any:  # noqa: B008 - frozen
    """Fetch a set in a response with these headers; return the result and the request headers."""
    sent: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.headers.get("if-none-match", ""))
        return httpx2.Response(status, headers=headers, content=b"" if status == 304 else b'{"keys":[]}')

    async def scene() -> Any:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            described = Issuer(issuer="i", audience=("a",), algorithms=("ES256",), jwks_uri="https://i.test/set")
            try:
                return await JwksFetcher(client).fetch_jwks(described, known), sent[0]
            except ValueError as error:
                return error, sent[0]

    return anyio.run(scene)


def test_what_is_known_is_not_sent_again() -> None:
    known = DocumentVersion("https://i.test/set", '"v1"')
    answer, sent = _ask({"ETag": '"v1"'})
    assert (answer.document, answer.version, sent) == (_SET, known, "")
    answer, sent = _ask({}, known, 304)
    assert (answer.document, answer.version, sent) == (None, known, '"v1"')
    answer, sent = _ask({"ETag": '"v2"'}, known)
    assert (answer.document, answer.version.tag) == (_SET, '"v2"')


@pytest.mark.parametrize(
    "known", [DocumentVersion(), DocumentVersion("https://i.test/other", '"v1"'), DocumentVersion("https://i.test/set")]
)
def test_unchanged_is_no_answer_to_what_was_not_asked(known: DocumentVersion) -> None:
    answer, sent = _ask({}, known, 304)
    assert isinstance(answer, ValueError)
    assert sent == ""


@pytest.mark.parametrize("tag", ["v1", '"', '"a"b"', '"\x7f"', '"' + "a" * 201 + '"', "*", 'w/"a"', '"a", "b"'])
def test_an_odd_tag_is_no_tag(tag: str) -> None:
    assert _ask({"ETag": tag})[0].version.tag == ""


@pytest.mark.parametrize(
    ("headers", "lifetime"),
    [
        ({}, -1),
        ({"Cache-Control": "public, max-age=600"}, 600),
        ({"Cache-Control": "MAX-AGE=600", "Age": "100"}, 500),
        ({"Cache-Control": "max-age=600", "Age": "1000"}, 0),
        ({"Cache-Control": 'max-age="600"'}, 600),
        ({"Cache-Control": "max-age=-1"}, 0),
        ({"Cache-Control": "max-age=" + "9" * 400}, 0),
        ({"Cache-Control": "max-age=600, no-cache"}, 0),
        ({"Cache-Control": "no-store"}, 0),
        ({"Cache-Control": "s-maxage=600"}, -1),
        ({"Cache-Control": "max-age=600", "Age": "x"}, 600),
        ({"Expires": "Thu, 01 Jan 2026 01:00:00 GMT", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 3_600),
        ({"Expires": "Thu, 01 Jan 2026 00:00:00 GMT", "Date": "Thu, 01 Jan 2026 01:00:00 GMT"}, 0),
        ({"Expires": "0", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 0),
        ({"Expires": "Thu, 01 Jan 2026 00:00:00 GMT"}, 0),
        ({"Expires": "Thu, 01 Jan 2026 01:00:00", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 0),
    ],
)
def test_how_long_an_answer_is_fresh(headers: dict[str, str], lifetime: float) -> None:
    assert _ask(headers)[0].lifetime == lifetime


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
        pytest.param({"keys": ["x" * MAX_RESPONSE_BYTES]}, id="too large"),
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
    assert sent * 65_536 <= MAX_RESPONSE_BYTES + 65_536


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
    assert is_secure_url(address) is safe
