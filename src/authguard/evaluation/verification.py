"""Attempts to verify identity, as changes of an evaluation: which methods are offered, and what a result changes.

Rules (DESIGN 2, "Attempts"):
- Only a method that the table offers this customer now is accepted, and none that was left in doubt.
- An attempt is counted when it starts, and refunded if it passed or no service answered.
- An answer to another attempt moves no machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.outcomes import Outcome
from authguard.core.request import Match, Operation
from authguard.core.snapshot import Attempt
from authguard.core.verification import Doubted, IncompleteMethod, Passed, Unavailable
from authguard.evaluation import attempts
from authguard.evaluation.driver import renew_by_verifier
from authguard.evaluation.preview import preview_chain, preview_others

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authguard.core.outcomes import Fallback
    from authguard.core.policy import Policy
    from authguard.core.request import Principal
    from authguard.core.verification import Method, MethodResult, VerifierVerdict
    from authguard.evaluation.decision import Verdict
    from authguard.evaluation.driver import Evaluation
    from authguard.ports import Ids

#: the guard's operation for every verification request; no agent may run it for a customer (WIRE 5)
VERIFY_OPERATION: Final = Operation(name="authguard.verify", match=Match(), risk="self", effect="write")
#: delay before a retry, if another request is in progress
RETRY_SOON_S: Final = 1.0
#: risks of operations that can require a verification
PROVABLE_RISKS: Final = frozenset({"routine", "sensitive", "high"})


@dataclass(frozen=True, slots=True)
class Claim:
    """An attempt with answers that this request sends to the verifiers; `fresh` if nothing was sent for it yet."""

    attempt: Attempt
    fresh: bool


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The attempt is possible only after some seconds."""

    after: float


def claim_attempt(evaluation: Evaluation, verdict: Verdict, method: Method, ids: Ids) -> Claim | RetryLater:
    """Claim the open attempt of the method, or start one, if the table offers the method now."""
    offering = find_offer(evaluation.policy, verdict.with_snapshot(evaluation.snapshot), method.name)
    if offering is None:
        return RetryLater(0.0)
    held = evaluation.snapshot.session.attempt
    if held is not None and attempts.is_being_verified(evaluation, held):
        return RetryLater(RETRY_SOON_S)
    if held is not None and not (
        held.method == method.name and not held.claimed and evaluation.can("verification.passed")
    ):
        held = None
    if held is not None and attempts.is_reserved(evaluation, method, held.begun):
        attempt = replace(held, claimed=True, at=evaluation.now)
    else:
        if attempts.is_spent(evaluation, method, offering):
            if attempts.has_in_flight(evaluation):
                return RetryLater(RETRY_SOON_S)
            # a doubt from another session is marked here, too, so that the table offers other methods
            if attempts.is_left_in_doubt(evaluation, method):
                evaluation.send("verification.doubted", "guard")
            exhaust_methods(evaluation, verdict)
            return RetryLater(0.0)
        wait = attempts.backoff_remaining(evaluation, method)
        if wait:
            return RetryLater(wait)
        attempts.reserve_attempt(evaluation, method)
        if held is not None and held.begun == attempts.REFUNDED:
            attempt = replace(held, claimed=True, at=evaluation.now, begun=evaluation.now)
        else:
            held = None
            evaluation.send("verification.started", "caller")
            attempt = Attempt(ids.secret(), method.name, evaluation.now, claimed=True, begun=evaluation.now)
    attempts.mark_in_flight(evaluation)
    evaluation.update_record("session", attempt=attempt)
    return Claim(attempt, fresh=held is None)


def exhaust_methods(evaluation: Evaluation, verdict: Verdict) -> None:
    """Send `verification.exhausted` if no method can be tried any longer: then a person takes over."""
    methods, policy = evaluation.policy.methods, evaluation.policy
    current = verdict.with_snapshot(evaluation.snapshot)
    offered = _methods_of(chain for _, chain in _usual_chains(policy, current))
    named = [(methods[name], fallback) for name, fallback in offered.items() if name in methods]
    if named and all(attempts.is_spent(evaluation, method, fallback) for method, fallback in named):
        evaluation.send("verification.exhausted", "guard")


