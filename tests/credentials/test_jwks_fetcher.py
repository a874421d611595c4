"""Keys come from the issuer, over TLS or from this machine, in one exact form, or not at all."""

from __future__ import annotations

import gzip
import json
from typing import Any, NoReturn

import anyio
import httpx2
import pytest

from authguard.core.deployment import Issuer
from authguard.credentials.issuer_document import MAX_RESPONSE_BYTES, is_secure_url
from authguard.credentials.issuer_error import KeysUnreachableError, KeysUnusableError
from authguard.credentials.jwk import DocumentVersion
from authguard.credentials.jwks_fetcher import JwksFetcher
from authguard.outbound import http_client

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
            except (KeysUnusableError, KeysUnreachableError) as error:
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
            except (KeysUnusableError, KeysUnreachableError) as error:
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
    assert isinstance(answer, KeysUnusableError)
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
        ({"Expires": f"Thu, 01 Jan {'9' * 20} 00:00:00 GMT", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 0),
        ({"Expires": "Thu, 01 Jan 2026 01:00:00", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 0),
    ],
)
def test_how_long_an_answer_is_fresh(headers: dict[str, str], lifetime: float) -> None:
    assert _ask(headers)[0].lifetime == lifetime


@pytest.mark.parametrize("named", ["https://other.test", "https://i.test/", "HTTPS://i.test", None, ["https://i.test"]])
def test_metadata_that_names_another_issuer_is_not_this_ones(named: object) -> None:
    metadata = {"issuer": named, "jwks_uri": "https://i.test/set"}
    found, asked = _fetch({f"https://i.test{_OIDC}": metadata, "https://i.test/set": _SET})
    assert isinstance(found, KeysUnusableError)
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
    assert isinstance(found, KeysUnusableError)
    assert str(address) not in asked


def test_an_issuer_on_this_machine_may_do_without_tls() -> None:
    issuer = "http://127.0.0.1:9"
    metadata = {"issuer": issuer, "jwks_uri": f"{issuer}/set"}
    assert _fetch({f"{issuer}{_OIDC}": metadata, f"{issuer}/set": _SET}, issuer)[0] == _SET


def test_an_issuer_elsewhere_may_not() -> None:
    found, asked = _fetch({}, "http://i.test")
    assert isinstance(found, KeysUnusableError)
    assert asked == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(302, id="redirect"),
        pytest.param(
            httpx2.Response(302, headers={"Location": "https://i.test/elsewhere"}), id="redirect with a place"
        ),
        pytest.param(404, id="not found"),
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
    assert isinstance(found, KeysUnusableError)
    assert asked == ["https://i.test/set"]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("place", [_OIDC, "/set"])
def test_a_status_of_an_outage_is_no_misconfiguration(status: int, place: str) -> None:
    metadata = {"issuer": "https://i.test", "jwks_uri": "https://i.test/set"}
    documents = {f"https://i.test{_OIDC}": metadata, "https://i.test/set": _SET, f"https://i.test{place}": status}
    found, _ = _fetch(documents)
    assert isinstance(found, KeysUnreachableError)
    assert str(found) == f"`https://i.test{place}` responds with status {status}"


_NAMED = f"the metadata at `https://i.test{_OIDC}`"


