"""Checks of `credentials`: which headers may carry a token, who may use a cookie, and which tokens can arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.cors import ANY_ORIGIN
from authguard.formats.urls import is_secure
from authguard.policy.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.draft import Draft

#: header -> what to write instead: it has a form of its own, or other readers
_RESERVED: Final = {
    "authorization": "write `authorization`",
    "cookie": "write `{cookie: NAME}` with the name of the cookie",
    "sec-websocket-protocol": "write `{subprotocol: bearer}`",
    "dpop": "remove it: the guard reads proofs from `DPoP` whenever an issuer has `sender_constraint: dpop`",
}
#: headers that are part of the protocol, of the guard, or of the path of the request
_PROTOCOL: Final = frozenset(
    {
        *("host", "origin", "referer", "user-agent", "connection", "upgrade", "te", "trailer", "transfer-encoding"),
        *("content-type", "content-length", "content-encoding", "accept", "accept-language", "accept-encoding"),
        *("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "traceparent"),
        *("idempotency-key", "x-http-method-override", "x-http-method", "x-method-override", "www-authenticate"),
    }
)
_PROTOCOL_PREFIXES: Final = ("authguard-", "sec-", "access-control-")
#: headers in which proxies write a name, not a token: anyone who reaches the app past the proxy can write it too
_NAMES: Final = frozenset(
    {
        *("remote-user", "x-remote-user", "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups"),
        *("x-forwarded-preferred-username", "x-auth-request-user", "x-auth-request-email", "x-amzn-oidc-identity"),
        *("x-goog-authenticated-user-email", "x-goog-authenticated-user-id", "cf-access-authenticated-user-email"),
        *("x-ms-client-principal", "x-ms-client-principal-name", "x-ms-client-principal-id", "tailscale-user-login"),
    }
)
#: signed by AWS load balancers: padded base64, the issuer in its header, no audience, keys outside a JWK Set
_LOAD_BALANCER: Final = "x-amzn-oidc-data"


def find_header_conflict(header: str) -> str:
    """Return why a gateway cannot state a fact in a header; empty if it can.

    Args:
        header: lower-case name.
    """
    if header in _RESERVED or header in _PROTOCOL or header.startswith(_PROTOCOL_PREFIXES):
        return f"`{header}` is a header of the protocol or of the guard"
    return ""


def check_credential_headers(draft: Draft) -> Iterator[Problem]:
    """Check that no place is a header of another meaning, or one that carries a name instead of a token."""
    taken = {draft.channels.header: "channels", draft.channels.secret_header: "channels"}
    for condition in draft.conditions:
        taken |= dict.fromkeys((condition.header, condition.secret_header), f"conditions.{condition.name}")
    for index, one in enumerate(draft.credentials):
        if one.kind != "header":
            continue
        place = draft.place(f"credentials.from[{index}]", "credentials")
        if one.name in _NAMES:
            message = (
                f"`{one.name}` carries a name that anyone can write, and the guard takes only tokens that it verifies"
            )
            advice = "have the proxy send the token, such as `X-Forwarded-Access-Token`, and name that header"
            yield Problem(code="credential-header", place=place, message=message, advice=advice)
        elif one.name == _LOAD_BALANCER:
            message = f"`{one.name}` is no standard JWT: AWS load balancers pad it and name no audience"
            advice = "write `{header: X-Amzn-Oidc-Accesstoken}`, the token of your issuer, which the guard can verify"
            yield Problem(code="credential-header", place=place, message=message, advice=advice)
        elif one.name in _RESERVED or one.name in _PROTOCOL or one.name.startswith(_PROTOCOL_PREFIXES):
            advice = _RESERVED.get(one.name, "write the header in which your proxy sends the token")
            message = f"`{one.name}` cannot be the header of the credential"
            yield Problem(code="credential-header", place=place, message=message, advice=advice)
        elif one.name in taken:
            message = f"`{one.name}` is a header of `{taken[one.name]}` too"
            yield Problem(code="credential-header", place=place, message=message, advice="write another header")


def check_bound_credentials(draft: Draft) -> Iterator[Problem]:
    """Check that no operation binds a header of the credential, which approvers must not see."""
    carriers = {one.name for one in draft.credentials if one.kind == "header"}
    if any(one.kind == "subprotocol" for one in draft.credentials):
        carriers.add("sec-websocket-protocol")
    for index, operation in enumerate(draft.operations):
        for name in sorted(carriers.intersection(operation.binds)):
            message = f"operation `{operation.name}` binds `{name}`, in which the credential stands"
            place = draft.place(f"operations[{index}].binds", f"operations[{index}]")
            yield Problem(code="credential-bound", place=place, message=message, advice="remove it from `binds`")


def check_credential_cookies(draft: Draft) -> Iterator[Problem]:
    """Check that a cookie is bound to origins, since browsers add it to requests of any page (RFC 6265 8.2)."""
    for index, one in enumerate(draft.credentials):
        if one.kind != "cookie":
            continue
        place = draft.place(f"credentials.from[{index}]", "credentials")
        insecure = sorted(origin for origin in one.origins - {ANY_ORIGIN} if not is_secure(origin))
        if insecure:
            message = (
                f"pages of `{insecure[0]}` arrive without TLS, so anyone on the way could use the cookie `{one.name}`"
            )
            yield Problem(code="cookie-origin", place=place, message=message, advice="use https")
        if ANY_ORIGIN in one.origins:
            message = f"any page could use the cookie `{one.name}`: browsers add it to requests of every page"
            advice = "name each origin: `origins: ['https://shop.example']`"
            yield Problem(code="cookie-origin", place=place, message=message, advice=advice)
        elif not one.origins and not draft.settings.public_url and not draft.base:
            message = f"no page may use the cookie `{one.name}` to write: the policy names no origin"
            advice = "add `settings: {public_url: https://...}` or `origins: [...]`, or set AUTHGUARD_PUBLIC_URL"
            # a note, since only the deployment knows the variable; the app refuses to start without an origin
            yield Problem(code="cookie-origin", place=place, message=message, advice=advice, severity="note")


def check_credential_kinds(draft: Draft) -> Iterator[Problem]:
    """Check that DPoP tokens can arrive, and point out tokens in other places that only the issuer can verify."""
    elsewhere = [one for one in draft.credentials if one.kind != "authorization"]
    can_be_bound = len(elsewhere) < len(draft.credentials)
    for index, issuer in enumerate(draft.issuers):
        place = draft.place(f"issuers[{index}]", "issuers")
        if issuer.sender_constraint == "dpop" and not can_be_bound:
            message = f"issuer `{issuer.issuer}` has `sender_constraint: dpop`, and no place takes the scheme `DPoP`"
            advice = "add `authorization` to `credentials: {from: [...]}` (RFC 9449 7.1)"
            yield Problem(code="credential-unbound", place=place, message=message, advice=advice)
        if issuer.introspection and not issuer.introspection.always and elsewhere:
            message = (
                f"opaque tokens of issuer `{issuer.issuer}` may stand in `{elsewhere[0]}`, where no signature shows who"
                " issued them; the guard asks the issuer about each, and never trusts the proxy"
            )
            advice = "have the proxy send a signed JWT if it can; otherwise this is safe as it is"
            yield Problem(code="credential-opaque", place=place, message=message, advice=advice, severity="note")
