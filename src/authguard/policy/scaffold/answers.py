"""Answers from which a new policy is generated, and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.policy.loading.preset import load_preset

if TYPE_CHECKING:
    from authguard.policy.operation_proposal import Proposal

#: file of the issuer's keys, beside the policy
KEYS_FILENAME: Final = "keys.json"
#: answer for a part that the policy does not have
NONE: Final = "none"


class Answers(Struct, frozen=True, kw_only=True):
    """Answers from which a new policy is generated.

    Attributes:
        name: name of the policy.
        provider: preset of the identity provider.
        issuer: URL of the issuer of the tokens.
        audience: audience of the tokens: the name of this agent at the issuer.
        keys: the issuer's JWK Set as JSON, written beside the policy; empty if the guard fetches the keys.
        extends: ``standard``, or another shipped policy, which uses only the three answers above.
        accounts: ``none``, or the claim with the status of an account.
        level: assurance level that proves the identity, one of `LEVELS`.
        payments: whether to include a payment operation of high risk, which waits for approval above its limit.
        approver: role that approves payments.
        agent: agent that may act for customers; empty for none.
        approvals: how many persons approve a payment, as a digit.
        channels: names of channels, separated by commas, which a gateway states in a header; ``none``.
        verifier: URL of the service that verifies identity; ``none`` if a person does.
        staff: claim with the roles of staff; ``none``.
        operations: proposed for the app; empty for example operations.
    """

    name: str
    issuer: str
    audience: str
    provider: str = "generic"
    keys: str = ""
    extends: str = "standard"
    accounts: str = NONE
    level: str = "aal2"
    payments: bool = True
    approver: str = "supervisor"
    agent: str = ""
    approvals: str = "1"
    channels: str = NONE
    verifier: str = NONE
    staff: str = NONE
    operations: tuple[Proposal, ...] = ()

    @property
    def has_approvers(self) -> bool:
        """Whether an operation waits for approval."""
        return any(one.risk == "high" for one in self.operations) if self.operations else self.payments

    @property
    def proof(self) -> str:
        """Outcome for a customer whose identity is not proven: by a service, a stronger sign-in, or a person."""
        if self.verifier != NONE:
            return "verify"
        return "step_up" if load_preset(self.provider).can_prove(self.level) else "handoff"
