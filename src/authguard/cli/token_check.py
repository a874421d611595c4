"""`authguard token check`: what the guard reads in a token, what refuses it, and what to write in the policy.

Rule: nothing is stored or logged, and the token is read from standard input, so that no shell history contains it.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import typer
from msgspec import Struct

from authguard.audit.query.export import format_utc
from authguard.cli.line_wrap import print_lines
from authguard.cli.named_policy import PolicyArgument, pick_policy
from authguard.cli.options import JsonOption, PolicyOption
from authguard.cli.output import INVALID, USAGE, print_error
from authguard.cli.reason_text import describe_reason
from authguard.cli.terminal import format_time
from authguard.clock import SystemClock
from authguard.core.conditions import check_assurance, classify_actor, has_role
from authguard.core.request import NotProven
from authguard.core.staff import effective_roles
from authguard.credentials.bearer import MAX_HEADER_BYTES
from authguard.credentials.diagnosis import diagnose
from authguard.credentials.single_check import check_token
from authguard.errors import SettingsError
from authguard.policy.compiler import load
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.policy import Policy
    from authguard.core.request import Operation, Principal
    from authguard.credentials.diagnosis import Diagnosis, Fact
    from authguard.ports import IssuerStatus

_HEADER: Final = b"authorization:"
#: facts that are times
_TIMES: Final = frozenset({"expires", "issued", "signed in"})
#: width of the first column
_WIDTH: Final = 11


class Access(Struct, frozen=True):
    """What a token is worth for one operation.

    Attributes:
        operation: name in the policy.
        lacks: what is missing; empty if scopes, roles, level and actor suffice.
    """

    operation: str
    lacks: str


def check(
    context: typer.Context,
    source: PolicyArgument = "",
    *,
    policy: PolicyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Check a token from standard input: what the guard reads, what refuses the token, and what to write.

    Nothing is stored or logged. Keys are fetched as the guard does. Exit 0 if the token is accepted, 3 if not.

    Examples:

        authguard token check policy.yaml < token

        authguard token mint --provider okta | authguard token check policy.yaml --json
    """
    named = pick_policy(context, source, policy)
    loaded = load(named)
    token = _read_token()
    now = SystemClock().now()
    folder = Path(named).parent
    statuses: list[IssuerStatus] = []
    credential = anyio.run(check_token, loaded.issuers, folder, token, now, dict(os.environ), statuses.append)
    keys = next((one.message for one in statuses if one.message and isinstance(credential, NotProven)), "")
    diagnosis = diagnose(token, loaded.issuers, credential, now)
    accesses = () if isinstance(credential, NotProven) else tuple(_accesses(loaded, credential.principal, now))
    if as_json:
        typer.echo(json.dumps(_to_json(diagnosis, accesses, keys), indent=2))
    else:
        print_lines(_lines(diagnosis, accesses, keys))
    if isinstance(credential, NotProven):
        raise typer.Exit(INVALID)


def _read_token() -> bytes:
    """Return the token of standard input, without blanks and without a scheme."""
    if sys.stdin.isatty():
        print_error("pass the token on standard input: authguard token check POLICY < token")
        raise typer.Exit(USAGE)
    given = sys.stdin.buffer.read(MAX_HEADER_BYTES + 1).strip()
    if len(given) > MAX_HEADER_BYTES:
        raise SettingsError(f"the token is longer than the {MAX_HEADER_BYTES} bytes that the guard reads")
    if given[: len(_HEADER)].lower() == _HEADER:
        given = given[len(_HEADER) :].strip()
    scheme, _, rest = given.partition(b" ")
    token = rest.strip() if scheme.lower() in {b"bearer", b"dpop"} else given
    if not token or not token.isascii() or any(blank in token for blank in b" \t\r\n"):
        raise SettingsError("standard input is not one token: write `authguard token check POLICY < token`")
    return token


def _accesses(policy: Policy, principal: Principal, now: float) -> Iterator[Access]:
    """Yield what the token is worth for each operation, apart from state and limits."""
    acting = classify_actor(principal, policy.agents)
    for operation in policy.all_operations:
        if operation.risk != "public":
            yield Access(operation.name, _lacks(policy, operation, principal, acting, now))


