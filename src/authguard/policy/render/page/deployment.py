"""The deployment in a policy's page: issuers, account map, operations, limits, fallbacks and proofs of identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.outcomes import RESPONSES
from authguard.policy.render.content import describe_keys
from authguard.policy.render.html_document import escape_whole, render_table
from authguard.policy.render.page.markup import (
    join_words,
    link_fallback,
    render_code,
    render_codes,
    render_lines,
    render_origin,
    render_outcome,
    render_row,
    render_text,
)
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.deployment import AccountSource, Issuer
    from authguard.core.outcomes import Fallback
    from authguard.core.policy import Policy
    from authguard.core.request import Limit, Operation


def render_operations(policy: Policy) -> str:
    """Render the operations of the app, in the order in which they match."""
    lines = [
        render_row(
            render_code(one.name),
            render_code(_request(one)),
            render_text(f"{one.risk} {one.effect}"),
            render_lines(
                [*map(render_code, sorted(one.scopes)), *(f"role {render_code(role)}" for role in sorted(one.roles))]
            ),
            render_text(_sign_in(one)),
            render_lines(render_text(_limit(limit)) for limit in one.limits),
        )
        for one in policy.all_operations
    ]
    if not policy.admits_unnamed:
        lines.append(render_row("otherwise", "any other request", "", "", "", "refused with 404"))
    heads = ("operation", "request", "risk", "needs", "sign-in", "limits")
    return render_table(heads, lines, "operations of the app; the first that matches a request counts")


def _request(operation: Operation) -> str:
    match = operation.match
    if match.websocket:
        return f"WebSocket {match.websocket}"
    return f"{match.method} {match.path}".strip() or "any other request"


def _sign_in(operation: Operation) -> str:
    age = f"within {format_duration(operation.max_age)}" if operation.max_age else ""
    return " ".join(part for part in (operation.acr, age) if part)


def _limit(limit: Limit) -> str:
    what = (
        f"{limit.amount} {limit.currency}" if limit.amount else f"{limit.calls} call{'' if limit.calls == 1 else 's'}"
    )
    return f"{what} a call" if not limit.per else f"{what} in {format_duration(limit.per)}, by {limit.by}"


def render_bounds(policy: Policy) -> str:
    """Render what bounds a request and an account."""
    bounds = (
        ("waits of the guard in one request", format_duration(policy.budget.request)),
        ("body that the guard reads", f"{policy.budget.body:,} bytes"),
        ("values of a JSON body", f"{policy.budget.nodes:,}"),
        ("time for a body", format_duration(policy.budget.body_timeout)),
        ("requests of one account at once", f"{policy.budget.in_flight:,}"),
        ("transactions of one account that wait for approval", f"{policy.transactions.max_held:,}"),
        ("first response of a transaction is kept", format_duration(policy.transactions.response_retention)),
        ("if the guard itself fails", link_fallback(policy.on_fault)),
    )
    lines = [render_row(name, value) for name, value in bounds]
    return render_table(("bound", "at most"), lines, "bounds of each request and account", slim=True)


def render_issuers(policy: Policy) -> str:
    """Render the issuers whose tokens are accepted; tenants of one template share a row."""
    if not policy.issuers:
        return (
            '<p class="quiet">No issuer is accepted: every credential is rejected. A deployment names its issuers.</p>'
        )
    tenants: dict[str, list[Issuer]] = {}
    for one in policy.issuers.values():
        tenants.setdefault(one.template or one.issuer, []).append(one)
    lines = [
        render_row(
            render_code(name) + (f" {len(many):,} tenants" if many[0].template else ""),
            render_text(many[0].provider) or "none",
            render_lines(map(render_code, many[0].audience)),
            render_codes(many[0].algorithms),
            render_lines(map(render_text, describe_keys(many[0]))),
            render_lines(_levels(policy, many[0])),
            render_lines(_tokens(many[0])),
        )
        for name, many in tenants.items()
    ]
    heads = ("issuer", "provider", "audience", "algorithms", "keys from", "levels", "tokens")
    return render_table(heads, lines, "issuers whose tokens are accepted")


def _levels(policy: Policy, issuer: Issuer) -> Iterator[str]:
    if issuer.levels is None:
        yield f"claim {render_codes(issuer.claims.acr)}"
        yield from (f"{render_code(value)} is {render_text(level)}" for value, level in policy.assurance.map.items())
    else:
        yield f"claim {render_codes(issuer.levels.claim or issuer.claims.acr)}"
        yield from (f"{render_code(value)} is {render_text(level)}" for value, level in issuer.levels.map.items())
        if issuer.levels.none:
            yield f"otherwise {render_text(issuer.levels.none)}"
    if policy.assurance.order:
        yield f"weakest first: {render_text(', '.join(policy.assurance.order))}"


def _tokens(issuer: Issuer) -> Iterator[str]:
    kind = f", typ {issuer.type}" if issuer.token == "access" else ""  # noqa: S105 - a kind of token
    yield render_text(f"{issuer.token} token{kind}")
    yield f"at most {format_duration(issuer.max_lifetime)} long, {format_duration(issuer.leeway)} leeway"
    if issuer.evidence != "none":
        yield "states the sign-in if it can" if issuer.evidence == "any" else f"states {render_code(issuer.evidence)}"
    if issuer.sender_constraint != "none":
        yield f"bound by {render_text(issuer.sender_constraint)}"
    if issuer.introspection is not None:
        yield f"introspected at {render_code(issuer.introspection.url)}"


def render_accounts(policy: Policy) -> str:
    """Render which status of an account source is which account state."""
    if not policy.accounts:
        return (
            '<p class="quiet">The policy names no account source: every account is <span class="m">normal</span>.</p>'
        )
    return "".join(_account_source(policy, one) for one in policy.accounts)


def _account_source(policy: Policy, source: AccountSource) -> str:
    lines = [render_row(render_code(value), render_text(state)) for value, state in source.map.items()]
    lines += [] if source.map else [render_row("a state of the account", "that state")]
    lines.append(render_row("anything else", "unrecognised"))
    where = f"claim {source.claim}" if source.claim else f"directory {source.url}" if source.url else source.call
    if not source.claim:
        where += f", asked for at most {format_duration(source.timeout)}, cached for {format_duration(source.max_age)}"
    strictest = "; of several sources the strictest counts" if len(policy.accounts) > 1 else ""
    return render_table(("value", "account state"), lines, f"{where}{strictest}", slim=True)


def render_fallbacks(policy: Policy) -> str:
    """Render the named responses: what each asks for, and its texts."""
    users: dict[str, int] = {}
    for rule in policy.table.rules:
        users[rule.do] = users.get(rule.do, 0) + 1
    lines = [_fallback(policy, one, users.get(one.name, 0)) for one in policy.fallbacks.values()]
    heads = ("fallback", "reply", "what it does", "text for the customer", "rules")
    return render_table(heads, lines, "named responses, with their texts and the number of rules", numbers=(4,))


def _fallback(policy: Policy, one: Fallback, users: int) -> str:
    texts = "".join(
        f'<span class="v"{_language(language)}>{render_text(_where(language, channel))}{_paragraphs(text)}</span>'
        for (language, channel), text in sorted(one.message.texts.items())
    )
    status = one.status or RESPONSES.get(one.kind, (0,))[0]
    return (
        f'<tr id="fallback-{escape_whole(one.name)}"><th scope="row">{render_code(one.name)}'
        f"{render_origin(policy.origins.get(f'fallback:{one.name}', ''))}</th>"
        f"<td>{render_outcome(one.kind.value)}{f'&nbsp;{status}' if status else ''}</td>"
        f'<td>{render_lines(_effects(one))}</td><td class="say">{texts}</td><td class="n">{users}</td></tr>'
    )


def _paragraphs(text: str) -> str:
    return "<br>".join(map(render_text, text.splitlines()))


def _effects(one: Fallback) -> Iterator[str]:
    """Yield the settings of a fallback, in words."""
    yield from _demands(one)
    if one.queue:
        yield f"queue {render_code(one.queue)}"
    if one.after:
        yield f"again after {format_duration(one.after)}"
    if one.until_expiry:
        yield "again when the time of its rule has passed"
    if one.effects:
        yield f"only {render_text(join_words(sorted(one.effects)))}"
    if one.scopes:
        yield f"scopes {render_codes(sorted(one.scopes))}"
    if one.error:
        yield f"error {render_code(one.error)}"
    if one.attempts:
        yield f"{one.attempts} attempts in {format_duration(one.per)}, then {link_fallback(one.then)}"


def _demands(one: Fallback) -> Iterator[str]:
    """Yield what a fallback asks of the customer or of staff."""
    if one.methods:
        yield f"method {render_codes(one.methods)}"
    if one.since_entered:
        yield "sign-in since the session's state began"
    if one.acr or one.max_age:
        age = f"within {format_duration(one.max_age)}" if one.max_age else ""
        yield render_text(f"sign-in {one.acr} {age}".rstrip())
    for place in one.approvers:
        level = f" at {render_code(place.acr)}" if place.acr else ""
        yield f"{place.count} of role {render_code(place.role)}{level}"


def _language(language: str) -> str:
    return f' lang="{escape_whole(language)}"' if language else ""


def _where(language: str, channel: str) -> str:
    label = ", ".join(part for part in (language, "" if channel == "default" else channel) if part)
    return f"({label}) " if label else ""


def render_proofs(policy: Policy) -> str:
    """Render how a customer proves identity: methods and the verifiers that they combine."""
    lines = [
        render_row(
            render_code(one.name),
            f"{one.need} of {len(one.verifiers)}" if one.need < len(one.verifiers) else "all",
            render_codes(one.verifiers),
            f"{one.attempts} in {format_duration(one.per)}" if one.attempts else "",
        )
        for one in policy.methods.values()
    ]
    identity = (
        f"<p>A sign-in with level {render_code(policy.identity)} proves identity too.</p>" if policy.identity else ""
    )
    if not lines:
        return identity or '<p class="quiet">The policy names no method.</p>'
    verifiers = [
        render_row(
            render_code(one.name),
            render_text(one.type),
            render_code(one.url or one.call),
            f"passes from {one.pass_at:g}, fails up to {one.fail_at:g}"
            if one.answer_as == "score" and (one.url or one.call)
            else "",
            format_duration(one.timeout),
        )
        for one in policy.verifiers.values()
    ]
    return (
        identity
        + render_table(("method", "needs", "verifiers", "attempts"), lines, "methods that a fallback can ask for")
        + render_table(
            ("verifier", "type", "service", "score", "time limit"), verifiers, "services that verify identity"
        )
    )
