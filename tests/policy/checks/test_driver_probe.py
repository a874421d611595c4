"""What the driver surely does in a state: every sequence of events that it sends for any record with the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from authguard.core.deployment import AccountSource
from authguard.core.timers import Timer
from authguard.policy.checks.driver_probe import DriverProbe, Due

if TYPE_CHECKING:
    from authguard.policy.draft import Draft


def test_a_fresh_sign_in_opens_every_session_and_an_old_one_none(standard_draft: Draft) -> None:
    probe = DriverProbe(standard_draft)
    for state in ("idle", "expired", "revoked"):
        fresh = probe.sign_in(state, is_dated=True, is_fresh=True)
        assert fresh.sequences == {("session.renewed",)}
        assert fresh.is_new
        old = probe.sign_in(state, is_dated=True, is_fresh=False)
        assert old.sequences == {("session.accepted",)}
        assert not old.can_be_new
    undated = probe.sign_in("absent", is_dated=False, is_fresh=False)
    assert undated.sequences == {(), ("session.accepted",)}, "it depends on the issuer"


def test_sources_answer_as_they_are_declared(standard_draft: Draft) -> None:
    source = AccountSource(name="claim", claim="status", map={"ok": "normal", "off": "locked"})
    probe = DriverProbe(replace(standard_draft, base=False, accounts=(source,)))
    assert probe.reports("unknown") == {("account.normal",), ("account.locked",), ("account.unrecognised",)}
    without = DriverProbe(replace(standard_draft, base=False, accounts_declared=True))
    assert without.reports("unknown") == {("account.normal",)}


def test_the_first_timer_of_each_moment_may_fall_due(standard_draft: Draft) -> None:
    probe = DriverProbe(standard_draft)
    assert probe.due("session", "active") == Due(frozenset({"session.idled", "session.aged"}), is_sure=True)
    assert probe.due("session", "absent") == Due(frozenset({"session.aged"}), is_sure=False)
    assert probe.due("verification", "failed") == Due(frozenset(), is_sure=False)
    early = Timer(event="session.idled", after=1.0, since="last_seen", states=("active",))
    later = DriverProbe(replace(standard_draft, timers=(early, *standard_draft.timers)))
    assert later.due("session", "active").events == {"session.idled", "session.aged"}
