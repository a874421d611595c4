"""What happens in a scenario besides events: changed flags, reports of one source, approvals, the app's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core import flags
from authguard.core.ledger_keys import find_payee_ledger
from authguard.core.snapshot import Approval, Keys, Report
from authguard.evaluation import booking, staff_acts, transactions
from authguard.evaluation import flags as flag_changes
from authguard.evaluation.approval import ActRefusedError, add_approvals
from authguard.evaluation.decision import AppResponse
from authguard.evaluation.driver import APP_SOURCE, apply_reports
from authguard.policy.testing.facts import PAYEE
from authguard.policy.testing.request import ImpossibleError

if TYPE_CHECKING:
    from authguard.core.flags import Flag
    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.evaluation.driver import Evaluation
    from authguard.policy.testing.simulator import Simulator

#: who sets a flag without being a person
APP: Final = "app"
#: statuses of the app that mean that it did what it was asked
_SUCCESS: Final = range(200, 300)


class FlagChange(Struct, frozen=True, kw_only=True):
    """A flag that the app or a person sets or clears.

    Attributes:
        flag: its name.
        value: ``set`` or ``clear``.
        by: ``app``, or the role of the person.
        payee: as written; the payee of the scenario if it is left out.
    """

    flag: str
    value: str
    by: str
    payee: str = PAYEE


class AccountReport(Struct, frozen=True, kw_only=True):
    """A report of one source about the account.

    Attributes:
        state: of the account.
        source: name of the source in the policy, or ``app``.
        age: seconds since the state was true.
    """

    state: str
    source: str
    age: float = 0.0


class PersonAct(Struct, frozen=True, kw_only=True):
    """An act for which the policy names a role: a staff action, or a rollback.

    Attributes:
        act: one of `ACT_EVENTS`.
        by: the role of each person.
    """

    act: str
    by: tuple[str, ...]


#: what happens in a step besides events
Happening = FlagChange | AccountReport | PersonAct
#: act -> the event that it sends
ACT_EVENTS: Final = {
    "reinstate": "account.reinstated",
    "reset": "verification.reset",
    "engage": "service.engaged",
    "release": "service.released",
}


def check_authority(policy: Policy, one: PersonAct) -> None:
    """Check that people with these roles may perform an act together.

    Raises:
        ImpossibleError: they may not.
    """
    role, count = policy.staff_roles.get(one.act, ""), 1
    authority = next((found for act, found in policy.rollback.authority.items() if act == one.act), None)
    if authority is not None:
        role, count = authority.role, authority.count
    if not role:
        raise ImpossibleError(f"the policy names no role that may {one.act}")
    if one.by.count(role) < count:
        raise ImpossibleError(f"`{one.act}` needs {count} with the role `{role}`")


def flag_keys(policy: Policy, keys: Keys, payee: str = PAYEE) -> Keys:
    """Return keys with the ledgers of all flags of a payee.

    Args:
        policy: with its flags.
        keys: of the customer's records.
        payee: as written.
    """
    wanted = sorted({flag.by for flag in policy.flags if flag.by in flags.PAYEE_DIMENSIONS})
    ledgers = tuple(find_payee_ledger(by, keys.account, payee) for by in wanted)
    return Keys(keys.account, keys.session, keys.transaction, (*keys.ledgers, *ledgers))


def change_flag(simulator: Simulator, flag: Flag, value: str, cause: str, payee: str = PAYEE) -> None:
    """Set or clear a flag now."""

    def apply(evaluation: Evaluation) -> None:
        change = flag_changes.set_flag if value == flags.SET else flag_changes.clear_flag
        change(evaluation, flag, cause)

    keys = flag_keys(simulator.policy, simulator.keys, payee)
    simulator.records.change(keys, simulator.now, apply)


def read_flags(simulator: Simulator) -> dict[str, str]:
    """Return flag -> its value for the customer, and for the scenario's payee."""
    policy, keys = simulator.policy, flag_keys(simulator.policy, simulator.keys)
    snapshot = simulator.records.load(keys)
    found = {}
    for flag in policy.flags:
        ledger = snapshot.account.ledger if flag.by == flags.SUBJECT else snapshot.session.ledger
        for by, key in keys.ledgers:
            ledger = snapshot.ledgers[key].ledger if by == flag.by else ledger
        found[flag.name] = flags.SET if flags.is_set(flag, ledger, simulator.now) else flags.CLEAR
    return found


