"""Staff actions: reinstate an account, reset a verification, end a session, sign out an account.

Rules: the act is recorded with the person and the reason before any change. The policy's machine defines which states a
person can lift. A person cannot act on their own account. An unknown account is treated like any other, so that a
response does not reveal which accounts exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core import conditions
from authguard.core.outcomes import Reason
from authguard.core.record_keys import account_key
from authguard.core.snapshot import Keys
from authguard.core.staff import parse_roles
from authguard.evaluation import staff_acts

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.request import Principal
    from authguard.core.snapshot import Snapshot
    from authguard.evaluation.decision import Verdict
    from authguard.evaluation.driver import Evaluation
    from authguard.runtime.pseudonymizer import Pseudonymizer
    from authguard.runtime.state_repository import StateRepository


class StaffActions:
    """Applies the acts of staff and operators to accounts and sessions."""

    __slots__ = ("_repository", "naming")

    def __init__(self, repository: StateRepository, naming: Pseudonymizer) -> None:
        """Store the parts.

        Args:
            repository: of the states.
            naming: pseudonyms of subjects in the log.
        """
        self._repository = repository
        self.naming: Final = naming

    async def reinstate_as_staff(self, verdict: Verdict, issuer: str, subject: str, why: str) -> Reason:
        """Reinstate an account on request of a staff member.

        Args:
            verdict: of the staff member's request, which the table admitted.
            issuer: of the account; empty for the staff member's own issuer.
            subject: ``sub`` of the account.
            why: the reason; stored in the log.

        Returns:
            `Reason.DECIDED` on success, else the reason why it is not possible.
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
        """Reset a verification on request of a staff member, as `reinstate_as_staff`.

        Args:
            verdict: of the staff member's request, which the table admitted.
            session: the session's key.
            account: key of its account, as in the hand-off ticket; empty if it was not sent.
            why: the reason; stored in the log.
        """
        principal = verdict.principal
        if principal is None or not self._has_role_for(principal, "reset"):
            return Reason.STAFF_UNAUTHORISED
        # the stored session has its account; the sent one counts only for older records without it
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
        return bool(role) and acts and role in parse_roles(principal, policy.role_sources)

    async def reinstate(self, account: bytes, subject: str, by: str, why: str, *, decision: str = "") -> Snapshot:
        """Reinstate an account: earlier reports no longer count, later ones do.

        Args:
            account: its key.
            subject: its pseudonym in the log.
            by: the person who decides.
            why: the reason.
            decision: id of the record of the person's request.

        Raises:
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; nothing was changed.
        """
        keys = Keys(account=account)
        return await self._act("account.reinstated", keys, subject, by, why, staff_acts.reinstate_account, decision)

    async def reset(self, session: bytes, account: bytes, by: str, why: str, *, decision: str = "") -> Snapshot:
        """Reset a session's verification, and clear the attempts counted for its account.

        Raises:
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; nothing was changed.
        """
        keys = Keys(account=account, session=session)
        subject = self.naming.account(account) if account else ""
        return await self._act("verification.reset", keys, subject, by, why, staff_acts.reset_verification, decision)

    async def end_session(self, session: bytes, account: bytes, by: str, why: str) -> Snapshot:
        """End a session: only a later sign-in opens it again (ASVS 7.4.5).

        Raises:
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; nothing was changed.
        """
        keys = Keys(account=account, session=session)
        subject = self.naming.account(account) if account else ""
        return await self._act(
            "session.revoked",
            keys,
            subject,
            by,
            why,
            staff_acts.revoke_session,
            "",
        )

    async def sign_out(self, account: bytes, subject: str, by: str, why: str) -> Snapshot:
        """Sign an account out of all sessions, including unknown ones: no earlier sign-in is accepted again.

        Raises:
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; nothing was changed.
        """
        keys = Keys(account=account)
        return await self._act("account.signed_out", keys, subject, by, why, staff_acts.sign_out_account, "")

    async def _act(  # noqa: PLR0917 - the parts of one act
        self,
        act: str,
        keys: Keys,
        subject: str,
        by: str,
        why: str,
        apply: Callable[[Evaluation], None],
        decision: str,
    ) -> Snapshot:
        """Record the act, then change the records; withdraw the act if nothing was saved."""
        repository = self._repository
        now = repository.clock.now()
        record = repository.journal.record_act(
            act, now, by=by, note=why, subject=subject, session=keys.session.hex(), decision=decision
        )
        return await repository.change(keys, apply, subject=subject, decision=decision, note=why, act=record)
