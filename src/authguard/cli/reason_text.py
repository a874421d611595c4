"""What reasons mean, for whoever runs the guard: what was wrong, and where to mend it. No caller is told this."""

from __future__ import annotations

from typing import Final

from authguard.core.outcomes import Reason

_WORDS: Final = {
    Reason.CREDENTIAL_MISSING: "the request carried no credential",
    Reason.CREDENTIAL_MALFORMED: "the credential is no compact JWS (RFC 7515 7.1), or no token of this kind",
    Reason.SCHEME_UNKNOWN: "the Authorization header has a scheme that no issuer of the policy takes",
    Reason.TOKEN_TOO_LARGE: "the token is longer than is read",
    Reason.TOKEN_EXPIRED: "`exp` is past by more than the leeway: the client has to refresh the token",
    Reason.TOKEN_NOT_YET_VALID: "`nbf`, `iat` or `auth_time` lies ahead of this clock: compare the clocks",
    Reason.SIGNATURE_INVALID: "the signature does not fit the key that the token names: forged or altered",
    Reason.ALGORITHM_REFUSED: "`alg` is none of the issuer's `algorithms` in the policy",
    Reason.TYPE_REFUSED: "`typ` is not that of an access token (RFC 9068 2.1): an ID token was sent, perhaps",
    Reason.ISSUER_UNKNOWN: "`iss` is none of the policy's issuers",
    Reason.AUDIENCE_WRONG: "`aud` does not name this service: the client asked for a token for another one",
    Reason.CLAIM_MISSING: "a claim that has to be there is missing (RFC 9068 2.2)",
    Reason.CLAIM_MALFORMED: "a claim is not of its type, or too long",
    Reason.LIFETIME_EXCEEDED: "the token lives longer than the policy takes from this issuer",
    Reason.KEY_UNKNOWN: "`kid` names no key that the issuer publishes, even after its keys were fetched anew",
    Reason.BOUND_TOKEN: "the token is bound to a key (`cnf`), and came without the proof of it",
    Reason.UNBOUND_TOKEN: "the policy takes only tokens that are bound to a key from this issuer",
    Reason.TOKEN_INACTIVE: "the issuer says that the token is not active (RFC 7662 2.2): revoked or expired",
    Reason.PROOF_INVALID: "the proof of possession does not fit the request, the token or the clock (RFC 9449 4.3)",
    Reason.PROOF_REPLAYED: "the proof of possession was used before",
    Reason.NONCE_WANTED: "the proof lacks the nonce that it was told to name: the client tries again by itself",
    Reason.KEYS_UNREACHABLE: "the issuer's keys cannot be fetched: look at the network and the issuer",
    Reason.KEYS_BUSY: "too many requests wait for the issuer's keys",
    Reason.INTROSPECTION_UNREACHABLE: "the issuer's introspection endpoint does not answer",
    Reason.INTROSPECTION_UNCLEAR: "the introspection endpoint's answer cannot be used",
    Reason.INTROSPECTION_SIGNED: "the introspection endpoint signed its answer, which is not taken",
    Reason.ATTEMPTS_SPENT: "the attempts that the fallback allows were used up",
    Reason.ROLE_MISSING: "the scope is there, and none of the roles that the operation asks for",
    Reason.GUARD_FAULT: "a part of the guard failed; `where` and `error` of the record say which",
    Reason.GUARD_TIMEOUT: "the policy's budget for a request passed",
    Reason.OPERATION_UNNAMED: "no operation of the policy has this method and path",
}


def describe_reason(code: str) -> str:
    """Return what a reason means.

    Args:
        code: as the log has it.

    Returns:
        Empty for `decided`, and for what is no reason.
    """
    found = next((reason for reason in Reason if reason.code == code), Reason.DECIDED)
    return _WORDS.get(found, found.public)