def play_change(simulator: Simulator, one: FlagChange | AccountReport) -> None:
    """Let the app or a person change a flag, or a source report the account.

    Raises:
        ImpossibleError: the policy does not let them.
    """
    policy = simulator.policy
    if isinstance(one, AccountReport):
        report = Report(one.state, simulator.now - one.age)
        source = next(
            (name for name in _sources(policy, one.state) if one.source in {name, name.partition(":")[0]}), ""
        )
        if not source:
            raise ImpossibleError(f"`{one.source}` does not report `{one.state}`")
        simulator.records.change(
            simulator.all_keys, simulator.now, lambda it: apply_reports(it, {source: report}, unreachable=False)
        )
        return
    flag = next(flag for flag in policy.flags if flag.name == one.flag)
    verb, roles = ("set", flag.setting_roles) if one.value == flags.SET else ("clear", frozenset(flag.cleared_by))
    allowed = flag.is_set_by_app and verb == "set" if one.by == APP else one.by in roles
    if not allowed:
        raise ImpossibleError(f"`{one.by}` may not {verb} `{one.flag}`")
    change_flag(simulator, flag, one.value, APP if one.by == APP else staff_acts.PERSON_CAUSE, one.payee)


def _sources(policy: Policy, state: str) -> list[str]:
    found = [
        source.name
        for source in policy.accounts
        if not source.map or state == "unrecognised" or state in source.map.values()
    ]
    return found + ([APP_SOURCE] if f"account.{state}" in policy.reports.app else [])


def approve(simulator: Simulator, roles: tuple[str, ...], number: int) -> None:
    """Let one person with some roles approve the transaction; an approval that fills no place is refused.

    Raises:
        ImpossibleError: no transaction waits, or it may not be approved.
    """
    policy, keys = simulator.policy, simulator.all_keys

    def apply(evaluation: Evaluation) -> None:
        record = evaluation.snapshot.transaction
        over = tuple(sorted(booking.known_limits(policy, record)))
        level = policy.assurance.order[-1] if policy.assurance.order else ""
        one = Approval(f"approver {number}".encode(), f"approver {number}", evaluation.now, "", over, roles, level)
        add_approvals(evaluation, keys.transaction, record.approvals, [one], "approver")

    if not _moves(simulator, "approved"):
        raise ImpossibleError("nothing waits for an approval")
    try:
        simulator.records.change(keys, simulator.now, apply)
    except ActRefusedError as error:
        if error.reason.code != "transaction-over":
            raise ImpossibleError(f"the approval is refused: {error.reason.code}") from None


def deny(simulator: Simulator) -> None:
    """Let an approver deny the transaction.

    Raises:
        ImpossibleError: no transaction waits.
    """
    if not _moves(simulator, "denied"):
        raise ImpossibleError("nothing waits for an approval")
    keys = flag_keys(simulator.policy, simulator.all_keys)
    simulator.records.change(keys, simulator.now, lambda one: one.send("transaction.denied", "approver"))


def _moves(simulator: Simulator, trigger: str) -> bool:
    state = simulator.states()["transaction"]
    return simulator.policy.machines["transaction"].table[state, trigger].moves


def answer(simulator: Simulator, operation: Operation, keys: Keys, status: int, *, running: bool) -> None:
    """Let the app answer the admitted request: settle its transaction, and set the flags of what it did.

    Args:
        simulator: of the scenario.
        operation: of the request.
        keys: of its records.
        status: of the answer; 0 for none.
        running: whether the request runs a transaction.
    """
    response = AppResponse(status)

    def apply(evaluation: Evaluation) -> None:
        if running:
            transactions.settle(evaluation, keys.transaction, response, operation.failed_on, simulator.cipher)
        elif status in _SUCCESS:
            flag_changes.set_committed(evaluation, operation)

    simulator.records.change(keys, simulator.now, apply)
