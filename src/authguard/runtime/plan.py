"""The facts that an evaluation starts from, and the plan that it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from authguard.core.ledger_keys import find_ledger_keys
from authguard.core.request import NotProven, Proven
from authguard.runtime.access import Verdict
from authguard.runtime.transactions import UNBOUND, RequestBinding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.machine import Transition
    from authguard.core.outcomes import Fallback, Reason
    from authguard.core.request import Credential
    from authguard.core.snapshot import Keys, Report, Snapshot
    from authguard.policy.compiled_policy import Policy
    from authguard.runtime.access import AccessRequest


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Facts about a request that are known before its records are loaded.

    Attributes:
        credential: the closed result of the credential check.
        has_body: whether the body was read, so that `binding` is set.
        binding: to a transaction, with the parsed body.
        reports: account source -> its report.
        unmapped: account source -> its status, cut, if the policy does not map it.
        unreachable: whether a directory did not answer.
        channel: the trusted channel; empty for none.
        lacks_quorum: whether too few approvers of the transaction may still approve it.
        ledgers: dimension of a limit -> key of its ledger.
    """

    credential: Credential
    has_body: bool = False
    binding: RequestBinding = UNBOUND
    reports: Mapping[str, Report] = {}
    unmapped: Mapping[str, str] = {}
    unreachable: bool = False
    channel: str = ""
    lacks_quorum: bool = False
    ledgers: tuple[tuple[str, bytes], ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What to record, save and reply.

    Attributes:
        after: the snapshot to save.
        cell: of the request.
        rule: the matching rule's name.
        fallback: of the rule, or its `then`.
        reason: closed code.
        events: sent, in order.
        transitions: in order.
        token_scopes: the token's scopes after a restriction.
        acr_values: assurance levels to request.
        max_age: maximum authentication age to request, in seconds; -1 for none.
        running: whether the app's response settles a transaction.
        opened: whether the request has a transaction.
    """

    after: Snapshot
    cell: tuple[str, ...]
    rule: str
    fallback: Fallback
    reason: Reason
    events: tuple[str, ...]
    transitions: tuple[Transition, ...]
    token_scopes: frozenset[str] = frozenset()
    acr_values: tuple[str, ...] = ()
    max_age: int = -1
    running: bool = False
    opened: bool = False

    def verdict(
        self,
        request: AccessRequest,
        facts: RequestFacts,
        keys: Keys,
        record: str,
        *,
        at: float,
        ticket: str = "",
        saved: Snapshot | None = None,
    ) -> Verdict:
        """Return the verdict on a request, after its plan was recorded and saved.

        Args:
            request: the request.
            facts: about the request.
            keys: of the records.
            record: id of the audit record.
            at: time of the decision, epoch seconds UTC.
            ticket: id of the hand-off ticket; empty for none.
            saved: the stored snapshot, for a transaction that runs.
        """
        credential = facts.credential
        return Verdict(
            record=record,
            operation=request.operation,
            fallback=self.fallback,
            reason=credential.reason if isinstance(credential, NotProven) else self.reason,
            credential=credential,
            snapshot=self.after,
            keys=keys,
            cell=self.cell,
            rule=self.rule,
            at=at,
            token_scopes=self.token_scopes,
            scopes=tuple(sorted(self.token_scopes)),
            channel=facts.channel,
            transaction=keys.transaction if self.opened else "",
            ticket=ticket,
            acr_values=self.acr_values,
            max_age=self.max_age,
            running=self.running,
            saved=saved,
        )


@dataclass(frozen=True, slots=True)
class NeedsBody:
    """The transaction binds the exact request, so the body must be read first."""


NEEDS_BODY: Final = NeedsBody()


def needs_body(request: AccessRequest, credential: Credential) -> bool:
    """Return whether the exact request must be known before evaluation; only proven callers' bodies are read."""
    return isinstance(credential, Proven) and (request.operation.reads_body or bool(request.evidence.transaction))


def add_ledgers(policy: Policy, request: AccessRequest, facts: RequestFacts, keys: Keys) -> tuple[RequestFacts, Keys]:
    """Return facts and keys with the ledgers that the operation's limits count in; unproven requests have none.

    Args:
        policy: checked.
        request: the request.
        facts: about the request.
        keys: of the records.
    """
    if not isinstance(facts.credential, Proven):
        return facts, keys
    document = facts.binding.body.document
    ledgers = find_ledger_keys(request.operation, facts.credential.principal, document, policy.agents)
    return replace(facts, ledgers=ledgers), replace(keys, ledgers=ledgers)
