"""Checks of the sources of keys: exactly one for each issuer, over TLS, and the tenants that share one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.deployment import TENANT_PLACEHOLDER
from authguard.formats.urls import is_secure
from authguard.policy.problem import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.deployment import Issuer
    from authguard.policy.draft import Draft


def check_key_sources(draft: Draft) -> Iterator[Problem]:
    """Check that each issuer has one source of keys, and that keys are fetched over TLS or by a declared exception."""
    for index, issuer in enumerate(draft.issuers):
        place = draft.place(f"issuers[{index}].keys", f"issuers[{index}]")
        sources = [issuer.discovery, bool(issuer.jwks_uri), bool(issuer.key_file), bool(issuer.secret_env)]
        if sum(sources) != 1:
            message = f"issuer `{issuer.issuer}` names {sum(sources) or 'no'} sources of keys"
            advice = "write one of `keys: discovery`, `{jwks_uri: ...}`, `{file: ...}`, `{secret_env: ...}`"
            yield Problem(code="issuer-keys", place=place, message=message, advice=advice)
        # discovery asks the issuer itself, whose address is the one to correct
        asked = (
            f"issuers[{index}].issuer" if issuer.discovery and not issuer.discovery_url else f"issuers[{index}].keys"
        )
        yield from _check_tls(draft.place(asked, f"issuers[{index}]"), issuer)


def _check_tls(place: Place, issuer: Issuer) -> Iterator[Problem]:
    address = issuer.jwks_uri or (issuer.discovery_url or issuer.issuer if issuer.discovery else "")
    if issuer.insecure_http and not address:
        message = f"keys of issuer `{issuer.issuer}` are not fetched, so `insecure_http` has no meaning"
        yield Problem(code="key-not-for-kind", place=place, message=message, advice="remove it")
    elif issuer.insecure_http:
        message = f"keys of issuer `{issuer.issuer}` may be fetched without TLS: who can change the traffic can sign in"
        advice = "use https if the issuer can; otherwise keep the network between the two private"
        yield Problem(code="issuer-http", place=place, message=message, advice=advice, severity="note")
    elif address and not is_secure(address) and (issuer.jwks_uri or issuer.discovery_url or "://" in address):
        message = f"keys of issuer `{issuer.issuer}` would be fetched from `{address}` without TLS"
        advice = "use https, or add `insecure_http: true` to `keys` for an address in a private network"
        yield Problem(code="issuer-insecure", place=place, message=message, advice=advice)


def check_tenants(draft: Draft) -> Iterator[Problem]:
    """Check that an issuer with tenants has the placeholder, and one without has none."""
    for index, issuer in enumerate(draft.issuers):
        place = draft.place(f"issuers[{index}].tenants", f"issuers[{index}]")
        if issuer.tenants and TENANT_PLACEHOLDER not in issuer.issuer:
            message = f"issuer `{issuer.issuer}` has tenants, and no place for them"
            advice = f"write `{TENANT_PLACEHOLDER}` where the tenant stands in `iss`"
            yield Problem(code="issuer-tenants", place=place, message=message, advice=advice)
        elif TENANT_PLACEHOLDER in issuer.issuer and not issuer.tenants:
            message = f"issuer `{issuer.issuer}` stands for any tenant, and names none"
            yield Problem(code="issuer-tenants", place=place, message=message, advice="add `tenants: [ID]`")
        elif issuer.tenants and issuer.introspection is not None and not issuer.introspection.always:
            message = f"an opaque token does not show which tenant of `{issuer.issuer}` issued it"
            advice = "write `on: always` for JWTs, or a separate issuer for the tenant of opaque tokens"
            yield Problem(code="issuer-tenants", place=place, message=message, advice=advice)
