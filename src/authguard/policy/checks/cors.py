"""Checks of `cors`: the allowed origins, methods and headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from authguard.policy.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.cors import Cors
    from authguard.policy.draft import Draft

#: origins that no policy lists: a pattern that matches one of them allows any page (RFC 6761 6.4; a sandboxed frame)
_STRANGERS: Final = ("https://authguard.invalid", "http://authguard.invalid", "null")


def check_cors_origins(draft: Draft) -> Iterator[Problem]:
    """Check that `cors` names origins and sends credentials only to them (Fetch standard, CORS protocol)."""
    cors = draft.cors
    if not cors.declared:
        return
    place = draft.place("cors")
    if not cors.allow_origins and not cors.allow_origin_regex:
        advice = "add `allow_origins: ['https://shop.example']`, or leave `cors` out"
        yield Problem(code="cors-origin", place=place, message="`cors` allows no origin", advice=advice)
    try:
        pattern = re.compile(cors.allow_origin_regex)
    except re.error as error:
        message = f"`allow_origin_regex` is no regular expression: {error}"
        place = draft.place("cors.allow_origin_regex", "cors")
        yield Problem(code="cors-origin", place=place, message=message, advice=r"such as `https://.*\.shop\.example`")
        return
    if cors.allow_credentials:
        yield from _any(draft, cors, pattern)


def _any(draft: Draft, cors: Cors, pattern: re.Pattern[str]) -> Iterator[Problem]:
    """Report the keys that allow any page, header or method together with credentials."""
    open_keys = [key for key in ("allow_origins", "allow_methods", "allow_headers") if "*" in getattr(cors, key)]
    if cors.allow_origin_regex and any(pattern.fullmatch(stranger) for stranger in _STRANGERS):
        open_keys.append("allow_origin_regex")
    for key in open_keys:
        what = "matches any origin" if key == "allow_origin_regex" else "has `*`"
        yield Problem(
            code="cors-open",
            place=draft.place(f"cors.{key}", "cors"),
            message=f"`{key}` {what}, and `allow_credentials` sends cookies along",
            advice="name each one, or take out `allow_credentials`: a bearer token needs no cookie",
        )
