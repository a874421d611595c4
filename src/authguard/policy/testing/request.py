"""Requests of a scenario, and the decisions on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.decision_table import Rule
    from authguard.policy.testing.token import TokenSpec

#: outcome of a request that is refused before it has a cell
REFUSED: Final = "refused"


class ScenarioRequest(Struct, frozen=True, kw_only=True):
    """One request of a scenario.

    Attributes:
        operation: name of the operation; empty if `target` names it, or if risk and effect describe it.
        method: HTTP method of `target`; ``websocket`` for a handshake.
        target: path with its query, from which the guard finds the operation; empty if `operation` names it.
        conditions: condition -> the value that the driver must derive, with risk and effect of a described operation.
        token: what is typed of the token; ``None`` for a token that brings about the conditions.
        body: fields of the body; ``None`` for a body that brings about the conditions.
        channel: name of the channel; empty for one that brings about the conditions.
        flags: flag -> the value that it has when the request is made.
        amount: in major units, with its currency, as `100 EUR`; empty for one that brings about the conditions.
        idempotency: value of ``Idempotency-Key``; requests with the same one are the same transaction.
        brought: condition of the policy's own -> the value that a header, a response or a call brings.
        is_sent: whether the channel is the one that a request was sent through, so that an empty one is none.
    """

    operation: str = ""
    method: str = ""
    target: str = ""
    conditions: Mapping[str, str] = field(default_factory=dict)
    token: TokenSpec | None = None
    body: Mapping[str, Any] | None = None
    channel: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)
    amount: str = ""
    idempotency: str = "scenario"
    brought: Mapping[str, str] = field(default_factory=dict)
    is_sent: bool = False


class ScenarioDecision(Struct, frozen=True, kw_only=True):
    """The decision on one request.

    Attributes:
        outcome: one of the eleven outcomes, or `REFUSED` for a request without a cell.
        fallback: its name, ``allow`` for an admission; the fallback's `then` once the attempts have run out; empty if
            the request is refused without a cell.
        reason: closed code.
        rule: the rule that decided; ``None`` without a cell.
        trace: the rules that skipped their phase, then `rule`; empty without a cell.
        conditions: condition -> the value that the driver derived; empty without a cell.
        scopes: of the token as the app sees it, after a restriction, sorted.
        states: machine -> the state that was decided on.
        operation: name of the operation; empty if the request is refused without a cell.
        cell: one value per dimension of the table; empty without a cell.
        retry_after: seconds after which a retry may be repeated; 0 for none.
        differences: one phrase per typed condition that the driver derives differently.
    """

    outcome: str
    fallback: str = ""
    reason: str
    rule: Rule | None = None
    trace: tuple[Rule, ...] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    states: Mapping[str, str] = field(default_factory=dict)
    retry_after: float = 0.0
    operation: str = ""
    cell: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()


class ImpossibleError(Exception):
    """No facts bring about what a scenario says; the message says why."""
