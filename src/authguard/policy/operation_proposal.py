"""Proposed operations for the endpoints of an app: risk and effect by method, path and security scopes, each with why.

Rules of this file:
- A proposal is a guess for a person to review, so it errs on the strict side: what is not known to read is a write, and
  what is not known to be harmless is sensitive.
- Words are compared with whole words of the path and of the operation's name, never with parts of words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

#: most operations that are proposed
MAX_OPERATIONS: Final = 300
WEBSOCKET: Final = "websocket"
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS", "QUERY"})
_METHODS: Final = _READS | {"", "POST", "PUT", "PATCH", "DELETE", WEBSOCKET}
#: words of requests that ask, although they are sent with a method that may change something
_QUESTIONS: Final = frozenset(
    {"search", "query", "lookup", "chat", "ask", "completions", "preview", "quote", "validate"}
)
_HEALTH: Final = frozenset({"health", "healthz", "livez", "readyz", "ping", "heartbeat"})
_MONEY: Final = frozenset(
    {
        "charge",
        "charges",
        "checkout",
        "credit",
        "credits",
        "invoice",
        "invoices",
        "pay",
        "payment",
        "payments",
        "payout",
    }
    | {"payouts", "purchase", "refund", "refunds", "transfer", "transfers", "withdraw", "withdrawal", "withdrawals"}
)
_IDENTITY: Final = frozenset(
    {"password", "passwords", "email", "phone", "sim", "address", "iban", "payee", "payees", "beneficiary", "mfa"}
    | {"credentials", "keys", "beneficiaries"}
)
_STAFF: Final = frozenset({"admin", "internal", "staff", "backoffice", "operator"})
_CATALOGUE: Final = frozenset(
    {"products", "catalog", "catalogue", "faq", "prices", "stores", "branches", "chat", "news"}
)
_WORD: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_PARAMETER: Final = re.compile(r"\{([^{}]*)\}")
#: characters that OAuth allows in a scope (RFC 6749 3.3)
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")
#: a segment of a template as the policy has it
_SEGMENT: Final = re.compile(r"[^{}\s?#\\/]{0,200}|\{[A-Za-z_][A-Za-z0-9_]{0,63}(?::path)?\}")


class Described(Struct, frozen=True, kw_only=True):
    """One endpoint of an app, as its framework or its document describes it.

    Attributes:
        path: template.
        method: HTTP method in capitals; ``websocket`` for a WebSocket; empty for any.
        name: in the description; empty for none.
        scopes: that it requires.
        is_open: whether the description says that it requires no sign-in.
    """

    path: str
    method: str = ""
    name: str = ""
    scopes: tuple[str, ...] = ()
    is_open: bool = False


class Proposal(Struct, frozen=True, kw_only=True):
    """One proposed operation.

    Attributes:
        name: unique.
        path: template as a policy has it.
        method: as for `Described`.
        risk: ``public``, ``routine``, ``sensitive`` or ``high``.
        effect: ``read`` or ``write``.
        scopes: that it requires.
        why: reasons for risk and effect, in words.
        for_staff: whether its path is one for staff.
    """

    name: str
    path: str
    method: str
    risk: str
    effect: str
    scopes: tuple[str, ...]
    why: str
    for_staff: bool = False


class Proposals(Struct, frozen=True, kw_only=True):
    """The proposed operations of an app.

    Attributes:
        operations: literal paths first, since the first match wins.
        skipped: endpoints for which none can be proposed, each with the reason.
    """

    operations: tuple[Proposal, ...]
    skipped: tuple[str, ...]


def propose_operations(endpoints: Iterable[Described]) -> Proposals:
    """Propose an operation for each endpoint.

    Args:
        endpoints: in the order of the app; those of one method and path are one.
    """
    skipped: list[str] = []
    found: dict[tuple[str, str], tuple[Described, str]] = {}
    for one in endpoints:
        path = _template(one.path)
        if path is None:
            skipped.append(f"{one.method or 'any'} {one.path[:100]}: a policy has no such template")
        elif one.method not in _METHODS:
            skipped.append(f"{one.path[:100]}: a policy has no such method")
        elif any(not _SCOPE.fullmatch(scope) for scope in one.scopes):
            skipped.append(f"{one.method} {one.path[:100]}: a required scope is not one word (RFC 6749 3.3)")
        elif len(found) >= MAX_OPERATIONS:
            skipped.append(f"{one.method or 'any'} {one.path[:100]}: more than {MAX_OPERATIONS} operations")
        else:
            found.setdefault((one.method, path), (one, path))
    names: set[str] = set()
    proposals = [_propose(one, path, names) for one, path in found.values()]
    proposals.sort(key=lambda one: ("{" in one.path, ":path}" in one.path))
    return Proposals(operations=tuple(proposals), skipped=tuple(skipped))


def _template(path: str) -> str | None:
    """Return the template of a policy for a path, with parameters without a type; ``None`` if there is none."""

    def parameter(found: re.Match[str]) -> str:
        name, _, kind = found[1].partition(":")
        clean = re.sub(r"\W", "_", name, flags=re.ASCII) or "value"
        clean = clean if not clean[0].isdigit() else f"value_{clean}"
        return f"{{{clean[:60]}{':path' if kind == 'path' else ''}}}"

    template = _PARAMETER.sub(parameter, path)
    segments = template.split("/")
    is_valid = template.startswith("/") and all(_SEGMENT.fullmatch(one) for one in segments)
    return template if is_valid and not any(":path}" in one for one in segments[:-1]) else None


def _propose(one: Described, path: str, names: set[str]) -> Proposal:
    literal = _PARAMETER.sub("", path)
    words = frozenset(word.lower() for word in _WORD.findall(f"{literal} {one.name}"))
    effect, why_effect = _effect(one, words)
    risk, why_risk = _risk(one, path, words, effect)
    return Proposal(
        name=_name(one, path, names),
        path=path,
        method=one.method,
        risk=risk,
        effect=effect,
        scopes=one.scopes if risk != "public" else (),
        why=f"{effect}: {why_effect}; {risk}: {why_risk}",
        for_staff=bool(words & _STAFF),
    )


def _effect(one: Described, words: frozenset[str]) -> tuple[str, str]:
    if one.method in _READS:
        return "read", f"{one.method} changes nothing (RFC 9110 9.2.1)"
    if one.method == WEBSOCKET:
        return "write", "messages on a WebSocket may change anything"
    if one.method == "POST" and (asked := sorted(words & _QUESTIONS)):
        return "read", f"POST, and `{asked[0]}` asks only"
    return "write", f"{one.method} may change something" if one.method else "any method may change something"


def _risk(one: Described, path: str, words: frozenset[str], effect: str) -> tuple[str, str]:
    if effect == "read" and words & _HEALTH and "{" not in path and not one.scopes:
        return "public", "a health check"
    if one.is_open and effect == "read":
        return "public", "its description requires no sign-in"
    if staff := sorted(words & _STAFF):
        return "high", f"`{staff[0]}` is for staff: add `roles`"
    if effect == "write":
        return _risk_of_write(one, words)
    if known := sorted(words & _CATALOGUE):
        return "routine", f"`{known[0]}` has nothing about one person"
    return "sensitive", "it may have data about one person"


def _risk_of_write(one: Described, words: frozenset[str]) -> tuple[str, str]:
    if money := sorted(words & _MONEY):
        return "high", f"`{money[0]}` may move money: add `amount` and `limits`"
    if identity := sorted(words & _IDENTITY):
        return "high", f"`{identity[0]}` may open the account to another person"
    if one.method == "DELETE":
        return "high", "DELETE cannot be undone"
    return "sensitive", "it changes data of one person"


def _name(one: Described, path: str, names: set[str]) -> str:
    """Return a name that no other proposal has: that of the description, else of method and path."""
    words = _WORD.findall(one.name) or [*([one.method] if one.method else []), *_WORD.findall(path)]
    base = "_".join(word.lower() for word in words)[:56]
    base = base if re.fullmatch(r"[a-z][a-z0-9_-]*", base) else f"operation_{base}".rstrip("_")
    base = f"{base}_" if base == "otherwise" else base
    name, number = base, 2
    while name in names:
        name, number = f"{base}_{number}", number + 1
    names.add(name)
    return name
