"""Hypothesis strategies for a deployment: credentials, operations, reports, clock jumps."""

from __future__ import annotations

from hypothesis import strategies as st

from authguard.core.events import TIGHTENING
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven

OPERATIONS = st.sampled_from(["health", "chat", "live", "balance", "balance", "refund", "refund", "unnamed"])
SUBJECTS = st.sampled_from(["al", "bob", "carol", "dan"])
SESSIONS = st.sampled_from(["s1", "s2"])
KEYS = st.sampled_from(["k1", "k2", "k3", ""])
AMOUNTS = st.sampled_from([1, 12.5, 400, 400, 400, 501, "nonsense"])
DEADLY = ("compromised", "merged", "deceased", "closed")
EVENTS = st.sampled_from([*sorted(TIGHTENING), "account.minor", "account.suspended"])
LAST = st.sampled_from([f"account.{state}" for state in DEADLY])
#: what would end most walks at once happens in few of them
RARELY = st.integers(0, 4).map(lambda odds: odds == 0)
FACTS = st.fixed_dictionaries(
    {},
    optional={
        "acr": st.sampled_from(["aal1", "urn:example:2fa", "invented"]),
        "actor": st.sampled_from(["concierge", "mallory"]),
        "token_scopes": st.sampled_from([frozenset({"chat"}), frozenset[str]()]),
        "claims": st.sampled_from([{}, *({"account_status": word} for word in ("frozen", "locked", "kid", "never"))]),
    },
)
BAD = st.sampled_from(
    [
        NotProven("rejected", Reason.SIGNATURE_INVALID),
        NotProven("expired", Reason.TOKEN_EXPIRED),
        NotProven("unproven", Reason.KEYS_UNREACHABLE),
    ]
)
JUMPS = st.sampled_from([0.5, 5, 16, 61, 121, 299, 301, 899, 900, 1801, 3_601, 43_201, 86_401, 259_201])
SKEWS = st.sampled_from([0, 0, 0, 25, -20])
BACK = st.sampled_from([1, 31, 600, 3_600, 80_000])
#: how the customer comes again after something was said of them
COMES = st.sampled_from(["", "the same", "fresh", "elsewhere"])
