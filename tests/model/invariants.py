"""Invariants in plain terms: the model that the enforcer is tested against.

It knows no machine, no table and no record: only who signed in, who was signed out, what was reported, and the time.
Where what happened is not known (a fault after a save), it promises nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.request import Principal
    from authguard.evaluation.decision import Verdict

MINUTE = 60.0
DAY = 24 * 60 * MINUTE
NEVER, NOT_YET = float("-inf"), float("inf")
PROVING = frozenset({"sensitive", "high"})


@dataclass
class Promises:
    """Keeps what was promised, and looks at each admission.

    Attributes:
        signed: session -> its newest sign-in that was shown.
        counted: session -> its newest sign-in that met a decision, so that the guard knows it.
        acted: session -> the person's last own act in it.
        begun: session -> when a token without a sign-in time first met a decision there.
        seen: session -> the latest own act of the person that met a decision.
        lapsed: sessions in which nobody was for a quarter of an hour, as a decision found; only a dated sign-in helps.
        ended: session -> the sign-ins up to this moment are void.
        barred: account -> the same, for all of its sessions.
        doubted: session -> when somebody doubted who it is; and the lowest the clock stood at since attempts ran out,
            which alone leads out of doubt, after they cooled down.
        suspected: account -> when somebody last doubted who it is, in whichever session.
        trusted: sessions in which something was done that wants proof of identity.
        dead: accounts that no agent serves any more.
        ran: account and key of every refund that ran.
        spent: account -> its refunds that stand: transaction -> when and how much.
        claimed: account -> the newest thing that its tokens said of it, and when that was.
        blind: tokens up to this moment may have said what nobody knows.
        pulled: whether an operator pulled the agent back.
        latest: the highest the clock ever stood at.
    """

    signed: dict[bytes, float] = field(default_factory=dict)
    counted: dict[bytes, float] = field(default_factory=dict)
    acted: dict[bytes, float] = field(default_factory=dict)
    begun: dict[bytes, float] = field(default_factory=dict)
    seen: dict[bytes, float] = field(default_factory=dict)
    lapsed: set[bytes] = field(default_factory=set)
    ended: dict[bytes, float] = field(default_factory=dict)
    barred: dict[bytes, float] = field(default_factory=dict)
    doubted: dict[bytes, tuple[float, float]] = field(default_factory=dict)
    suspected: dict[bytes, float] = field(default_factory=dict)
    trusted: set[bytes] = field(default_factory=set)
    dead: set[bytes] = field(default_factory=set)
    ran: set[tuple[bytes, str]] = field(default_factory=set)
    spent: dict[bytes, dict[str, tuple[float, float]]] = field(default_factory=lambda: defaultdict(dict))
    claimed: dict[bytes, tuple[float, str]] = field(default_factory=dict)
    blind: float = NEVER
    pulled: bool = False
    latest: float = NEVER

    def tick(self, now: float) -> None:
        """The clock stands somewhere else."""
        self.latest = max(self.latest, now)
        for session, (at, low) in self.doubted.items():
            self.doubted[session] = (at, low if low == NOT_YET else min(low, now))

    def doubt(self, session: bytes, now: float) -> None:
        """Somebody doubted who it is."""
        self.doubted[session] = (now, NOT_YET)

    def exhausted(self, session: bytes, now: float) -> None:
        """The attempts of a session ran out, or might have."""
        if session in self.doubted:
            at, low = self.doubted[session]
            self.doubted[session] = (at, min(low, now))

    def shown(self, who: Principal, now: float, *, acts: bool) -> None:
        """A good credential was shown: a sign-in later than the end revives a session, nothing else does."""
        session, proof = who.session_key, who.auth_time
        if not proof:
            return  # a token without a sign-in time revives nothing
        self.begun.pop(session, None)
        self.lapsed.discard(session)
        if proof > max(self.ended.get(session, NEVER), self.barred.get(who.account_key, NEVER)):
            self.ended.pop(session, None)
        self.signed[session] = max(self.signed.get(session, NEVER), proof)
        self.acted[session] = max(self.acted.get(session, NEVER), now if acts else proof, proof)

    def decided(self, who: Principal, now: float) -> None:
        """A request of somebody was decided: what they showed is known now."""
        session = who.session_key
        if not who.auth_time:
            self.begun.setdefault(session, now)
            if now - self.seen.get(session, now) >= 15 * MINUTE:
                self.lapsed.add(session)
        if not who.actor:
            self.seen[session] = max(self.seen.get(session, NEVER), now)
        self.counted[who.session_key] = max(self.counted.get(who.session_key, NEVER), who.auth_time)

    def claim(self, account: bytes, at: float, state: str, rank: Mapping[str, int]) -> None:
        """A token said something of its account; of two at one moment the stricter counts."""
        kept = self.claimed.get(account, (self.blind, state))
        if at > kept[0] or (at == kept[0] and account in self.claimed and rank[state] > rank[kept[1]]):
            self.claimed[account] = (at, state)

    def lose_sight(self) -> None:
        """Something failed: what the last tokens said is kept, or is not."""
        self.blind = self.latest + MINUTE
        self.claimed.clear()

    def end(self, session: bytes, now: float) -> None:
        """A session was signed out or revoked."""
        self.ended[session] = max(now, self.counted.get(session, NEVER))

    def admitted(self, verdict: Verdict, who: Principal, now: float) -> None:
        """Look at the admission of an operation that is not public."""
        session, account, risk = who.session_key, who.account_key, verdict.operation.risk
        assert session not in self.ended, "a session that was signed out came back without a sign-in"
        if who.auth_time:
            barred = self.barred.get(account, NEVER)
            assert who.auth_time > barred, "a sign-in that was revoked for the account was taken"
            assert now - self.signed[session] < DAY / 2, "a sign-in lasted longer than half a day"
            assert now - self.acted[session] < 15 * MINUTE, "nobody was there for a quarter of an hour"
        else:
            self._admitted_undated(who, now)
        assert verdict.token_scopes <= who.token_scopes, "a scope came from nowhere"
        assert verdict.operation.scopes <= verdict.token_scopes, "a scope was missing"
        if risk == "self":
            return
        assert not self.pulled, "the agent acted although it was pulled back"
        assert account not in self.dead, "an agent served an account that only people may serve"
        if risk in PROVING:
            afresh = session not in self.trusted
            assert not (afresh and self.suspected.get(account) == now), "a sign-in proved somebody who was just doubted"
            self.trusted.add(session)
        if risk in PROVING and session in self.doubted:
            at, low = self.doubted[session]
            forgotten = now - at > 2 * DAY  # the whole session is, and began anew
            assert forgotten or now - low >= 15 * MINUTE, "doubt was laundered"

    def _admitted_undated(self, who: Principal, now: float) -> None:
        """Look at the admission of a token without a sign-in time; nobody here verifies, so no session comes back."""
        session, barred = who.session_key, self.barred.get(who.account_key, NEVER)
        signed = self.signed.get(session, NEVER)
        assert session not in self.lapsed, "a refresh revived a session in which nobody was"
        assert now - max(self.begun[session], signed) < DAY / 2, "a refresh prolonged a sign-in beyond half a day"
        assert barred == NEVER or who.issued_at > barred, "a token of before the sign-out of the account was taken"
        is_new = bool(who.sid) and self.begun[session] > barred
        assert barred == NEVER or signed > barred or is_new, "a refresh undid the sign-out of an account"

    def runs(self, who: Principal, key: str, transaction: str, amount: float, now: float) -> None:
        """Look at a refund that runs."""
        account = who.account_key
        assert (account, key) not in self.ran, "a refund ran twice"
        self.ran.add((account, key))
        self.spent[account][transaction] = (now, amount)
        if now == self.latest:  # what fell out of the window once is not counted again when the clock steps back
            day = [amount for at, amount in self.spent[account].values() if now - at < DAY]
            assert sum(day) <= 1000, "a person got more than the daily budget"

    def refused(self, who: Principal, transaction: str) -> None:
        """The app refused a refund: nothing happened, so it does not count."""
        self.spent[who.account_key].pop(transaction, None)
