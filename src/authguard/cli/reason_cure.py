"""Remedies of reasons for operators, each with a command to run or a key of the policy to change."""

from __future__ import annotations

from typing import Final

from authguard.core.outcomes import Reason

_CHECK: Final = "run `authguard token check POLICY < token`"

#: reason -> what to do
CURES: Final[dict[Reason, str]] = {
    Reason.CREDENTIAL_MISSING: (
        "the client must send `Authorization: Bearer TOKEN`; if a proxy moves the credential to another header or"
        " a cookie, name the place in `credentials`"
    ),
    Reason.CREDENTIAL_MALFORMED: (
        f"{_CHECK}; for opaque tokens give the issuer `introspection`; check that no proxy cuts long headers"
    ),
    Reason.SCHEME_UNKNOWN: (
        "the client must send the scheme `Bearer`, or `DPoP` for an issuer with `sender_constraint: dpop`"
    ),
    Reason.CREDENTIAL_AMBIGUOUS: (
        "the client must use one place of `credentials`; check that no proxy adds a second header"
    ),
    Reason.ORIGIN_REFUSED: (
        "set `settings.public_url`, or add the page's origin to `origins` of the cookie in `credentials`"
    ),
    Reason.TOKEN_TOO_COMPLEX: f"the issuer must send fewer objects and lists in its claims; {_CHECK}",
    Reason.TOKEN_TOO_LARGE: f"the issuer must send fewer claims and roles: 16 KiB is the limit; {_CHECK}",
    Reason.TOKEN_EXPIRED: (
        f"the client must refresh the token before `exp`; if fresh tokens are refused, compare the clocks; {_CHECK}"
    ),
    Reason.TOKEN_NOT_YET_VALID: f"synchronise the clocks of issuer and app (`leeway` covers seconds); {_CHECK}",
    Reason.SIGNATURE_INVALID: (
        "run `authguard issuer check ISSUER`: its keys must include the signing key; check that `keys` names this"
        " issuer's set"
    ),
    Reason.ALGORITHM_REFUSED: f"{_CHECK}; add the algorithm to the issuer's `algorithms` if the issuer documents it",
    Reason.TYPE_REFUSED: (
        f"send the access token instead of the ID token; {_CHECK}, or set `token` and `type` of the issuer"
    ),
    Reason.ISSUER_UNKNOWN: f"{_CHECK}; write `iss` exactly as the token has it in `issuers`, the last slash included",
    Reason.AUDIENCE_WRONG: (
        f"{_CHECK}; the client must request the `audience` of the policy, or add the token's if it is this service"
    ),
    Reason.CLAIM_MISSING: f"{_CHECK}; the issuer must add the claim, or name the claim that it uses in `claims`",
    Reason.CLAIM_MALFORMED: f"{_CHECK}; name another claim in `claims`, or the issuer must correct it",
    Reason.CLAIM_REFUSED: f"{_CHECK}; send a token with the required value, or change `require` of the issuer",
    Reason.LIFETIME_EXCEEDED: f"{_CHECK}; shorten the lifetime at the issuer, or raise the issuer's `max_lifetime`",
    Reason.KEY_UNKNOWN: (
        "run `authguard issuer check ISSUER`: the key set must have the `kid` of the token; replace `keys: {file:"
        " ...}` after a rotation"
    ),
    Reason.BOUND_TOKEN: (
        "the client must send its proof, and set `sender_constraint` of the issuer to the kind of the proof"
    ),
    Reason.UNBOUND_TOKEN: "the client must request a bound token, or change `sender_constraint` of the issuer",
    Reason.SIGNED_OUT: (
        "none: the customer signs in again; `authguard sessions show SESSION` and `authguard accounts show"
        " SUBJECT` have the time"
    ),
    Reason.TOKEN_INACTIVE: (
        "none: the client signs in again; otherwise check the client of `introspection` at the issuer"
    ),
    Reason.PROOF_INVALID: "set `settings.public_url` to the URL that clients use, and compare the clocks",
    Reason.PROOF_REPLAYED: (
        "the client must create a proof for each request; `authguard audit query --reason proof-replayed` lists"
        " the cases"
    ),
    Reason.NONCE_WANTED: (
        "none: the client repeats the request with the nonce of the reply; see `nonce` of the issuer"
    ),
    Reason.KEYS_UNREACHABLE: (
        "run `authguard issuer check ISSUER` on the app's machine; check DNS, proxies and certificates;"
        " `stale_keys` bounds how long known keys are used"
    ),
    Reason.KEYS_UNUSABLE: (
        "run `authguard issuer check ISSUER`, and change `issuer`, `keys` or `algorithms` as it reports"
    ),
    Reason.KEYS_BUSY: (
        "find the sender of unknown key names with `authguard audit query --reason keys-busy`; known keys keep working"
    ),
    Reason.INTROSPECTION_UNREACHABLE: "restore the issuer, or change the URL of `introspection`",
    Reason.INTROSPECTION_UNCLEAR: (
        "check the URL and the client of `introspection`: the response must be JSON as in RFC 7662"
    ),
    Reason.INTROSPECTION_INCOMPLETE: "the issuer must send the claim, or list it in `introspection: {optional: [...]}`",
    Reason.INTROSPECTION_SIGNED: (
        "the issuer must answer `introspection` as plain JSON (RFC 7662), not signed (RFC 9701)"
    ),
    Reason.REQUEST_MALFORMED: (
        "the client must correct path, method or headers; behind a proxy that keeps a path prefix, set"
        " `settings.root_path`"
    ),
    Reason.OPERATION_UNNAMED: (
        "run `authguard policy check POLICY --app MODULE:APP`, and add the route to `operations`"
    ),
    Reason.PATH_LOOKALIKE: "the client must use the exact path of the operation, or add this form to `operations`",
    Reason.HOST_MISDIRECTED: "add the host to `hosts`, and the proxy must pass the `Host` of the client",
    Reason.BODY_TOO_LARGE: "raise `budget.body`, or upload large files to an operation without an amount",
    Reason.BODY_TOO_COMPLEX: "the client must send fewer values, or read no `amount` from this body",
    Reason.BODY_TIMEOUT: (
        "none for an aborted upload; for slow networks change `budget.body_idle_timeout`, `budget.body_min_rate`"
        " or `budget.body_timeout`; the proxy must buffer requests"
    ),
    Reason.BODY_CUT: "none: the client disconnected; `authguard audit query --reason body-cut` shows how often",
    Reason.BODY_MALFORMED: (
        "the client must send the JSON document of this endpoint; see `methods` for the answers to send"
    ),
    Reason.PROOF_MALFORMED: "the client must name a method of the reply; see `methods` of the policy",
    Reason.TRANSACTION_UNKNOWN: (
        "run `authguard transactions list --state any`; an old one is deleted after `retention`"
    ),
    Reason.TRANSACTION_ALTERED: (
        "the client must repeat exactly the held request, or send a new `Idempotency-Key`; `authguard transactions"
        " show ID` has the digest"
    ),
    Reason.TRANSACTION_TOO_LONG: "the client must send a shorter request: a person reads it, see `kind: hold`",
    Reason.TRANSACTION_OVER: "none: run `authguard transactions show ID` for the decision that was made",
    Reason.LIMIT_EXCEEDED: (
        "the approver must name the exceeded limits in `over`, or raise `limits` of the operation; `authguard"
        " transactions show ID` lists them"
    ),
    Reason.APPROVER_INVOLVED: "another person with the role of `approvers` must decide",
    Reason.STAFF_UNAUTHORISED: (
        "give the person the role at the issuer, or change `staff`, `approvers` or `authority`"
    ),
    Reason.STAFF_INVOLVED: "another person of `staff` must do it",
    Reason.APPROVER_WEAK: "the approver must sign in at the `acr` of the hold; see `levels` of the issuer",
    Reason.IDEMPOTENCY_MISSING: (
        "the client must send an `Idempotency-Key` header; the operation has an `amount` or `idempotency`"
    ),
    Reason.BUSY: "none for a burst; otherwise check the disk of the store, then raise `budget.in_flight`",
    Reason.ACCOUNT_BUSY: "none for a burst; for legitimate traffic raise `budget.in_flight`",
    Reason.TOO_MANY_HELD: "decide the waiting ones (`authguard transactions list`), or raise `transactions.max_held`",
    Reason.DECIDED: (
        "run `authguard audit explain ID`: it names the rule of the table, and what would change the outcome"
    ),
    Reason.ATTEMPTS_SPENT: (
        "wait for the window of `attempts`, or run `authguard sessions reset SESSION` after the person was identified"
    ),
    Reason.ROLE_MISSING: f"give the person the role at the issuer, or change `roles` of the operation; {_CHECK}",
    Reason.ROLES_EXCEEDED: (
        "the issuer must send only this service's roles, or name another claim in `claims: {roles: ...}`"
    ),
    Reason.BODY_UNREADABLE: "the client must send JSON, or declare a form: `amount: {form: NAME}`",
    Reason.AMOUNT_MISSING: "the client must send the amount, or correct the pointer in `amount`",
    Reason.AMOUNT_MALFORMED: "the client must send a decimal number; for cents set `scale: 2` of the `amount`",
    Reason.CURRENCY_MISSING: "the client must send the currency, or correct the pointer in `currency`",
    Reason.CURRENCY_MALFORMED: "the client must send three letters (ISO 4217) at the pointer of `currency`",
    Reason.CURRENCY_REFUSED: "add a limit in this currency to `limits` of the operation",
    Reason.PAYEE_MISSING: "the client must send the payee, or correct the pointer in `payee`",
    Reason.PAYEE_MALFORMED: "the client must send the payee as text or an integer, at the pointer of `payee`",
    Reason.COUNTER_UNKNOWN: "name the claim of the client in `claims: {client: ...}`, or count `limits` by subject",
    Reason.POLICY_CHANGED: "none: the customer repeats the request; `authguard policy diff OLD NEW` lists the change",
    Reason.SESSION_CHANGED: (
        "none: the customer repeats the request in this session; `authguard sessions show SESSION`"
    ),
    Reason.GUARD_FAULT: (
        "run `authguard audit query --kind fault`: `where` and `error` name the part; check disk, store and log;"
        " the policy's `on_fault` decides the reply"
    ),
    Reason.GUARD_TIMEOUT: "check the disk and the services of the policy, then `budget.request`",
}


def describe_cure(code: str) -> str:
    """Return what to do about a reason code of the log; empty for an unknown code."""
    return next((CURES[reason] for reason in Reason if reason.code == code), "")
