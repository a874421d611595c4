"""Attacks with headers, paths and methods: ways past the guard, and ways to be somebody else."""

from __future__ import annotations

from typing import Final

from tests.requirements import AMBIGUOUS, INVALID, LOOKALIKE, MALFORMED, MISSING, UNNAMED, Attack

ATTACKS: Final = (
    Attack("headers-two-credentials", "RFC 6750 3.1", "Send a good credential and a bad one.", AMBIGUOUS),
    Attack("headers-same-twice", "RFC 9110 5.3", "Send the same good credential twice.", AMBIGUOUS),
    Attack("headers-empty-first", "RFC 9110 5.3, empty", "Hide a bad credential behind an empty header.", AMBIGUOUS),
    Attack("headers-comma", "RFC 9110 11.6.2", "Join two credentials by a comma in one header.", INVALID),
    Attack("headers-basic", "RFC 7617 2", "Send the good token as a Basic password.", MISSING),
    Attack("headers-no-scheme", "RFC 6750 2.1", "Send the good token without a scheme.", MISSING),
    Attack("headers-glued", "RFC 9110 11.4", "Glue the scheme and the token together.", MISSING),
    Attack("headers-tab", "RFC 9110 5.6.3", "Part the scheme from the token by a tab.", MISSING),
    Attack("headers-null", "RFC 9110 5.5", "Put a NUL byte behind the good token.", INVALID),
    Attack("headers-latin", "RFC 9110 5.5, obs-text", "Put a byte beyond ASCII behind the good token.", INVALID),
    Attack("headers-empty-token", "RFC 6750 2.1, empty", "Send the scheme and no token.", INVALID),
    Attack("headers-huge", "CVE-2025-22868", "Send a credential of a megabyte.", INVALID),
    Attack("headers-query", "RFC 6750 2.3", "Send the good token in the query, where logs keep it.", MISSING),
    Attack("headers-form", "RFC 6750 2.2", "Send the good token as a form's field.", MISSING),
    Attack("headers-cookie", "RFC 6265 8.2", "Send the good token as a cookie, which browsers add.", MISSING),
    Attack("headers-forwarded-user", "FIELD 4, identity headers", "Say who you are as a proxy would.", MISSING),
    Attack("headers-forwarded-credential", "RFC 9110 11.7.2", "Send the good token to the proxy only.", MISSING),
    Attack("headers-health-agent", "GHSA-5hvv-m4w4-gf6v", "Pretend to be the health check by user agent.", MISSING),
    Attack("headers-forwarded-uri", "GHSA-7x63-xv5r-3p2x", "Name an open path in `X-Forwarded-Uri`.", MISSING),
    Attack("headers-original-url", "CVE-2018-14773", "Name an open path in `X-Original-URL`.", MISSING),
    Attack("headers-fragment", "GHSA-pxq7-h93f-9jrg", "Put a fragment with an open path into the path.", LOOKALIKE),
    Attack("headers-method-override", "RFC 9110 9.1", "Change the method by `X-HTTP-Method-Override`.", UNNAMED),
    Attack("headers-options", "FIELD 4, CORS", "Send `OPTIONS` to an operation.", UNNAMED),
    Attack("headers-dots", "RFC 3986 6.2.2.3", "Walk from an open path to a guarded one by dots.", LOOKALIKE),
    Attack("headers-encoded", "RFC 3986 6.2.2.2", "Encode a letter of a guarded path.", LOOKALIKE),
    Attack("headers-slash", "RFC 3986 6.2.3", "Put a second slash into a guarded path.", LOOKALIKE),
    Attack("headers-semicolon", "CVE-2020-17523", "Put a path parameter behind an open path.", LOOKALIKE),
    Attack("headers-transaction-twice", "RFC 9110 5.3, once", "Name two transactions at once.", MALFORMED),
    Attack(
        "headers-transaction-odd", "ASVS 16.4.1", "Write line breaks into the log by a transaction's name.", MALFORMED
    ),
    Attack(
        "headers-idempotency-odd", "draft-ietf-httpapi-idempotency-key-header 2", "Send a key with blanks.", MALFORMED
    ),
    Attack(
        "memory-bad-tokens", "WIRE 1, remembered tokens", "Send bad tokens, none like another, to fill memory.", INVALID
    ),
    Attack("timing-unknown-person", "WIRE 0, look alike", "Tell persons apart by what a forged token gets.", INVALID),
)