def _lacks(policy: Policy, operation: Operation, principal: Principal, acting: str, now: float) -> str:
    missing = sorted(operation.scopes - principal.token_scopes)
    if missing:
        return f"the scope {' '.join(missing)}"
    if acting == "stranger":
        mark = "the machine" if not principal.person else "the actor"
        return f"{mark} `{principal.actor or principal.client or principal.subject}` in `agents` of the policy"
    if not has_role(operation, effective_roles(operation, principal, acting, policy.role_sources)):
        return f"one of the roles {', '.join(sorted(operation.roles))}"
    assurance = check_assurance(operation, principal, principal.auth_time, policy.assurance.rank, now)
    if assurance == "insufficient":
        return f"a sign-in of level {operation.acr}; this one has {principal.acr or 'none'}"
    if assurance == "stale":
        since = f"of the last {format_duration(operation.max_age)}"
        return f"a sign-in {since}" if principal.auth_time else f"a verifier's pass {since}: it states no sign-in time"
    return ""


def _refusal_lines(diagnosis: Diagnosis, credential: NotProven, keys: str) -> Iterator[str]:
    claim = f", claim `{credential.claim}`" if credential.claim else ""
    yield f"refused: {credential.reason.code}{claim}"
    yield f"  {describe_reason(credential.reason.code)}"
    if keys:
        yield f"  {keys}"
    for obstacle in diagnosis.obstacles:
        yield f"- {obstacle.reason.code}{f': {obstacle.found}' if obstacle.found else ''}"
        if obstacle.remedy:
            yield f"  {obstacle.remedy}"
    if keys and diagnosis.issuer:
        yield f"next: authguard issuer check {shlex.quote(diagnosis.issuer.issuer)}"


def _lines(diagnosis: Diagnosis, accesses: tuple[Access, ...], keys: str) -> Iterator[str]:
    credential = diagnosis.credential
    if isinstance(credential, NotProven):
        yield from _refusal_lines(diagnosis, credential, keys)
    else:
        principal = credential.principal
        who = "a person" if principal.person else "a machine"
        actor = f", for whom `{principal.actor}` acts" if principal.actor else ""
        yield f"accepted: {who}{actor}, level {principal.acr or 'none'}"
        if diagnosis.notice:
            yield f"  but {diagnosis.notice}"
    if diagnosis.facts:
        yield ""
    for fact in diagnosis.facts:
        value = _format_time(fact, in_utc=False)
        yield f"{fact.name:{_WIDTH}} {value or '(none)'}  from {fact.source}"
    if accesses:
        yield ""
    for access in accesses:
        yield f"{access.operation}: {f'needs {access.lacks}' if access.lacks else 'sufficient'}"


def _format_time(fact: Fact, *, in_utc: bool) -> str:
    """Return the value of a fact, and a time in epoch seconds as a date; any other value unchanged."""
    try:
        at = float(fact.value) if fact.name in _TIMES else None
        if at is None:
            return fact.value
        return format_utc(at) if in_utc else f"{fact.value} ({format_time(at)})"
    except (ValueError, OverflowError, OSError):
        return fact.value


def _to_json(diagnosis: Diagnosis, accesses: tuple[Access, ...], keys: str) -> dict[str, object]:
    credential = diagnosis.credential
    refused = isinstance(credential, NotProven)
    return {
        "accepted": not refused,
        "reason": credential.reason.code if isinstance(credential, NotProven) else "",
        "claim": credential.claim if isinstance(credential, NotProven) else "",
        "keys": keys,
        "person": not isinstance(credential, NotProven) and credential.principal.person,
        "level": "" if isinstance(credential, NotProven) else credential.principal.acr,
        "notice": diagnosis.notice,
        "obstacles": [
            {"reason": one.reason.code, "claim": one.claim, "found": one.found, "remedy": one.remedy}
            for one in diagnosis.obstacles
        ],
        "facts": [
            {"name": one.name, "source": one.source, "value": _format_time(one, in_utc=True)} for one in diagnosis.facts
        ],
        "operations": [{"name": one.operation, "lacks": one.lacks} for one in accesses],
    }
