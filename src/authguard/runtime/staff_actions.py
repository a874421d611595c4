"""People lift what machines decided: an account's state is reinstated, a session's verification is reset.

Rules: the act is recorded with who did it and why, before anything moves; what the policy's machine does not let a
person lift stays; nobody lifts anything of their own; an account never seen here is treated like any other, so that
nobody learns who is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core import conditions
from authguard.core.outcomes import Reason
from authguard.core.snapshot import Keys, account_key
from authguard.core.staff import parse_roles
from authguard.runtime.evaluation import Evaluation, end_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.request import Principal
    from authguard.core.snapshot import Snapshot
    from authguard.runtime.access import Verdict
    from authguard.runtime.pseudonymizer import Pseudonymizer
    from authguard.runtime.state_repository import StateRepository

#: the cause of what a person decided
PERSON_CAUSE: Final = "person"


class StaffActions:
    """Lets staff and operators lift states of accounts and of verifications."""

    __slots__ = ("_repository", "naming")

    def __init__(self, repository: StateRepository, naming: Pseudonymizer) -> None:
        """Keep the parts.

        Args:
            repository: that people move.
            naming: of subjects in the log.
        """
        self._repository = repository
        self.naming: Final = naming

    async def reinstate_as_staff(self, verdict: Verdict, issuer: str, subject: str, why: str) -> Reason:
        """Let a member of staff reinstate an account.

        Args:
            verdict: of the request of staff, which the table admitted.
            issuer: of the account; empty for the staff's own.
            subject: ``sub`` of the account.
            why: kept in the log.

        Returns:
            `Reason.DECIDED` where it was done, else why it cannot be.
        """
        principal = verdict.principal
        if principal is None or not self._has_role_for(principal, "reinstate"):
            return Reason.STAFF_UNAUTHORISED
        issuer = issuer or principal.issuer
        if issuer not in self._repository.policy.issuers:
            return Reason.BODY_MALFORMED
        account = account_key(issuer, subject)
        if account == principal.account_key:
            return Reason.STAFF_INVOLVED
        name = self.naming.subject(issuer, subject)
        await self.reinstate(account, name, principal.pseudonym, why, decision=verdict.record)
        return Reason.DECIDED

    async def reset_as_staff(self, verdict: Verdict, session: bytes, account: bytes, why: str) -> Reason:
        """Let a member of staff reset a verification, as `reinstate_as_staff`.

        Args:
            verdict: of the request of staff, which the table admitted.
            session: the session's key.
            account: key of its account, as the ticket of the hand-off names both; empty where it was not sent.
            why: kept in the log.
        """
        principal = verdict.principal
        if principal is None or not self._has_role_for(principal, "reset"):
            return Reason.STAFF_UNAUTHORISED
        # the session itself says whose it is; what was sent counts only for one from before that was kept
        found = (await self._repository.load(Keys(session=session))).snapshot.session.account
        if principal.account_key in (account, found) or session == principal.session_key:
            return Reason.STAFF_INVOLVED
        if found and account not in (b"", found):
            return Reason.BODY_MALFORMED
        account = found or account
        await self.reset(session, account, principal.pseudonym, why, decision=verdict.record)
        return Reason.DECIDED

    def _has_role_for(self, principal: Principal, act: str) -> bool:
        policy = self._repository.policy
        role = policy.staff_roles.get(act, "")
        acts = conditions.classify_actor(principal, policy.agents) == "subject"
        return bool(role) and acts and role in parse_roles(principal, policy.staff_claim, policy.staff_issuers)

    async def reinstate(self, account: bytes, subject: str, by: str, why: str, *, decision: str = "") -> Snapshot:
        """Reinstate an account: what was reported before counts no more, what is reported later does.

        Args:
            account: its key.
            subject: as the log names it.
            by: who decides.
            why: in their words.
            decision: id of the record of the request that asks for it.

        Raises:
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; it did not happen.
        """

        def make(evaluation: Evaluation) -> None:
            table = evaluation.policy.machines["account"].table
            lifted = table[evaluation.policy.initial["account"], "reinstated"].dest
            evaluation.send("account.reinstated", PERSON_CAUSE, (("reported", evaluation.now),))
            if evaluation.snapshot.account.state == lifted:
                evaluation.update_record("account", decided=evaluation.now)

        return await self._act("account.reinstated", Keys(account=account), subject, by, why, make, decision)

    async def reset(self, session: bytes, account: bytes, by: str, why: str, *, decision: str = "") -> Snapshot:
        """Reset a session's verification, and forgive its account the attempts that were counted.

        Raises:
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; it did not happen.
        """

        def make(evaluation: Evaluation) -> None:
            evaluation.send("verification.reset", PERSON_CAUSE)
            evaluation.update_record(
                "session", attempt=None
            )  # what is under way answers a question that stands no more
            if account and evaluation.snapshot.account.tallies:
                evaluation.update_record("account", tallies=None)

        keys = Keys(account=account, session=session)
        subject = self.naming.account(account) if account else ""
        return await self._act("verification.reset", keys, subject, by, why, make, decision)

    async def end_session(self, session: bytes, account: bytes, by: str, why: str) -> Snapshot:
        """End a session: only a sign-in after this moment opens it again (ASVS 7.4.5).

        Raises:
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; it did not happen.
        """
        keys = Keys(account=account, session=session)
        subject = self.naming.account(account) if account else ""
        return await self._act(
            "session.revoked",
            keys,
            subject,
            by,
            why,
            lambda evaluation: end_session(evaluation, "session.revoked", PERSON_CAUSE),
            "",
        )

    async def sign_out(self, account: bytes, subject: str, by: str, why: str) -> Snapshot:
        """Sign an account out everywhere, of sessions never seen here too: no sign-in from before now is taken again.

        Raises:
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; it did not happen.
        """

        def make(evaluation: Evaluation) -> None:
            evaluation.update_record("account", not_before=max(evaluation.snapshot.account.not_before, evaluation.now))

        return await self._act("account.signed_out", Keys(account=account), subject, by, why, make, "")

    async def _act(  # noqa: PLR0917 - the parts of one act
        self,
        act: str,
        keys: Keys,
        subject: str,
        by: str,
        why: str,
        make: Callable[[Evaluation], None],
        decision: str,
    ) -> Snapshot:
        """Record the act, then change; an act that could not be is withdrawn from the record."""
        repository = self._repository
        now = repository.clock.now()
        record = repository.journal.record_act(
            act, now, by=by, note=why, subject=subject, session=keys.session.hex(), decision=decision
        )
        return await repository.change(keys, make, subject=subject, decision=decision, note=why, act=record)
