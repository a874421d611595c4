"""Attacks with the claims of a JWT that is truly signed."""

from __future__ import annotations

from typing import Final

from tests.requirements import EXPIRED, INVALID, Attack

ATTACKS: Final = (
    Attack("claims-no-expiry", "RFC 9068 2.2, exp", "Use a token that would never end.", INVALID),
    Attack("claims-no-subject", "RFC 9068 2.2, sub", "Use a token about nobody.", INVALID),
    Attack("claims-no-audience", "RFC 9068 2.2, aud", "Use a token for nobody in particular.", INVALID),
    Attack("claims-no-issuer", "RFC 9068 2.2, iss", "Use a token that names no issuer.", INVALID),
    Attack(
        "claims-no-issue-time", "RFC 9068 2.2, iat", "Hide since when a token lives, past the longest life.", INVALID
    ),
    Attack("claims-not-required", "RFC 9068 2.2, jti", "Leave out a claim that the policy requires.", INVALID),
    Attack("claims-expired", "RFC 7519 4.1.4", "Use a token after its end.", EXPIRED),
    Attack("claims-expired-warm", "RFC 7519 4.1.4, remembered", "Use a remembered token after its end.", EXPIRED),
    Attack("claims-expired-forged", "CVE-2024-51744", "Forge a token that has also expired: not told so.", INVALID),
    Attack("claims-expiry-string", "RFC 7519 2", "Write the end as a text.", INVALID),
    Attack("claims-expiry-boolean", "RFC 8725 2.6", "Write the end as `true`.", INVALID),
    Attack("claims-expiry-infinite", "RFC 8259 6", "Write the end as 1e400, which readers take for infinity.", INVALID),
    Attack("claims-expiry-nan", "RFC 8259 3", "Write the end as NaN, with which every comparison is false.", INVALID),
    Attack("claims-expiry-negative", "RFC 7519 4.1.4, range", "Write an end before time began.", INVALID),
    Attack("claims-expiry-far", "RFC 7519 4.1.4, far", "Write an end of a hundred digits.", INVALID),
    Attack("claims-expiry-null", "RFC 7519 4.1.4, null", "Write the end as null.", INVALID),
    Attack("claims-too-long", "RFC 9700 4.10.2", "Use a token that claims to live for ten years.", INVALID),
    Attack("claims-not-yet", "RFC 7519 4.1.5", "Use a token before its time.", INVALID),
    Attack("claims-from-tomorrow", "RFC 7519 4.1.6", "Use a token that was issued tomorrow.", INVALID),
    Attack("claims-signed-in-tomorrow", "RFC 9470 6.1", "Claim a sign-in of tomorrow, fresher than any need.", INVALID),
    Attack("claims-audience-other", "RFC 7519 4.1.3", "Use a token for another service.", INVALID),
    Attack("claims-audience-empty", "CVE-2020-26160", "Send an empty list of audiences.", INVALID),
    Attack("claims-audience-prefix", "RFC 8725 3.9", "Use a token for a service whose name begins alike.", INVALID),
    Attack("claims-audience-case", "RFC 7519 4.1.3, case", "Use a token for the same name in capitals.", INVALID),
    Attack("claims-audience-mixed", "RFC 7519 4.1.3, types", "Put a number beside the right audience.", INVALID),
    Attack(
        "claims-audience-object",
        "RFC 7519 4.1.3, object",
        "Let the audience be an object with our name in it.",
        INVALID,
    ),
    Attack("claims-issuer-part", "CVE-2024-53861", "Name an issuer that is a part of the right one's name.", INVALID),
    Attack("claims-issuer-slash", "RFC 8414 3.3, slash", "Name the issuer with a slash behind it.", INVALID),
    Attack("claims-issuer-list", "RFC 7519 4.1.1", "Let the issuer be a list with the right one in it.", INVALID),
    Attack("claims-issuer-stranger", "RFC 8725 3.8", "Sign truly, and name an issuer that nobody knows.", INVALID),
    Attack("claims-subject-number", "RFC 7519 4.1.2", "Let the subject be a number.", INVALID),
    Attack("claims-subject-object", "RFC 7519 4.1.2, object", "Let the subject be an object.", INVALID),
    Attack("claims-subject-empty", "RFC 7519 4.1.2, empty", "Let the subject be an empty text.", INVALID),
    Attack("claims-subject-endless", "OIDC Core 2", "Let the subject be longer than anybody may store.", INVALID),
    Attack("claims-id-token", "RFC 9068 2.1", "Use an ID token as an access token.", INVALID),
    Attack("claims-no-type", "RFC 8725 3.11", "Use a token that does not say what it is for.", INVALID),
    Attack("claims-logout-token", "OIDC Backchannel 2.4", "Use a logout token as an access token.", INVALID),
    Attack("claims-event-token", "RFC 8417 2.3", "Use a security event token as an access token.", INVALID),
    Attack("claims-proof-as-token", "RFC 9449 4.2, typ", "Use a DPoP proof as an access token.", INVALID),
    Attack(
        "claims-certificate-bound", "RFC 8705 3", "Use a token that is bound to a certificate, without it.", INVALID
    ),
    Attack("claims-act-text", "RFC 8693 4.1", "Let the actor be a text.", INVALID),
    Attack("claims-act-nobody", "RFC 8693 4.1, sub", "Let the actor be an object that names nobody.", INVALID),
    Attack("claims-act-endless", "RFC 8693 4.1, depth", "Let actors act for actors, twelve deep.", INVALID),
    Attack("claims-scopes-endless", "RFC 8693 4.2", "Name a thousand scopes.", INVALID),
)
