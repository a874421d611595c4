"""Meanings of reasons for operators, with hints for a fix; callers never see them."""

from __future__ import annotations

from typing import Final

from authguard.core.outcomes import Reason

_TEXTS: Final = {
    Reason.CREDENTIAL_MISSING: "the request carried no credential",
    Reason.CREDENTIAL_MALFORMED: "the credential is not a compact JWS (RFC 7515 7.1), or not a token of this kind",
    Reason.SCHEME_UNKNOWN: "the Authorization header has a scheme that no issuer of the policy accepts",
    Reason.CREDENTIAL_AMBIGUOUS: "two credentials: two headers or cookies of one name, or two places of `credentials`",
    Reason.ORIGIN_REFUSED: "a write or a WebSocket with the cookie, and its `Origin` is neither that of"
    " `settings.public_url` nor one of the cookie's `origins`, or it has none",
    Reason.TOKEN_TOO_LARGE: "the token exceeds the maximum length",
    Reason.TOKEN_TOO_COMPLEX: "the claims have more than 512 objects and arrays, or more than 16 levels of them",
    Reason.TOKEN_EXPIRED: "`exp` is past by more than the leeway: the client must refresh the token",
    Reason.TOKEN_NOT_YET_VALID: "`nbf`, `iat` or `auth_time` is in the future: compare the clocks",
    Reason.SIGNATURE_INVALID: "the signature does not match the key of the token: forged or altered",
    Reason.ALGORITHM_REFUSED: "`alg` is not in the issuer's `algorithms` in the policy",
    Reason.TYPE_REFUSED: "`typ` is not that of an access token (RFC 9068 2.1): possibly an ID token was sent",
    Reason.ISSUER_UNKNOWN: "`iss` is not an issuer of the policy",
    Reason.AUDIENCE_WRONG: "`aud` does not name this service: the client requested a token for another service",
    Reason.CLAIM_MISSING: "a required claim is missing (RFC 9068 2.2)",
    Reason.CLAIM_MALFORMED: "a claim has the wrong type or is too long",
    Reason.CLAIM_REFUSED: "a claim has a value that the issuer's `require` in the policy does not accept",
    Reason.LIFETIME_EXCEEDED: "the lifetime of the token exceeds the policy's limit for this issuer",
    Reason.KEY_UNKNOWN: "`kid` is not a key of the issuer, even after a refresh of its keys",
    Reason.BOUND_TOKEN: "the token is bound to a key (`cnf`), and was sent without the proof",
    Reason.UNBOUND_TOKEN: "the policy requires key-bound tokens of this issuer",
    Reason.TOKEN_INACTIVE: "the issuer reports the token as not active (RFC 7662 2.2): revoked or expired",
    Reason.PROOF_INVALID: "the proof of possession does not match the request, the token or the clock (RFC 9449 4.3)",
    Reason.PROOF_REPLAYED: "the proof of possession was used before",
    Reason.NONCE_WANTED: "the proof lacks the required nonce: the client retries automatically",
    Reason.KEYS_UNREACHABLE: "the issuer's keys cannot be fetched: check the network and the issuer",
    Reason.KEYS_UNUSABLE: (
        "the issuer's metadata or keys cannot be used until the configuration is changed:"
        " run `authguard issuer check ISSUER`, or see `authguard.keys` in the app's log"
    ),
    Reason.KEYS_BUSY: "too many requests are waiting for the issuer's keys",
    Reason.INTROSPECTION_UNREACHABLE: "the issuer's introspection endpoint does not respond",
    Reason.INTROSPECTION_UNCLEAR: "the introspection response is not valid",
    Reason.INTROSPECTION_INCOMPLETE: (
        "the introspection response lacks a claim: let the issuer send it,"
        " or list it in `introspection: {optional: [...]}`"
    ),
    Reason.INTROSPECTION_SIGNED: "the introspection response is signed, which is not supported",
    Reason.ATTEMPTS_SPENT: "the attempts of the fallback are exhausted",
    Reason.ROLE_MISSING: "the scope is present, but none of the operation's roles",
    Reason.ROLES_EXCEEDED: "the token has more than 256 roles, so none counts: let the issuer send fewer",
    Reason.BODY_UNREADABLE: "the body is not the JSON or the form that the operation's amount or payee is read from",
    Reason.AMOUNT_MISSING: "the body has no value at the operation's `amount`",
    Reason.AMOUNT_MALFORMED: "the amount is no plain decimal number, or a form has the field twice or in two spellings",
    Reason.CURRENCY_MISSING: "the body has no value at the currency of the operation's `amount`",
    Reason.CURRENCY_MALFORMED: "the currency is not three letters, or a form has the field twice",
    Reason.CURRENCY_REFUSED: "no limit of the operation is in the currency of the request",
    Reason.PAYEE_MISSING: "the body has no value at the operation's `payee`",
    Reason.PAYEE_MALFORMED: "the payee is no text or integer with a letter or a digit, or a form has the field twice",
    Reason.COUNTER_UNKNOWN: "a limit counts by client, and the token names none",
    Reason.GUARD_FAULT: "a component of the guard failed; see `where` and `error` of the record",
    Reason.GUARD_TIMEOUT: "the policy's time budget for a request was exceeded",
    Reason.BODY_TIMEOUT: (
        "no part of the body arrived for `budget.body_idle_timeout`, it was slower than `budget.body_min_rate`, or took"
        " longer than `budget.body_timeout`"
    ),
    Reason.OPERATION_UNNAMED: "no operation of the policy has this method and path",
}


def describe_reason(code: str) -> str:
    """Return the meaning of a reason code of the log; empty for `decided` and for unknown codes."""
    found = next((reason for reason in Reason if reason.code == code), Reason.DECIDED)
    return _TEXTS.get(found, found.public)
