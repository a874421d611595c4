"""The guard's own endpoints under one prefix; each is an operation that walks through the same table (WIRE 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.asgi.replies import Reply, plain
from authguard.core.facts import Match, Operation
from authguard.core.outcomes import Reason
from authguard.core.snapshot import Keys
from authguard.runtime.preview import preview

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from authguard.runtime.enforcer import Enforcer
    from authguard.runtime.verdict import Verdict

    Endpoint = Callable[[Enforcer, Verdict, str], Awaitable[Reply | Reason]]

PREFIX: Final = "/.authguard"


async def _session(enforcer: Enforcer, verdict: Verdict, _: str) -> Reply:
    """The caller's own standing: what may be done next, never the account's state."""
    operations = preview(enforcer.policy, verdict)
    return plain(200, {"signed_in": verdict.principal is not None, "operations": operations})


async def _session_end(enforcer: Enforcer, verdict: Verdict, _: str) -> Reply:
    """Sign out."""
    await enforcer.reports.end_session(verdict)
    return plain(200, {"ended": True})


async def _sessions_end(enforcer: Enforcer, verdict: Verdict, _: str) -> Reply:
    """Sign out everywhere: every session of the account, on whichever device."""
    await enforcer.reports.end_session(verdict, everywhere=True)
    return plain(200, {"ended": True})


async def _healthz(_: Enforcer, __: Verdict, ___: str) -> Reply:
    """Liveness: that the guard decided and recorded this very request."""
    return plain(200, {"status": "ok"})


async def _transaction(enforcer: Enforcer, verdict: Verdict, path: str) -> Reply | Reason:
    """The requester polls; a foreign or unknown id looks the same."""
    name = path.rsplit("/", 1)[-1]
    found = (await enforcer.standing.load(Keys(transaction=name))).snapshot.transaction
    principal = verdict.principal
    if not found.version or principal is None or found.account != principal.account_key:
        return Reason.TRANSACTION_UNKNOWN
    return plain(200, {"transaction": name, "operation": found.operation, "state": found.state})


#: operation -> what answers it
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "authguard.session": _session,
    "authguard.session.end": _session_end,
    "authguard.sessions.end": _sessions_end,
    "authguard.healthz": _healthz,
    "authguard.transaction": _transaction,
}


def own_operations(prefix: str) -> tuple[Operation, ...]:
    """Give the guard's own operations, to be matched before the policy's."""
    return (
        Operation(
            name="authguard.session", match=Match(path=f"{prefix}/session", method="GET"), risk="self", effect="read"
        ),
        Operation(
            name="authguard.session.end",
            match=Match(path=f"{prefix}/session/end", method="POST"),
            risk="self",
            effect="write",
        ),
        Operation(
            name="authguard.sessions.end",
            match=Match(path=f"{prefix}/sessions/end", method="POST"),
            risk="self",
            effect="write",
        ),
        Operation(
            name="authguard.healthz", match=Match(path=f"{prefix}/healthz", method="GET"), risk="public", effect="read"
        ),
        Operation(
            name="authguard.transaction",
            match=Match(path=f"{prefix}/transactions/{{id}}", method="GET"),
            risk="self",
            effect="read",
        ),
    )
