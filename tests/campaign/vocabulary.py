"""The words of the campaign's policies: names, states, lines, timers and fallbacks from which documents are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ISSUER: Final = "https://issuer.test"
AUDIENCE: Final = "https://agent.test"
LEVELS: Final = ("aal1", "aal2", "aal3")
#: a value of `acr` that the policy maps to a level
MAPPED_LEVEL: Final = "urn:test:2fa"
SCOPES: Final = ("chat", "read", "pay")
ROLES: Final = ("clerk", "supervisor")
AGENT: Final = "concierge"
CHANNELS: Final = ("web", "app", "voice")
CHANNEL_SECRET: Final = "a-secret-of-the-gateway-0123456789-0123456789"
VERIFIERS: Final = ("otp", "document", "passkey")
#: word of the account's claim -> the states that a map may give it
STATUS_WORDS: Final = {
    "ok": ("normal",),
    "new": ("normal", "unrecognised"),
    "kid": ("minor", "restricted"),
    "proxy": ("delegated",),
    "arrears": ("restricted", "locked"),
    "unused": ("dormant", "normal"),
    "locked": ("locked", "suspended"),
    "frozen": ("suspended", "restricted"),
    "fraud": ("compromised",),
    "estate": ("deceased", "closed"),
}
#: states of accounts that a report of the app may name
REPORTED: Final = ("restricted", "locked", "suspended", "dormant", "compromised")
LIVING: Final = (
    "unknown",
    "normal",
    "dormant",
    "minor",
    "delegated",
    "restricted",
    "unrecognised",
    "locked",
    "suspended",
)
RISKS: Final = ("public", "routine", "sensitive", "high")
LIMIT_KEYS: Final = ("subject", "session", "actor", "client", "operation", "issuer", "service")
DURATIONS: Final = ("30s", "1m", "5m", "15m", "1h", "12h")
#: events that a line may raise; the last of each list has no owner that the line names, and is refused
RAISED: Final[dict[str, tuple[str, ...]]] = {
    "account": ("verification.moved", "session.revoked", "verification.moved", "session.revoked", "session.ended"),
    "session": ("verification.moved", "verification.aged", "account.restricted", "account.locked"),
    "verification": ("session.revoked", "session.ended", "account.locked", "session.idled", "account.restricted"),
    "transaction": ("verification.moved", "account.restricted", "session.ended", "account.locked"),
    "service": ("session.revoked",),
}
#: lines of each machine to which a `raises` may be added, before the inherited ones
LINES: Final[dict[str, tuple[tuple[str, Sequence[str], str], ...]]] = {
    "account": (
        ("restricted", ("unknown", "normal", "dormant", "minor", "delegated"), "restricted"),
        ("locked", LIVING[:-2], "locked"),
        ("suspended", LIVING[:-1], "suspended"),
        ("compromised", LIVING, "compromised"),
        ("reinstated", ("restricted", "locked", "suspended"), "normal"),
    ),
    "session": (
        ("idled", ("active",), "idle"),
        ("aged", ("active", "idle"), "expired"),
        ("ended", ("active", "idle", "expired"), "revoked"),
        ("renewed", ("idle", "expired"), "active"),
    ),
    "verification": (
        ("exhausted", ("pending", "failed", "ambiguous"), "exhausted"),
        ("doubted", ("pending", "verified", "failed"), "ambiguous"),
        ("failed", ("unverified", "pending", "verified"), "failed"),
        ("aged", ("verified",), "unverified"),
    ),
    "transaction": (
        ("denied", ("held",), "denied"),
        ("lapsed", ("held",), "lapsed"),
        ("failed", ("running",), "failed"),
        ("altered", ("held",), "denied"),
    ),
    "service": (
        ("engaged", ("live", "degraded", "recovering"), "rolled_back"),
        ("impaired", ("live",), "degraded"),
        ("released", ("rolled_back",), "recovering"),
    ),
}
TIMERS: Final = (
    ("session.idled", "last_seen", ("active",)),
    ("session.aged", "signed_in", ()),
    ("session.aged", "entered", ("idle",)),
    ("verification.aged", "entered", ("verified",)),
    ("verification.aged", "entered", ("verified", "pending")),
    ("verification.cooled", "entered", ("exhausted",)),
    ("account.aged", "reported", ()),
    ("account.aged", "reported", ("normal", "restricted")),
    ("transaction.lapsed", "entered", ("held",)),
    ("transaction.lost", "entered", ("running",)),
    ("service.repaired", "faulted", ("degraded",)),
    ("service.recovered", "entered", ("recovering",)),
)
#: fallbacks of the standard policy that an extension may write anew, by kind
RENEWED: Final = {
    "sign_in_fresh": "step_up",
    "step_up": "step_up",
    "prove_identity": "verify",
    "prove_otherwise": "verify",
    "ask_scope": "step_up",
    "try_later": "retry",
    "refuse": "deny",
    "read_only": "restrict",
}
