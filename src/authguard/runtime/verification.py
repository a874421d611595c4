"""Identity verification: sends the customer's answers to the verifiers, and applies the combined result to the session.

Rules (DESIGN 2, "Attempts"; see also `authguard.evaluation.verification`):
- At most one set of answers per session is with the verifiers. An answer to another attempt is recorded and moves no
  machine. No lock is held during the calls: the state is loaded again afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

import anyio
from msgspec.structs import replace

from authguard.core.outcomes import ALLOW, Fallback, Outcome
from authguard.core.snapshot import Keys
from authguard.core.verification import Doubted, IncompleteMethod, Unavailable, combine
from authguard.errors import VerificationRefusedError
from authguard.evaluation import attempts
from authguard.evaluation.preview import preview_chain, preview_others, preview_outcome
from authguard.evaluation.verification import (
    PROVABLE_RISKS,
    VERIFY_OPERATION,
    Claim,
    RetryLater,
    apply_result,
    claim_attempt,
    exhaust_methods,
    iter_chains,
)
from authguard.ports import Question
from authguard.runtime.verifier_call import call_verifiers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authguard.core.policy import Policy
    from authguard.core.request import Operation, Principal
    from authguard.core.snapshot import Snapshot
    from authguard.core.verification import Method, MethodResult, VerifierVerdict
    from authguard.evaluation.decision import Verdict
    from authguard.evaluation.driver import Evaluation
    from authguard.ports import Ids, Verifier
    from authguard.runtime.state_repository import StateRepository

    Answers = Mapping[str, Mapping[str, str]]

#: maximum number of verifiers, and of fields for each, in one request; maximum length of a field
MAX_ANSWERS: Final = 16
MAX_FIELD_LENGTH: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """The next step for the customer.

    Attributes:
        fallback: the table's current response to the operation that required proof; of kind ``allow`` if it may run.
        operation: that operation.
        snapshot: the current state.
        method: the method used.
        attempt: id of the attempt that waits for answers; empty for none.
        wanted: verifiers that need answers of the customer.
    """

    fallback: Fallback
    operation: Operation
    snapshot: Snapshot
    method: str
    attempt: str = ""
    wanted: tuple[str, ...] = ()


class Verifications:
    """Runs verifiers, and applies their results to the machines."""

    __slots__ = ("_ids", "_repository", "_verifiers")

    def __init__(self, repository: StateRepository, verifiers: Mapping[str, Verifier], ids: Ids) -> None:
        """Store the parts; `verifiers` are keyed by their names in the policy."""
        self._repository = repository
        self._verifiers = verifiers
        self._ids = ids

    async def answer(self, verdict: Verdict, method: str, answers: Answers) -> NextStep:
        """Begin or continue a verification; it completes even if the caller disconnects.

        Args:
            verdict: of an admitted request of the customer.
            method: name, as in the reply.
            answers: verifier -> field -> the customer's answer; empty to begin, so that a code is sent.

        Returns:
            The next step.

        Raises:
            VerificationRefusedError: there is no such method, the request is unproven, or the answers are too large.
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; the attempt stays counted.
        """
        declared = self._repository.policy.methods.get(method)
        principal = verdict.principal
        if declared is None:
            raise VerificationRefusedError("there is no such method: use one that the reply names")
        if principal is None:
            raise VerificationRefusedError("only a signed-in customer can verify their identity")
        _check_size(answers)
        gate = preview_outcome(self._repository.policy, verdict, VERIFY_OPERATION)
        if gate.kind is not Outcome.ALLOW and method not in gate.methods:
            return NextStep(fallback=gate, operation=VERIFY_OPERATION, snapshot=verdict.snapshot, method=method)
        with anyio.CancelScope(shield=True):
            step = await self._answer(verdict, principal, declared, answers)
        return step  # noqa: RET504 - a scope may suppress an exception, so the value is assigned first

    async def _answer(self, verdict: Verdict, principal: Principal, method: Method, answers: Answers) -> NextStep:
        claims: list[Claim | RetryLater] = []

        def claim(evaluation: Evaluation) -> None:
            claims.append(claim_attempt(evaluation, verdict, method, self._ids))

        before = verdict
        verdict = verdict.with_snapshot(await self._change(verdict, claim))
        claimed = claims[-1]
        if isinstance(claimed, RetryLater):
            return self._next_step(verdict, before, method, after=claimed.after)
        question = Question(
            issuer=principal.issuer,
            subject=principal.subject,
            session=verdict.keys.session.hex(),
            attempt=claimed.attempt.id,
            answers={},
            channel=verdict.channel,
            at=self._repository.clock.now(),
        )
        results = await call_verifiers(
            self._verifiers, method, claimed.attempt, question, answers, is_fresh=claimed.fresh
        )
        amount = combine(method, results)
        superseded: list[bool] = []

        def settle(evaluation: Evaluation) -> None:
            nonlocal amount
            if amount == "passed" and attempts.is_doubted_elsewhere(evaluation, method, claimed.attempt.id):
                amount = "doubted"  # a concurrent attempt of this method left it in doubt
            superseded.append(
                not apply_result(
                    evaluation,
                    method,
                    claimed.attempt,
                    results=results,
                    amount=amount,
                    principal=principal,
                    channel=verdict.channel,
                )
            )
            if not superseded[-1] and not isinstance(amount, IncompleteMethod):
                exhaust_methods(evaluation, verdict)

        verdict = verdict.with_snapshot(await self._change(verdict, settle))
        self._record(verdict, method, results, "superseded" if superseded[-1] else _result_code(amount))
        if isinstance(amount, IncompleteMethod) and not superseded[-1]:
            return self._next_step(verdict, before, method, attempt=claimed.attempt.id, wanted=amount.verifiers)
        return self._next_step(verdict, before, method, down=amount == "unavailable", passed=amount == "passed")

    def _outage(self) -> Fallback:
        """Return the fallback for an outage: the policy's response to a fault, if it names a time to retry."""
        fallback = self._repository.policy.fallbacks[self._repository.policy.on_fault]
        if fallback.kind is Outcome.RETRY:
            return fallback
        return Fallback(name="verification_unavailable", kind=Outcome.RETRY)

    async def _change(self, verdict: Verdict, apply: Callable[[Evaluation], None]) -> Snapshot:
        keys = Keys(verdict.keys.account, verdict.keys.session)
        principal = verdict.principal
        subject = principal.pseudonym if principal else ""
        after = await self._repository.change(keys, apply, subject=subject, decision=verdict.record)
        return replace(after, transaction=verdict.snapshot.transaction)

    def _record(self, verdict: Verdict, method: Method, results: Mapping[str, VerifierVerdict], word: str) -> None:
        """Write each verifier's result to the log: closed codes and scores, and none of the customer's answers."""
        note = ", ".join(f"{name} {_format_verdict(answer)}" for name, answer in results.items())
        principal = verdict.principal
        self._repository.journal.record_act(
            f"verification.{word}",
            self._repository.clock.now(),
            by=method.name,
            note=note,
            subject=principal.pseudonym if principal else "",
            session=principal.session_key.hex() if principal else "",
            decision=verdict.record,
        )

    def _next_step(
        self,
        verdict: Verdict,
        before: Verdict,
        method: Method,
        *,
        after: float = 0.0,
        down: bool = False,
        passed: bool = False,
        attempt: str = "",
        wanted: tuple[str, ...] = (),
    ) -> NextStep:
        """Return the table's current response to the operation that required this proof."""
        policy = self._repository.policy
        operation = _requesting_operation(policy, before, method.name)
        if passed:
            fallback = preview_outcome(policy, verdict, operation)
        else:
            fallback = _find_answer(policy, verdict, operation, method.name)
        if after:
            fallback = Fallback(name="verification_busy", kind=Outcome.RETRY, status=409, after=after)
        if down and method.name in fallback.methods:  # the machine's state is unchanged, so the outage shows only here
            fallback = self._outage()
        if fallback.kind is Outcome.RESTRICT:
            fallback = ALLOW
        return NextStep(
            fallback=fallback,
            operation=operation,
            snapshot=verdict.snapshot,
            method=method.name,
            attempt=attempt,
            wanted=wanted,
        )