def apply_result(
    evaluation: Evaluation,
    method: Method,
    attempt: Attempt,
    *,
    results: Mapping[str, VerifierVerdict],
    amount: MethodResult | IncompleteMethod,
    principal: Principal,
    channel: str,
) -> bool:
    """Apply the result of an attempt; return whether the attempt is still the current one."""
    held = evaluation.snapshot.session.attempt
    current = held is not None and held.id == attempt.id
    attempts.clear_in_flight(evaluation)
    if amount in {"passed", "unavailable"}:
        attempts.refund_attempt(evaluation, method, attempt.begun)
    elif not isinstance(amount, IncompleteMethod):
        attempts.record_failure(evaluation, method, attempt.id, doubted=amount in {"doubted", "contradicted"})
    doubted = tuple(name for name, answer in results.items() if isinstance(answer, Doubted))
    if doubted and isinstance(amount, IncompleteMethod) and method.on_doubt == "ambiguous":
        # this attempt may continue; no other one of this method may begin
        attempts.mark_in_doubt(evaluation, method, attempt.id)
    if not current:
        return False
    if isinstance(amount, IncompleteMethod):
        passed = tuple(name for name, answer in results.items() if isinstance(answer, Passed))
        begun = attempt.begun
        if not doubted and any(isinstance(answer, Unavailable) for answer in results.values()):
            attempts.refund_attempt(evaluation, method, begun)  # if the customer stops here, there was only an outage
            begun = attempts.REFUNDED
        evaluation.update_record(
            "session", attempt=replace(attempt, claimed=False, passed=passed, doubted=doubted, begun=begun)
        )
        return True
    evaluation.update_record("session", attempt=None)
    if evaluation.send(f"verification.{amount}", "verifier") and amount == "passed":
        evaluation.update_record("session", channel=channel)
        renew_by_verifier(evaluation, principal)
    return True


def find_offer(policy: Policy, verdict: Verdict, method: str) -> Fallback | None:
    """Return the fallback by which a reply may name a method to this customer now, or named it until it was spent.

    Args:
        policy: checked.
        verdict: of the customer's request.
        method: name.
    """
    for _, chain in iter_chains(policy, verdict):
        for fallback in reversed(chain):
            if fallback.kind is Outcome.VERIFY and method in fallback.methods:
                return fallback
    return None


def offered_methods(policy: Policy, verdict: Verdict) -> dict[str, Fallback]:
    """Return the methods that a reply to this customer may name now, or named until attempts were spent.

    Args:
        policy: checked.
        verdict: of the customer's request.

    Returns:
        Method -> the fallback that asks for it.
    """
    return _methods_of(chain for _, chain in iter_chains(policy, verdict))


def _methods_of(chains: Iterable[tuple[Fallback, ...]]) -> dict[str, Fallback]:
    offered: dict[str, Fallback] = {}
    for chain in chains:
        for fallback in reversed(chain):
            for name in fallback.methods if fallback.kind is Outcome.VERIFY else ():
                offered.setdefault(name, fallback)
    return offered


def iter_chains(policy: Policy, verdict: Verdict) -> Iterator[tuple[Operation, tuple[Fallback, ...]]]:
    """Yield each operation that can require a verification with the fallbacks that may answer it, the usual ones first.

    Args:
        policy: checked.
        verdict: of the customer's request.
    """
    yield from _usual_chains(policy, verdict)
    for operation in _provable_operations(policy):
        for chain in preview_others(policy, verdict, operation):
            yield operation, chain


def _usual_chains(policy: Policy, verdict: Verdict) -> Iterator[tuple[Operation, tuple[Fallback, ...]]]:
    for operation in _provable_operations(policy):
        yield operation, preview_chain(policy, verdict, operation)


def _provable_operations(policy: Policy) -> list[Operation]:
    return [operation for operation in policy.all_operations if operation.risk in PROVABLE_RISKS]
