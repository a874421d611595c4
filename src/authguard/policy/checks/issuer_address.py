"""Checks of issuers' addresses: a token's ``iss`` is compared with them character by character (RFC 8725 3.8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from authguard.core.deployment import TENANT_PLACEHOLDER
from authguard.policy.loading.preset import list_presets, load_preset
from authguard.policy.problem import Problem
from authguard.policy.tree import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.deployment import Issuer
    from authguard.policy.draft import Draft

_URL: Final = re.compile(r"https?://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
#: what follows an issuer in the address of its metadata (RFC 8414 3, OpenID Connect Discovery 4)
_METADATA: Final = re.compile(r"/\.well-known/(?:openid-configuration|oauth-authorization-server)(?:/$|(?=/|$))")
#: ends of addresses of keys at the providers of the presets
_KEYS: Final = re.compile(r"/(?:\.well-known/)?(?:jwks(?:\.json)?|openid-connect/certs|discovery/(?:v2\.0/)?keys)/?$")
_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}|<[^<>]*>")
#: tenants that Entra takes in its endpoints, and that no token has in `iss`
_ANY_TENANT: Final = re.compile(r"^https://login\.microsoftonline\.com/(common|organizations|consumers)/")


_BLANK: Final = re.compile(r"\s+")
#: most characters of an address in a message
_MAX_SHOWN: Final = 250
#: presets whose operator chooses the form of the issuer
_OF_ANY_FORM: Final = frozenset({"duende", "fusionauth", "generic", "hydra", "kubernetes", "spiffe"})


def check_issuer_addresses(draft: Draft) -> Iterator[Problem]:
    """Check that an issuer is written as its tokens name it."""
    for index, issuer in enumerate(draft.issuers):
        place = draft.place(f"issuers[{index}].issuer", f"issuers[{index}]")
        fault = next(_find_faults(issuer), None)
        if fault is not None:
            message = f"issuer {_show(issuer.issuer)} {fault[0]}"
            yield Problem(code="issuer-address", place=place, message=message, advice=fault[1])
            continue
        for doubt, advice in _find_doubts(issuer):
            message = f"issuer {_show(issuer.issuer)} {doubt}"
            yield Problem(code="issuer-address", place=place, message=message, advice=advice, severity="note")


def _find_faults(issuer: Issuer) -> Iterator[tuple[str, str]]:
    """Yield what no token can have in ``iss``, with the advice."""
    typed, found = issuer.issuer, _URL.fullmatch(issuer.issuer)
    if typed != typed.strip() or (found and _BLANK.search(typed)):
        yield "has a blank, and `iss` has none", f"write {_show(_BLANK.sub('', typed))}"
    if "*" in typed:
        advice = f"write one entry for each issuer, or `{TENANT_PLACEHOLDER}` with `tenants: [ID]`"
        yield "has a wildcard, and is compared character by character", advice
    if found:
        yield from _find_address_faults(issuer, found)
        yield from _find_placeholder_faults(typed)
    elif issuer.discovery and not issuer.discovery_url:
        fixed = _show(f"https://{typed.split('://')[-1]}")
        yield "is no URL, so nothing can be discovered there", f"write {fixed}, or other `keys`"


def _find_address_faults(issuer: Issuer, found: re.Match[str]) -> Iterator[tuple[str, str]]:
    """Yield why an address is not that of an issuer."""
    typed = issuer.issuer
    if at := _METADATA.search(typed):
        advice = f"write {_show(typed[: at.start()] + typed[at.end() :])}, as `issuer` in that document has it"
        yield "is the address of its metadata", advice
    if typed == issuer.jwks_uri or _KEYS.search(found["path"]):
        yield "is the address of its keys", "write `iss` of a token here, and that address as `jwks_uri`"
    if found["rest"]:
        advice = f"write {_show(typed[: found.start('rest')])} (RFC 8414 2)"
        yield "has a query or a fragment, and an issuer has neither", advice


def _find_placeholder_faults(typed: str) -> Iterator[tuple[str, str]]:
    """Yield what stands for a tenant and is no placeholder of authguard."""
    placeholder = _PLACEHOLDER.search(typed)
    if placeholder and placeholder[0] != TENANT_PLACEHOLDER:
        fixed = _show(typed.replace(placeholder[0], TENANT_PLACEHOLDER))
        yield "has a placeholder that is not filled in", f"fill it in, or write {fixed} with `tenants: [ID]`"
    if tenant := _ANY_TENANT.search(typed):
        fixed = _show(typed.replace(f"/{tenant[1]}/", f"/{TENANT_PLACEHOLDER}/", 1))
        yield f"names `{tenant[1]}`, and a token names its own tenant", f"write {fixed} with `tenants: [ID]`"


def _find_doubts(issuer: Issuer) -> Iterator[tuple[str, str]]:
    """Yield what a token may have in ``iss`` and hardly any has, with advice."""
    found = _URL.fullmatch(issuer.issuer)
    if found is None:
        return
    host, path = found["authority"], found["path"]
    if host != host.lower():
        yield "has upper-case letters in its host", f"write {_show(host.lower())} unless `iss` in its tokens has them"
    if "//" in path:
        fixed = _show(issuer.issuer[: found.start("path")] + re.sub(r"/{2,}", "/", path))
        yield "has a double slash", f"write {fixed} unless `iss` in its tokens has it"
    elif issuer.provider in set(list_presets()) - _OF_ANY_FORM:
        example = load_preset(issuer.provider).example["issuer"]
        if example.endswith("/") != path.endswith("/"):
            ends = "ends in a slash" if path.endswith("/") else "does not end in a slash"
            fixed = issuer.issuer.rstrip("/") if path.endswith("/") else f"{issuer.issuer}/"
            yield (
                f"{ends}, and those of `{issuer.provider}` {'do' if example.endswith('/') else 'do not'}",
                (f"write {_show(fixed)}, unless `iss` in its tokens is otherwise"),
            )


def _show(address: str) -> str:
    return quote(address, _MAX_SHOWN)
