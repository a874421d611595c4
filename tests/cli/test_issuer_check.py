"""`authguard issuer check` reads what an issuer publishes on a real server, and states what to write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from authguard.cli import build
from authguard.cli.issuer_check import _policy_lines
from authguard.clock import SystemClock
from authguard.credentials.issuer_probe import ProbeResult
from authguard.credentials.jwk_set import load_jwks
from authguard.policy.compiler import load
from authguard.testing import Mint, SigningKey
from tests.support.issuer_server import METADATA, IssuerServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

_ES = SigningKey.generate("ES256", kid="es").jwk()
_RS = SigningKey.generate("RS256", kid="rs").jwk()
_ENCRYPTION = SigningKey.generate("RS256", kid="enc").jwk() | {"use": "enc", "alg": "RSA-OAEP"}


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    with IssuerServer() as server:
        yield server


def _check(*words: str) -> Result:
    return CliRunner().invoke(build("issuer"), ["issuer", "check", *words], env={"COLUMNS": "200"})


def _json(*words: str) -> tuple[int, Any]:
    result = _check(*words, "--json")
    return result.exit_code, json.loads(result.stdout)


def test_a_usable_issuer_is_described_and_its_lines_are_a_policy(server: IssuerServer, tmp_path: Path) -> None:
    issuer = server.publish(
        {"keys": [_ENCRYPTION, _RS]},
        "/realms/shop",
        introspection_endpoint=f"{server.url}/introspect",
        acr_values_supported=["0", "1"],
        scopes_supported=["openid", "chat"],
    )
    result = _check(issuer, "--audience", "shop")
    assert result.exit_code == 0, result.stdout
    lines = result.stdout.splitlines()
    assert lines[0] == f"usable: {issuer}"
    for line in (
        f"metadata       {issuer}{METADATA}",
        f"keys           {issuer}/jwks",
        "  usable       rs: RS256",
        "  ignored      key `enc` is for encryption: enc",
        f"introspection  {server.url}/introspect",
        "acr values     0, 1",
        "scopes         openid, chat",
    ):
        assert line in lines
    written = result.stdout.partition("write:\n")[2].partition("\nnext: ")[0]
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "authguard: 1\nname: x\nextends: standard\naccounts: none\nfallbacks:\n"
        "  prove_identity: {kind: handoff, queue: identity}\n  prove_otherwise: {kind: handoff, queue: identity}\n"
        + written
    )
    (found,) = load(policy).issuers.values()
    assert (found.issuer, found.audience, found.algorithms, found.discovery) == (issuer, ("shop",), ("RS256",), True)


@pytest.mark.parametrize(
    ("given", "documents", "problem", "words"),
    [
        ("/", {}, "other-issuer", "without a slash at the end: write `issuer: URL`"),
        ("", {METADATA: {"issuer": "https://other.test", "jwks_uri": "URL/jwks"}}, "other-issuer", "names the issuer"),
        ("", {METADATA: 404}, "missing", "check the URL"),
        ("", {METADATA: b"<html>"}, "malformed", "is no document"),
        ("", {METADATA: 503}, "unreachable", "status 503"),
        ("", {METADATA: {"issuer": "URL"}}, "malformed", "write `keys: {jwks_uri: URL}`"),
        ("", {METADATA: {"issuer": "URL", "jwks_uri": "http://keys.test"}}, "insecure", "not an https URL"),
        ("", {"/jwks": 500}, "unreachable", "status 500"),
        ("", {"/jwks": 404}, "missing", "status 404"),
        ("", {"/jwks": {"keys": 7}}, "malformed", "not a JWK Set"),
        ("", {"/jwks": {"keys": [_ENCRYPTION]}}, "no-usable-key", "key `enc` is for encryption"),
    ],
)
def test_what_cannot_be_used_is_told_first_with_what_to_write(
    server: IssuerServer, given: str, documents: dict[str, Any], problem: str, words: str
) -> None:
    server.publish({"keys": [_ES]})
    server.documents |= json.loads(json.dumps(documents, default=str).replace("URL", server.url))
    if documents.get(METADATA) == b"<html>":
        server.documents[METADATA] = b"<html>"
    result = _check(server.url + given)
    assert result.exit_code == 3
    first, second, *_ = result.stdout.splitlines()
    assert first == f"not usable as written: {server.url}{given}"
    assert second.startswith(f"- {problem}: ")
    assert words.replace("`issuer: URL`", f"`issuer: {server.url}`") in second


def test_metadata_of_all_tenants_is_told_as_such(server: IssuerServer) -> None:
    template = f"{server.url}/{{tenantid}}/v2.0"
    address = f"/organizations/v2.0{METADATA}"
    server.documents |= {
        address: {"issuer": template, "jwks_uri": f"{server.url}/keys"},
        "/keys": {"keys": [_RS | {"issuer": template}, _ES | {"issuer": f"{server.url}/t-1/v2.0"}]},
    }
    code, found = _json(server.url + address, "--audience", "api")
    assert (code, found["issuer"], [key["kid"] for key in found["keys"]]) == (0, template, ["rs", "es"])
    (written,) = YAML(typ="safe").load("\n".join(found["policy"]))["issuers"]
    assert written == {
        "issuer": template,
        "tenants": ["TENANT_ID"],
        "audience": "api",
        "algorithms": ["RS256", "ES256"],
        "keys": {"discovery": server.url + address},
    }
    code, found = _json(f"{server.url}/organizations/v2.0")
    assert (code, found["problems"][0]["problem"]) == (3, "other-issuer")
    assert "tenants: [...]" in found["problems"][0]["message"]


def test_a_key_without_alg_is_for_the_algorithms_that_the_metadata_names(server: IssuerServer) -> None:
    bare = {name: value for name, value in _RS.items() if name != "alg"}
    server.publish({"keys": [bare]}, id_token_signing_alg_values_supported=["RS256", "none", 7])
    assert _json(server.url)[1]["algorithms"] == ["RS256"]


@pytest.mark.parametrize("path", ["/realms/shop/certs", "/.well-known/jwks.json"])
def test_the_address_of_a_key_set_is_checked_as_such(server: IssuerServer, path: str) -> None:
    server.documents[path] = {"keys": [_ENCRYPTION, _RS]}
    code, found = _json(server.url + path, "--audience", "shop")
    assert (code, found["jwks_uri"], [one["cause"] for one in found["ignored"]]) == (
        0,
        server.url + path,
        ["encryption"],
    )
    (written,) = YAML(typ="safe").load("\n".join(found["policy"]))["issuers"]
    assert written["keys"] == {"jwks_uri": server.url + path}
    server.documents[path] = {"keys": [_ENCRYPTION]}
    assert _json(server.url + path)[0] == 3


def test_without_tls_another_machine_is_not_asked() -> None:
    code, found = _json("http://192.0.2.1")
    assert (code, found["problems"][0]["problem"]) == (3, "insecure")


def test_what_the_issuer_writes_does_not_reach_the_terminal_raw(server: IssuerServer) -> None:
    server.publish({"keys": [_ES | {"kid": "a\x1b[2J"}]}, scopes_supported=["\x1b]0;title\x07"])
    result = _check(server.url)
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout


def test_the_lines_name_the_preset_of_a_provider_that_is_known_by_its_host() -> None:
    issuer = "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0"
    result = ProbeResult(given=issuer, issuer=issuer, keys=load_jwks({"keys": [_RS]}, frozenset({"RS256"})))
    written = YAML(typ="safe").load("\n".join(_policy_lines(result, "api", insecure_http=False)))
    assert written["issuers"][0] | {"provider": "entra", "issuer": issuer} == written["issuers"][0]


def test_a_token_of_a_misconfigured_issuer_is_told_with_what_to_write(server: IssuerServer, tmp_path: Path) -> None:
    server.publish({"keys": [_ES]})
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "authguard: 1\nname: x\nextends: standard\naccounts: none\nfallbacks:\n"
        "  prove_identity: {kind: handoff, queue: identity}\n  prove_otherwise: {kind: handoff, queue: identity}\n"
        "issuers:\n  - {audience: 'https://agent.test', algorithms: [ES256], keys: discovery, "
        f"issuer: '{server.url}/'}}\n"
    )
    token = Mint.create(SystemClock(), issuer=f"{server.url}/").mint()
    result = CliRunner().invoke(build("token"), ["token", "check", str(policy)], input=token)
    assert result.exit_code == 3
    assert result.stdout.startswith("refused: keys-unusable\n")
    assert f"write `issuer: {server.url}`" in result.stdout
    assert f"authguard issuer check {server.url}/" in result.stdout
