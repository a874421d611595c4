"""Facts of a request that its record holds besides the cell, so that another policy can be run on it (`audit replay`).

Rules of this file:
- No fact is a credential, a claim as sent, or the name of a person. A client or actor is named only if the policy
  registers it as an agent.
- A fact that is too long or does not print is left out: a replay says then that it does not know it.
- The facts of a credential are written with its first decision; a decision that repeats a cached one refers to them by
  the credential's fingerprint, so that it costs nothing more.

Names of the facts:
    issuer: ``iss`` of the token.
    scopes: of the token, sorted and joined by blanks.
    acr: level of the sign-in, by the issuer's ``levels`` if it has any, else as sent.
    auth_time, issued_at: epoch seconds UTC; 0 for none.
    sid: whether the token has a session id.
    machine: whether the subject is no person.
    client_is_subject: whether the client is the subject itself.
    client_agent, actor_agent: the client or the outermost actor, if the policy registers it.
    foreign_actor: whether another issuer names the actor.
    roles: staff roles of the token, sorted and joined by blanks; ``?`` if they are not known.
    verified_at: last pass of a verifier in this session, if the token states no time of the sign-in.
    account_N, account_N_at: status from the Nth source of account states, before the policy maps it, and its time.
    delegated: whether a source named delegations.
    unreachable: whether a source did not answer.
    stored: which of ``account session transaction ledgers`` were stored before the request.
    amount: in major units, with its currency; or the code why the request was not measured.
    asked: whether the caller named a transaction (``id``) or sent an ``Idempotency-Key`` (``key``).
    transaction: its id, if the decision opened none.
    same: whether the request is the one that the stored transaction is bound to.
    size: bytes of path, query and body, if the body was read.
    lacks_quorum: whether too few approvers may still approve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.core.request import Principal
    from authguard.evaluation.decision import Decision
    from authguard.evaluation.request import AccessRequest, RequestFacts

#: longest text of a fact, in characters
MAX_FACT_CHARS: Final = 500

#: value of a fact that is too long, or does not print
UNKNOWN: Final = "?"

Value = str | float | bool
Facts = dict[str, Value]


def describe_request(  # noqa: C901, PLR0912, PLR0915 - one flat list of facts; a call for each group costs each new request
    policy: Policy, request: AccessRequest, facts: RequestFacts, decision: Decision, principal: Principal
) -> Facts:
    """Return the facts of a request with a verified principal.

    Args:
        policy: that decided.
        request: the request.
        facts: known before its records were loaded.
        decision: on it.
        principal: verified; also that of a credential which a sign-out made void.
    """
    found: Facts = {"auth_time": principal.auth_time, "issued_at": principal.issued_at}
    scopes = " ".join(sorted(principal.token_scopes))
    for name, text in (("issuer", principal.issuer), ("scopes", scopes), ("acr", principal.acr)):
        if len(text) <= MAX_FACT_CHARS and text.isprintable():
            found[name] = text
    issuer, agents, snapshot = principal.issuer, policy.agents, decision.snapshot
    for name, party in (("client_agent", principal.client), ("actor_agent", principal.actor)):
        if party and ((issuer, party, False) in agents or (issuer, party, True) in agents):
            found[name] = party[:MAX_FACT_CHARS]
    if principal.sid:
        found["sid"] = True
    if not principal.person:
        found["machine"] = True
    if principal.client and principal.client == principal.subject:
        found["client_is_subject"] = True
    if principal.actor_issuer:
        found["foreign_actor"] = True
    for place, source in enumerate(policy.accounts if facts.statuses else ()):
        answer = facts.statuses.get(source.name)
        if answer is not None:
            found[f"account_{place}_at"] = answer.at
            if len(answer.status) <= MAX_FACT_CHARS and answer.status.isprintable():
                found[f"account_{place}"] = answer.status
            if answer.delegations:
                found["delegated"] = True
    if facts.unreachable:
        found["unreachable"] = True
    stored = "account" if snapshot.account.version else ""
    stored += " session" if snapshot.session.version else ""
    stored += " transaction" if snapshot.transaction.version else ""
    for ledger in snapshot.ledgers.values():
        if ledger.version and not stored.endswith("ledgers"):
            stored += " ledgers"
    if stored:
        found["stored"] = stored.lstrip()
    if issuer in policy.role_sources:
        # the account has the roles of its newest token; those of an older one are known if it states none
        roles = " ".join(snapshot.account.roles)
        if principal.issued_at != snapshot.account.roles_at:
            roles = ""
            for claim in policy.role_sources[issuer]:
                if claim[:1] == "/" or claim.encode() in principal.content:
                    roles = UNKNOWN
        if roles:
            found["roles"] = roles if len(roles) <= MAX_FACT_CHARS and roles.isprintable() else UNKNOWN
    if not principal.auth_time and snapshot.session.verified_at:
        found["verified_at"] = snapshot.session.verified_at
    if decision.amount:
        found["amount"] = decision.amount
    if facts.lacks_quorum:
        found["lacks_quorum"] = True
    if request.evidence.transaction or request.evidence.idempotency:
        found["asked"] = "id" if request.evidence.transaction else "key"
    if facts.has_body:
        binding, record = facts.binding, snapshot.transaction
        found["size"] = len(binding.target) + len(binding.body.content)
        if not decision.opened:
            found["transaction"] = binding.transaction
        if record.version and record.asked == binding.asked:
            found["same"] = True
    return found
