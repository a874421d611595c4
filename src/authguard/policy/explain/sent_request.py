"""Explain one request as it is sent: the operation, what each of its needs found, the decision and the ways out.

Rules of this file:
- The driver decides (`authguard.policy.testing.simulator`), with the facts of this request and not with made-up ones.
- Nothing of the credential is in the result, except for names of claims.
- What no request states is supposed, and the result says so: the states, and that nothing was spent before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from authguard.core.ledger_keys import find_ledger_keys
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven, Operation
from authguard.core.snapshot import Keys, Report
from authguard.evaluation import flags, transactions
from authguard.evaluation.driver import Evaluation
from authguard.policy.explain.explainer import explain_decision
from authguard.policy.explain.need import Need, list_needs
from authguard.policy.testing.deployment import Deployment
from authguard.policy.testing.request import ScenarioRequest
from authguard.policy.testing.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.policy import Policy
    from authguard.core.request import Credential
    from authguard.evaluation.request import AccessRequest, Body
    from authguard.policy.explain.explanation import Explanation

#: keys of the records of a caller whose credential proves nobody
NOBODY: Final = Keys(b"nobody", b"nobody")


class SentRequest(Struct, frozen=True, kw_only=True):
    """One request, as its parts were read.

    Attributes:
        access: operation, method and headers.
        credential: as its check found it.
        body: with the target and the headers that a transaction binds.
        channel: the trusted channel; empty for none.
        given: machine -> state that is supposed.
        at: time of the request, epoch seconds UTC.
        brought: condition of the policy's own -> its value, of those that a header, a response or a call brings.
        flags: names of the flags that are set.
    """

    access: AccessRequest
    credential: Credential
    body: Body
    channel: str
    given: Mapping[str, str]
    at: float
    brought: Mapping[str, str] = {}
    flags: frozenset[str] = frozenset()


class SentExplanation(Struct, frozen=True, kw_only=True):
    """The explanation of one request.

    Attributes:
        operation: name of the matched operation.
        credential: condition of the credential: ``good``, ``missing``, ``expired``, ...
        reason: closed code of the decision, or of the refusal before the table.
        claim: claim that is the reason; empty for none.
        status: HTTP status of a refusal before the table; 0 if the table decided.
        needs: what each need of the operation found.
        supposed: what the request does not state.
        decision: the table's answer; ``None`` for a refusal before the table.
    """

    operation: str
    credential: str
    reason: str
    claim: str = ""
    status: int = 0
    needs: tuple[Need, ...] = ()
    supposed: tuple[str, ...] = ()
    decision: Explanation | None = None


def explain_sent(policy: Policy, sent: SentRequest) -> SentExplanation:
    """Explain a request.

    Args:
        policy: with issuers, unless the request has no credential.
        sent: the request.

    Raises:
        MachineFaultError: a given state is not in this policy.
    """
    operation, credential = sent.access.operation, sent.credential
    if operation.risk == "public":  # the credential of a public operation is not checked
        credential = NotProven("missing", Reason.CREDENTIAL_MISSING)
    simulator = _suppose(policy, sent, credential)
    _set_flags(policy, sent, credential, simulator)
    asked = ScenarioRequest(channel=sent.channel, is_sent=True, brought=sent.brought)
    decided = simulator.decide(sent.access, credential, asked, sent.body)
    unproven = credential if isinstance(credential, NotProven) else None
    found = SentExplanation(
        operation=operation.name,
        credential=unproven.condition if unproven else "good",
        reason=unproven.reason.code if unproven else Reason.DECIDED.code,
        claim=unproven.claim if unproven else "",
        supposed=tuple(_suppositions(policy, sent, operation)),
    )
    if isinstance(decided, Reason):
        return replace(found, reason=decided.code, status=decided.status)
    cell = dict(zip(policy.table.values, decided.cell + decided.extra, strict=True))
    is_named = operation.name in {one.name for one in policy.all_operations}
    return replace(
        found,
        credential=cell["credential"],
        reason=decided.reason.code,
        needs=tuple(list_needs(policy, sent.access, credential, decided, sent.at)),
        decision=explain_decision(policy, cell, operation.name if is_named else ""),
    )


def _suppose(policy: Policy, sent: SentRequest, credential: Credential) -> Simulator:
    """Return a simulator with the records that are supposed: those of the given states, and nothing else."""
    keys = NOBODY
    if not isinstance(credential, NotProven):
        keys = Keys(credential.principal.account_key, credential.principal.session_key)
    given = dict(sent.given)
    asked = [source.name for source in policy.accounts if not source.claim]
    if asked and "account" not in given:
        given["account"] = "normal"
    simulator = Simulator(Deployment(policy), {**policy.initial, **given}, now=sent.at, keys=keys)
    stored = simulator.records.load(simulator.all_keys)
    reported = stored.account.reports or {}
    state = given.get("account", "normal")
    missing = {name: Report(state, sent.at) for name in asked if name not in reported}
    if missing:  # the directories answered just before, all alike
        account = replace(stored.account, reports={**reported, **missing})
        simulator.suppose(simulator.all_keys, stored, replace(stored, account=account))
    return simulator


def _set_flags(policy: Policy, sent: SentRequest, credential: Credential, simulator: Simulator) -> None:
    """Store the flags that are supposed to be set, each in the ledger of its dimension."""
    if isinstance(credential, NotProven) or not sent.flags:
        return
    found: tuple[tuple[str, bytes], ...] = ()
    if sent.access.operation.ledger_dimensions:
        binding = transactions.bind_request(
            sent.access, credential.principal, sent.body, simulator.ids, policy.digest, simulator.cipher
        )
        found = find_ledger_keys(sent.access.operation, credential.principal, binding.body.document, policy.agents)
    keys = replace(simulator.all_keys, ledgers=found)
    stored = simulator.records.load(keys)
    evaluation = Evaluation(policy, stored, sent.at, keys)
    for flag in policy.flags:
        if flag.name in sent.flags:
            flags.set_flag(evaluation, flag, "supposed")
    simulator.suppose(keys, stored, evaluation.snapshot)


def _suppositions(policy: Policy, sent: SentRequest, operation: Operation) -> list[str]:
    """Return in words what the request does not state."""
    found = []
    if "session" not in sent.given:
        found.append("it is the first request of its session")
    if "account" not in sent.given and any(not source.claim for source in policy.accounts):
        found.append("the account source reports `normal`")
    if any(limit.per for limit in operation.limits):
        found.append("nothing was spent or called before")
    if policy.channels.header and sent.channel:
        found.append(f"the gateway that names the channel has proved itself with `{policy.channels.secret_header}`")
    return found
