"""Acts of staff and operators on flags: set and clear, each recorded with the person and the reason before any change.

Roles of the policy decide who may set or clear which flag. A person cannot act on their own account. An unknown account
is treated like any other, so that a response does not reveal which accounts exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core import conditions, flags
from authguard.core.amount import UnreadableValueError
from authguard.core.ledger_keys import find_payee_ledger
from authguard.core.outcomes import Reason
from authguard.core.record_keys import account_key
from authguard.core.snapshot import EMPTY_LEDGER, Keys
from authguard.core.staff import parse_roles
from authguard.evaluation import flags as flag_changes
from authguard.evaluation.staff_acts import PERSON_CAUSE

if TYPE_CHECKING:
    from authguard.core.flags import Flag
    from authguard.core.request import Principal
    from authguard.core.snapshot import LedgerEntry, Snapshot
    from authguard.evaluation.decision import Verdict
    from authguard.evaluation.driver import Evaluation
    from authguard.runtime.pseudonymizer import Pseudonymizer
    from authguard.runtime.state_repository import StateRepository


class FlagOwner(Struct, frozen=True, kw_only=True):
    """Whose flag it is; what the flag's `by` does not name is empty.

    Attributes:
        account: key of the account.
        session: key of the session.
        payee: as written; every spelling is the same payee.
        subject: pseudonym of the account in the log.
    """

    account: bytes = b""
    session: bytes = b""
    payee: str = ""
    subject: str = ""

    def fits(self, flag: Flag) -> bool:
        """Return whether it names what a flag belongs to, and nothing else."""
        wanted = {
            flags.SUBJECT: (True, False, False),
            flags.SESSION: (bool(self.account), True, False),
            flags.PAYEE: (False, False, True),
            flags.SUBJECT_PAYEE: (True, False, True),
        }[flag.by]
        return (bool(self.account), bool(self.session), bool(self.payee)) == wanted


class FlagActions:
    """Sets and clears flags on request of people.

    Args:
        repository: of the states.
        naming: pseudonyms of subjects in the log.
    """

    __slots__ = ("_naming", "_repository")

    def __init__(self, repository: StateRepository, naming: Pseudonymizer) -> None:
        self._repository: Final = repository
        self._naming: Final = naming

    def find(self, name: str) -> Flag | None:
        """Return a flag of the policy; ``None`` if there is none of this name."""
        return next((flag for flag in self._repository.policy.flags if flag.name == name), None)

    async def change_as_staff(
        self, verdict: Verdict, name: str, *, sets: bool, issuer: str, subject: str, payee: str, why: str
    ) -> Reason:
        """Set or clear a flag on request of a staff member.

        Args:
            verdict: of the staff member's request, which the table admitted.
            name: of the flag.
            sets: whether to set it; it is cleared otherwise.
            issuer: of the account; empty for the staff member's own issuer.
            subject: ``sub`` of the account; empty for a flag by payee alone.
            payee: as written; empty for a flag by subject.
            why: the reason; stored in the log.

        Returns:
            `Reason.DECIDED` on success, else the reason why it is not possible.
        """
        principal, flag = verdict.principal, self.find(name)
        if principal is None or flag is None or not self._may_change(principal, flag, sets=sets):
            return Reason.STAFF_UNAUTHORISED
        issuer = issuer or principal.issuer
        if issuer not in self._repository.policy.issuers:
            return Reason.BODY_MALFORMED
        account = account_key(issuer, subject) if subject else b""
        if account == principal.account_key:
            return Reason.STAFF_INVOLVED
        pseudonym = self._naming.subject(issuer, subject) if subject else ""
        owner = FlagOwner(account=account, payee=payee, subject=pseudonym)
        try:
            await self.change(flag, owner, sets=sets, by=principal.pseudonym, why=why, decision=verdict.record)
        except (UnreadableValueError, ValueError):
            return Reason.BODY_MALFORMED
        return Reason.DECIDED

    def _may_change(self, principal: Principal, flag: Flag, *, sets: bool) -> bool:
        policy = self._repository.policy
        roles = flag.setting_roles if sets else frozenset(flag.cleared_by)
        acts = conditions.classify_actor(principal, policy.agents) == "subject"
        return acts and not roles.isdisjoint(parse_roles(principal, policy.role_sources))

    async def change(
        self, flag: Flag, owner: FlagOwner, *, sets: bool, by: str, why: str, decision: str = ""
    ) -> Snapshot:
        """Set or clear a flag.

        Args:
            flag: of the policy.
            owner: whose flag.
            sets: whether to set it; it is cleared otherwise.
            by: the person who decides.
            why: the reason.
            decision: id of the record of the person's request.

        Raises:
            ValueError: the owner is not what the flag is kept by.
            UnreadableValueError: the payee has no letter or digit, or is too long.
            AuditError, StoreError, TimeoutError: it could not be recorded or saved; nothing was changed.
        """
        keys = self._keys(flag, owner)

        def apply(evaluation: Evaluation) -> None:
            (flag_changes.set_flag if sets else flag_changes.clear_flag)(evaluation, flag, PERSON_CAUSE)

        repository = self._repository
        record = repository.journal.record_act(
            f"flag.{flag_changes.SET_EVENT if sets else flag_changes.CLEARED_EVENT}",
            repository.clock.now(),
            by=by,
            note=why,
            subject=owner.subject,
            session=owner.session.hex(),
            decision=decision,
            flag=flag.name,
        )
        return await repository.change(keys, apply, subject=owner.subject, decision=decision, note=why, act=record)

    async def find_expiry(self, flag: Flag, owner: FlagOwner) -> float:
        """Return when a flag expires, epoch seconds UTC: infinity for never, 0 if it is not set.

        Raises:
            ValueError, UnreadableValueError: as for `change`.
            StoreError, TimeoutError: the records cannot be loaded.
        """
        keys = self._keys(flag, owner)
        snapshot = (await self._repository.load(keys)).snapshot
        return flags.find_expiry(flag, _ledger(flag, keys, snapshot), self._repository.clock.now())

    @staticmethod
    def _keys(flag: Flag, owner: FlagOwner) -> Keys:
        if not owner.fits(flag):
            raise ValueError(f"the flag `{flag.name}` is kept by {flag.by}")
        ledgers = (find_payee_ledger(flag.by, owner.account, owner.payee),) if owner.payee else ()
        return Keys(account=owner.account, session=owner.session, ledgers=ledgers)


def _ledger(flag: Flag, keys: Keys, snapshot: Snapshot) -> tuple[LedgerEntry, ...]:
    if flag.by == flags.SUBJECT:
        return snapshot.account.ledger
    if flag.by == flags.SESSION:
        return snapshot.session.ledger
    return snapshot.ledgers.get(keys.ledgers[0][1], EMPTY_LEDGER).ledger
