"""Build the places of the credential; each entry of `credentials` names one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.credential_place import AUTHORIZATION, CredentialPlace

if TYPE_CHECKING:
    from authguard.policy.loading.problem_collector import ProblemCollector
    from authguard.policy.schema import credential_place as model


def build_credential_places(
    credentials: model.Credentials | None, found: ProblemCollector
) -> tuple[CredentialPlace, ...]:
    """Build the places; without the key, the ``Authorization`` header is the only one."""
    if credentials is None:
        return (AUTHORIZATION,)
    given = credentials.source
    places = tuple(_build_place(f"credentials.from[{index}]", one, found) for index, one in enumerate(given))
    seen: set[tuple[str, str]] = set()
    for index, place in enumerate(places):
        if (place.kind, place.name) in seen:
            found.add("credential-place", f"credentials.from[{index}]", f"`{place}` is named twice", "keep one of them")
        seen.add((place.kind, place.name))
    return places


def _build_place(path: str, one: model.CredentialPlace, found: ProblemCollector) -> CredentialPlace:
    named = [key for key in ("authorization", "header", "subprotocol", "cookie") if getattr(one, key)]
    if len(named) != 1:
        message = f"an entry names one place, and this one names {len(named) or 'none'}"
        advice = "write `authorization`, `{header: NAME}`, `{subprotocol: bearer}` or `{cookie: NAME, origins: [...]}`"
        found.add("credential-place", path, message, advice)
    if one.origins and not one.cookie:
        message = "`origins` is only allowed with `cookie`: a page of another origin cannot send the other places"
        found.add("credential-place", path, message, "remove it; for pages of other origins write `cors`")
    if one.header:
        return CredentialPlace(kind="header", name=one.header.lower())  # case-insensitive; lower case in ASGI
    if one.subprotocol:
        return CredentialPlace(kind="subprotocol", name=one.subprotocol)
    if one.cookie:
        return CredentialPlace(kind="cookie", name=one.cookie, origins=frozenset(one.origins))
    return AUTHORIZATION
