"""`authguard issuer check`: the metadata and keys of an issuer as the guard reads them, and the lines for a policy."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import anyio
import typer

from authguard.cli.line_wrap import print_lines
from authguard.cli.options import JsonOption
from authguard.cli.output import INVALID
from authguard.core.deployment import TENANT_PLACEHOLDER
from authguard.credentials.issuer_probe import ProbeResult, probe
from authguard.credentials.remedy import guess_provider
from authguard.outbound.http_client import HttpClient, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

#: maximum number of values of one list, and of keys, in the output
MAX_LISTED: Final = 50
#: width of the first column
_WIDTH: Final = 14


def check(
    url: Annotated[str, typer.Argument(metavar="URL", help="An issuer, or the address of its metadata or keys.")],
    *,
    audience: Annotated[str, typer.Option(metavar="TEXT", help="The audience for the lines to write.")] = "",
    insecure_http: Annotated[bool, typer.Option("--insecure-http", help="Allow URLs without TLS.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the metadata and the keys of an issuer, with the guard's own readers; no token is needed.

    Prints whether the guard can use it as written, every address that was tried, the usable and the ignored keys with
    the cause, and the lines for a policy. Exit 0 if it can be used, 3 if not.

    Examples:

        authguard issuer check https://keycloak.example/realms/shop --audience shop
    """
    parts = urlsplit(url)
    if parts.scheme.lower() not in {"https", "http"} or not parts.netloc:
        message = f"`{shown(url)}` is no URL of an issuer; type one such as `https://idp.example`"
        raise typer.BadParameter(message, param_hint="URL")

    async def run() -> ProbeResult:
        async with HttpClient() as client:
            return await probe(client, url, insecure_http=insecure_http)

    result = anyio.run(run)
    if as_json:
        typer.echo(json.dumps(_to_json(result, audience, insecure_http=insecure_http), indent=2))
    else:
        print_lines(_lines(result, audience, insecure_http=insecure_http))
    if not result.is_usable:
        raise typer.Exit(INVALID)


def _lines(result: ProbeResult, audience: str, *, insecure_http: bool) -> Iterator[str]:
    """Yield the output: the verdict, what prevents the use, what was read, and what to write."""
    yield f"{'usable' if result.is_usable else 'not usable as written'}: {shown(result.given)}"
    for problem in result.problems:
        yield f"- {problem.problem}: {problem.message}"
    if result.is_slow:
        yield f"- slow: metadata and keys took {result.duration:.1f} s, and the guard waits 1.5 s for both"
    yield ""
    yield from _document_rows(result)
    yield from _key_rows(result)
    if result.algorithms:
        yield ""
        yield "write:"
        yield from _policy_lines(result, audience, insecure_http=insecure_http)
    if result.is_usable and TENANT_PLACEHOLDER not in result.issuer and not insecure_http:
        provider = guess_provider(result.issuer) or "generic"
        words = ["--provider", provider, "--issuer", result.issuer, "--audience", audience or "AUDIENCE"]
        yield f"next: authguard policy init DIR {shlex.join(words)}"


def _document_rows(result: ProbeResult) -> Iterator[str]:
    for finding in result.metadata:
        yield _row("metadata", f"{finding.address}{f'  {finding.problem}' if finding.problem else ''}")
    named = {
        "issuer": result.issuer,
        "introspection": result.text("introspection_endpoint"),
        "acr values": ", ".join(result.list("acr_values_supported")[:MAX_LISTED]),
        "scopes": ", ".join(result.list("scopes_supported")[:MAX_LISTED]),
        "keys": result.jwks_uri,
    }
    yield from (_row(title, shown(text)) for title, text in named.items() if text)


def _key_rows(result: ProbeResult) -> Iterator[str]:
    for key in result.keys.keys[:MAX_LISTED]:
        owner = f", only for {shown(key.issuer)}" if key.issuer and TENANT_PLACEHOLDER in result.issuer else ""
        yield _row("  usable", f"{shown(key.name) or '(no kid)'}: {', '.join(sorted(key.verifiers))}{owner}")
    yield from (_row("  ignored", str(ignored)) for ignored in result.keys.ignored[:MAX_LISTED])


def _policy_lines(result: ProbeResult, audience: str, *, insecure_http: bool) -> Iterator[str]:
    """Yield the lines of a policy that name this issuer."""
    yield "issuers:"
    provider = guess_provider(result.issuer)
    if provider:
        yield f"  - provider: {provider}"
    yield f"  {' ' if provider else '-'} issuer: {json.dumps(result.issuer or 'ISSUER')}"
    if TENANT_PLACEHOLDER in result.issuer:
        yield "    tenants: [TENANT_ID]"
    yield f"    audience: {json.dumps(audience or 'AUDIENCE')}"
    yield f"    algorithms: [{', '.join(result.algorithms)}]"
    exception = ", insecure_http: true" if insecure_http else ""
    if not result.issuer:
        yield f"    keys: {{jwks_uri: {json.dumps(result.jwks_uri)}{exception}}}"
    elif result.discovery_url or TENANT_PLACEHOLDER in result.issuer:
        yield f"    keys: {{discovery: {json.dumps(result.discovery_url)}{exception}}}"
    else:
        yield f"    keys: {{discovery: true{exception}}}" if exception else "    keys: discovery"


def _row(title: str, text: str) -> str:
    return f"{title:{_WIDTH}} {text}"


def _to_json(result: ProbeResult, audience: str, *, insecure_http: bool) -> dict[str, object]:
    return {
        "usable": result.is_usable,
        "url": result.given,
        "issuer": result.issuer,
        "problems": [
            {"address": one.address, "problem": one.problem, "message": one.message} for one in result.problems
        ],
        "slow": result.is_slow,
        "metadata": [{"address": one.address, "problem": one.problem} for one in result.metadata],
        "jwks_uri": result.jwks_uri,
        "keys": [{"kid": key.name, "algorithms": sorted(key.verifiers)} for key in result.keys.keys[:MAX_LISTED]],
        "ignored": [
            {"kid": one.kid, "cause": one.problem.code, "message": str(one)} for one in result.keys.ignored[:MAX_LISTED]
        ],
        "algorithms": list(result.algorithms),
        "introspection_endpoint": result.text("introspection_endpoint"),
        "acr_values_supported": list(result.list("acr_values_supported")[:MAX_LISTED]),
        "scopes_supported": list(result.list("scopes_supported")[:MAX_LISTED]),
        "policy": list(_policy_lines(result, audience, insecure_http=insecure_http)) if result.algorithms else [],
    }
