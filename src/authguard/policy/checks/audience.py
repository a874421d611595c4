"""Checks of audiences against the address of the app: MCP and other clients ask for a token for that address."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authguard.core.protected_resource import contains, find_resources, is_address
from authguard.policy.problem import Problem, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.draft import Draft


def check_audience_addresses(draft: Draft) -> Iterator[Problem]:
    """Point out an audience with another address than the app, or with a path without an operation (RFC 9728 3.3)."""
    if not draft.settings.public_url or draft.base:
        return
    public = draft.settings.public_url.rstrip("/")
    paths = [one.match.path or one.match.websocket for one in draft.operations]
    for index, issuer in enumerate(draft.issuers):
        place = draft.place(f"issuers[{index}].audience", f"issuers[{index}]")
        for audience in filter(is_address, issuer.audience):
            resources = find_resources(public, [audience])
            if not resources:
                message = (
                    f"the audience `{audience}` of issuer `{issuer.issuer}` is neither `{public}` nor a path below it,"
                    " and clients that find the issuer by its metadata ask for a token for such an address"
                )
                advice = f"add `{public}` to `audience`; if the issuer gives every client the same audience, keep it"
                yield Problem(code="audience-elsewhere", place=place, message=message, advice=advice, severity="note")
            for path in resources:
                below = path[len(urlsplit(public).path) :]
                if not draft.admits_unnamed and not any(contains(below, one) for one in paths):
                    message = f"no operation is at or below `{below}`, the path of the audience `{audience}`"
                    advice = did_you_mean(below, [one for one in paths if "{" not in one])
                    yield Problem(
                        code="audience-elsewhere", place=place, message=message, advice=advice, severity="note"
                    )


def check_audience_coverage(draft: Draft) -> Iterator[Problem]:
    """Point out operations outside of every audience: their clients ask for a token for no audience."""
    public = draft.settings.public_url.rstrip("/")
    found = [find_resources(public, issuer.audience) for issuer in draft.issuers]
    root = urlsplit(public).path
    if draft.base or not all(found) or any(root in resources for resources in found):
        return  # without an audience at a path, or with one that covers everything
    below = {path[len(root) :] for resources in found for path in resources}
    for operation in draft.operations:
        path = operation.match.path or operation.match.websocket
        if operation.risk != "public" and not any(contains(one, path) for one in below):
            message = (
                f"operation `{operation.name}` is outside of every audience's path, so its clients ask for a token for"
                f" `{public}`, which no issuer of the policy has as its audience"
            )
            advice = f"add `{public}` to `audience`, or a path of it"
            place = draft.place("issuers[0].audience", "issuers[0]")
            yield Problem(code="audience-partial", place=place, message=message, advice=advice, severity="note")
            return