@pytest.mark.parametrize(
    ("metadata", "problem", "message"),
    [
        (
            {"issuer": "https://i.test/", "jwks_uri": "https://i.test/set"},
            "other-issuer",
            (
                f"{_NAMED} names the issuer `https://i.test/`, with a slash at the end: write `issuer: https://i.test/`,"
                " exactly as its tokens have it"
            ),
        ),
        (
            {"issuer": "https://i.test/{tenantid}/v2.0"},
            "other-issuer",
            (
                f"{_NAMED} names the issuer `https://i.test/{{tenantid}}/v2.0`, which stands for all tenants:"
                " write `issuer: 'https://i.test/{tenantid}/v2.0'` and `tenants: [...]`"
            ),
        ),
        (
            {"issuer": "https://other.test\n`x`"},
            "other-issuer",
            (
                f"{_NAMED} names the issuer `https://other.test??x?`, not `https://i.test`:"
                " write `issuer: https://other.test??x?` if its tokens have that `iss`"
            ),
        ),
        ({"jwks_uri": "https://i.test/set"}, "malformed", f"{_NAMED} names no issuer"),
        ({"issuer": "https://i.test"}, "malformed", f"{_NAMED} names no `jwks_uri`: write `keys: {{jwks_uri: URL}}`"),
        (
            {"issuer": "https://i.test", "jwks_uri": "http://i.test/set"},
            "insecure",
            f"{_NAMED} names the keys `http://i.test/set`, which is not an https URL without a user name",
        ),
        (
            httpx2.Response(301, headers={"Location": "https://i.test/elsewhere?secret=1"}),
            "redirected",
            (
                f"`https://i.test{_OIDC}` redirects to `https://i.test/elsewhere`, and redirects are not followed:"
                " write the address of the document"
            ),
        ),
        (b"<html>", "malformed", f"the response of `https://i.test{_OIDC}` is no document: not strict JSON"),
        (
            404,
            "missing",
            (
                f"the issuer publishes no metadata at `https://i.test{_OIDC}`, `https://i.test{_OAUTH}`:"
                " check `issuer`, or write `keys: {discovery: URL}` or `keys: {jwks_uri: URL}`"
            ),
        ),
    ],
)
def test_a_misconfiguration_is_told_with_what_to_write(metadata: Any, problem: str, message: str) -> None:
    found, _ = _fetch({f"https://i.test{_OIDC}": metadata})
    assert isinstance(found, KeysUnusableError)
    assert (found.problem, str(found)) == (problem, message)


def test_a_refused_connection_is_told_without_what_the_library_says() -> None:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("secret") from OSError(111, "Connection refused")

    async def scene() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(refuse)) as client:
            described = Issuer(issuer="https://i.test", audience="a", algorithms=("ES256",), discovery=True)
            with pytest.raises(KeysUnreachableError) as caught:
                await JwksFetcher(client).fetch_jwks(described, DocumentVersion())
            assert str(caught.value) == f"no response of `https://i.test{_OIDC}`: ConnectError (Connection refused)"

    anyio.run(scene)


def test_metadata_at_an_address_of_its_own_may_name_the_issuer_of_all_tenants() -> None:
    common, template = "https://login.test/common/v2.0/metadata", "https://login.test/{tenantid}/v2.0"
    documents = {common: {"issuer": template, "jwks_uri": "https://login.test/keys"}, "https://login.test/keys": _SET}
    fields = {"discovery_url": common, "template": template}
    found, asked = _fetch(documents, "https://login.test/t-1/v2.0", **fields)
    assert (found, asked) == (_SET, [common, "https://login.test/keys"])
    other, _ = _fetch(documents, "https://login.test/t-1/v2.0", discovery_url=common)
    assert isinstance(other, KeysUnusableError)


def test_without_tls_keys_are_fetched_only_if_the_policy_says_so() -> None:
    address = "http://keycloak:8080/realms/shop/certs"
    fields = {"discovery": False, "jwks_uri": address}
    assert isinstance(_fetch({address: _SET}, **fields)[0], KeysUnusableError)
    assert _fetch({address: _SET}, insecure_http=True, **fields)[0] == _SET
    metadata = {"issuer": "https://i.test", "jwks_uri": address}
    documents = {"http://keycloak:8080/metadata": metadata, address: _SET}
    found, _ = _fetch(documents, discovery_url="http://keycloak:8080/metadata", insecure_http=True)
    assert found == _SET


@pytest.mark.parametrize("address", ["http://", "http://user@i.test", "ftp://i.test", "file:///x", "http://["])
def test_the_exception_for_http_is_for_nothing_else(address: str) -> None:
    found, asked = _fetch({}, discovery=False, jwks_uri=address, insecure_http=True)
    assert isinstance(found, KeysUnusableError)
    assert asked == []


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
    assert isinstance(found, KeysUnusableError)
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


def test_trusted_certificates_that_cannot_be_read_are_an_outage_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> NoReturn:
        raise FileNotFoundError("/nowhere/secret.pem")

    monkeypatch.setattr(http_client, "load_trusted_certificates", fail)
    described = Issuer(issuer="https://i.test", audience=("a",), algorithms=("ES256",), discovery=True)
    with pytest.raises(KeysUnreachableError) as caught:
        anyio.run(JwksFetcher().fetch_jwks, described, DocumentVersion())
    assert str(caught.value) == "the trusted certificates cannot be read: FileNotFoundError"