def _requesting_operation(policy: Policy, verdict: Verdict, method: str) -> Operation:
    """Return the operation that the next step refers to: the first that requires this method, or could."""
    for operation, fallbacks in iter_chains(policy, verdict):
        if method in fallbacks[-1].methods:
            return operation
    proving = [operation for operation in policy.all_operations if operation.risk in PROVABLE_RISKS]
    return next((operation for operation in proving if operation.risk != "routine"), policy.otherwise)


def _find_answer(policy: Policy, verdict: Verdict, operation: Operation, method: str) -> Fallback:
    """Return the response to an operation after an attempt that did not pass: what asks for the method, if any does."""
    usual = preview_chain(policy, verdict, operation)
    for each in chain((usual,), preview_others(policy, verdict, operation)):
        if any(method in link.methods for link in each):
            return each[-1]
    return usual[-1]


def _check_size(answers: Answers) -> None:
    if len(answers) > MAX_ANSWERS or any(len(fields) > MAX_ANSWERS for fields in answers.values()):
        raise VerificationRefusedError(f"at most {MAX_ANSWERS} answers are accepted in one request")
    if any(
        max(len(name), len(text)) > MAX_FIELD_LENGTH for fields in answers.values() for name, text in fields.items()
    ):
        raise VerificationRefusedError(f"an answer has at most {MAX_FIELD_LENGTH} characters")


def _result_code(amount: MethodResult | IncompleteMethod) -> str:
    return "asked" if isinstance(amount, IncompleteMethod) else amount


def _format_verdict(answer: VerifierVerdict) -> str:
    match answer:
        case Doubted(score=score):
            return f"doubted ({score:.2f})"
        case Unavailable(cause=cause):
            return f"unavailable ({cause})"
        case _:
            return type(answer).__name__.lower()
