"""Kinds of mutants that change who may do what: accounts, operations, levels, identity, agents, channels, methods."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from authguard.policy.mutation.mutant import make_mutant
from authguard.policy.schema.units import DURATION_PATTERN, MAX_DURATION_S, format_duration, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.mutation.mutant import Mutant
    from authguard.policy.tree import Node, Path

#: factor by which a limit, a number of attempts or a duration grows
FACTOR: Final = 10
#: names that no policy should know; scenarios that show them as refused catch the mutants that add them
ADDED_AGENT: Final = "unregistered-agent"
ADDED_AUDIENCE: Final = "other-audience"
ADDED_ROLE: Final = "other-role"
#: risk -> the next lower one
_LOWER_RISK: Final = {"high": "sensitive", "sensitive": "routine", "routine": "public", "staff": "self"}


def mutate_account_maps(tree: Node) -> Iterator[Mutant]:
    """Map one status of an account source to ``normal``."""
    for index, source in enumerate(_items(tree, "accounts")):
        for status, target in _entries(source, "map").items():
            if target.value != "normal":
                path = ("accounts", index, "map", status)
                change = f"{status}: {target.value} -> normal"
                yield make_mutant("status-normal", tree, path, "normal", change)


def empty_scopes(tree: Node) -> Iterator[Mutant]:
    """Empty the scopes of one operation."""
    for path in _operation_paths(tree, "scopes"):
        if tree.find(path).items():
            yield make_mutant("scopes-emptied", tree, path, [])


def empty_roles(tree: Node) -> Iterator[Mutant]:
    """Empty the roles of one operation."""
    for path in _operation_paths(tree, "roles"):
        if tree.find(path).items():
            yield make_mutant("roles-emptied", tree, path, [])


def lower_levels(tree: Node) -> Iterator[Mutant]:
    """Lower the assurance level of one operation, or remove it if it is the lowest."""
    for path in _operation_paths(tree, "assurance"):
        level = tree.find(path).entries().get("acr")
        if level is not None:
            yield make_mutant("level-lowered", tree, (*path, "acr"), _lower_level(tree, level))


def lengthen_ages(tree: Node) -> Iterator[Mutant]:
    """Permit an older sign-in for one operation."""
    for path in _operation_paths(tree, "assurance"):
        if "max_age" in tree.find(path).entries():
            yield from lengthen("age-lengthened", tree, (*path, "max_age"))


def raise_limits(tree: Node) -> Iterator[Mutant]:
    """Multiply the amount or the number of calls of one limit by ten."""
    for path in _operation_paths(tree, "limits"):
        for index, limit in enumerate(tree.find(path).items()):
            for key, value in limit.entries().items():
                if key == "calls" and isinstance(value.value, int):
                    yield make_mutant("limit-raised", tree, (*path, index, key), value.value * FACTOR)
                elif key == "amount" and isinstance(value.value, str):
                    digits, _, currency = value.value.partition(" ")
                    raised = f"{Decimal(digits) * FACTOR} {currency}"
                    yield make_mutant("limit-raised", tree, (*path, index, key), raised)


def shorten_windows(tree: Node) -> Iterator[Mutant]:
    """Count one limit in a tenth of its period, so that it starts anew earlier."""
    for path in _operation_paths(tree, "limits"):
        for index, limit in enumerate(tree.find(path).items()):
            per = limit.entries().get("per")
            if per is not None and isinstance(per.value, str) and DURATION_PATTERN.fullmatch(per.value):
                yield from shorten("window-shortened", tree, (*path, index, "per"))


def drop_limit_answers(tree: Node) -> Iterator[Mutant]:
    """Let one exceeded limit have the answer of its effect instead of its own."""
    for path in _operation_paths(tree, "limits"):
        for index, limit in enumerate(tree.find(path).items()):
            if "then" in limit.entries():
                yield make_mutant("limit-answer-dropped", tree, (*path, index, "then"), None)


def drop_limits(tree: Node) -> Iterator[Mutant]:
    """Remove one limit of an operation."""
    for path in _operation_paths(tree, "limits"):
        for index in range(len(tree.find(path).items())):
            yield make_mutant("limit-dropped", tree, (*path, index), None)


def lower_risks(tree: Node) -> Iterator[Mutant]:
    """Give one operation the next lower risk."""
    for path in _operation_paths(tree, "risk"):
        lower = _LOWER_RISK.get(str(tree.find(path).value))
        if lower:
            yield make_mutant("risk-lowered", tree, path, lower)


def make_writes_reads(tree: Node) -> Iterator[Mutant]:
    """Declare one writing operation as reading."""
    for path in _operation_paths(tree, "effect"):
        if tree.find(path).value == "write":
            yield make_mutant("write-as-read", tree, path, "read")


def drop_operation_needs(tree: Node) -> Iterator[Mutant]:
    """Remove the key of idempotency, or the ban or need of an actor, of one operation."""
    for key in ("idempotency", "actor"):
        for path in _operation_paths(tree, key):
            yield make_mutant(f"{key}-dropped", tree, path, None)


def raise_mapped_levels(tree: Node) -> Iterator[Mutant]:
    """Map one value of ``acr`` to the highest level."""
    order = [node.value for node in _items(tree.entries().get("assurance"), "order")]
    for claimed, level in _entries(tree.entries().get("assurance"), "map").items():
        if order and level.value != order[-1]:
            path = ("assurance", "map", claimed)
            change = f"{claimed}: {level.value} -> {order[-1]}"
            yield make_mutant("level-map-raised", tree, path, str(order[-1]), change)


def lower_identity(tree: Node) -> Iterator[Mutant]:
    """Let a weaker sign-in prove identity."""
    level = _entries(tree, "identity").get("credential")
    lower = _lower_level(tree, level) if level is not None else None
    if lower is not None:
        yield make_mutant("identity-lowered", tree, ("identity", "credential"), lower)


def change_agents(tree: Node) -> Iterator[Mutant]:
    """Add an agent, or remove one."""
    agents = _items(tree, "agents")
    for index in range(len(agents)):
        yield make_mutant("agent-dropped", tree, ("agents", index), None)
    if agents:
        added = [*(agent.to_plain() for agent in agents), ADDED_AGENT]
        yield make_mutant("agent-added", tree, ("agents",), added, f"{ADDED_AGENT} added")


def add_audiences(tree: Node) -> Iterator[Mutant]:
    """Accept tokens of one issuer for another audience."""
    for index, issuer in enumerate(_items(tree, "issuers")):
        audience = issuer.entries().get("audience")
        if audience is not None:
            named = [node.to_plain() for node in audience.items() or (audience,)]
            path = ("issuers", index, "audience")
            yield make_mutant("audience-added", tree, path, [*named, ADDED_AUDIENCE], f"{ADDED_AUDIENCE} added")


def widen_trust(tree: Node) -> Iterator[Mutant]:
    """Let identity that was proved in one channel count in one more."""
    trusts = _entries(tree.entries().get("channels"), "trusts")
    for channel, trusted in trusts.items():
        named = [node.value for node in trusted.items()]
        for other in trusts:
            if other != channel and other not in named:
                path = ("channels", "trusts", channel)
                change = f"{other} added to {channel}"
                yield make_mutant("trust-widened", tree, path, [*map(str, named), other], change)


def weaken_methods(tree: Node) -> Iterator[Mutant]:
    """Remove one verifier of a method that needs several, lower its quorum, or permit more attempts.

    The attempts of a method stay if each fallback that offers it limits them too: then the method's alone show nothing.
    """
    for name, method in _entries(tree, "methods").items():
        path = ("methods", name)
        for combination in ("all", "sequence"):
            verifiers = _items(method, combination)
            for index in range(len(verifiers) if len(verifiers) > 1 else 0):
                yield make_mutant("verifier-dropped", tree, (*path, combination, index), None)
        quorum = method.entries().get("quorum")
        if quorum is not None and isinstance(quorum.value, int) and quorum.value > 1:
            yield make_mutant("quorum-lowered", tree, (*path, "quorum"), quorum.value - 1)
        if all("attempts" in fallback.entries() for fallback in _offering(tree, name)):
            continue
        attempts = method.entries().get("attempts")
        if attempts is not None and isinstance(attempts.value, int):
            yield make_mutant("method-attempts-raised", tree, (*path, "attempts"), attempts.value * FACTOR)
        if "per" in method.entries():
            yield from shorten("method-window-shortened", tree, (*path, "per"))


def _offering(tree: Node, method: str) -> Iterator[Node]:
    for fallback in _entries(tree, "fallbacks").values():
        if any(node.value == method for node in _items(fallback, "methods")):
            yield fallback


def drop_app_reports(tree: Node) -> Iterator[Mutant]:
    """Remove one event that the app may report."""
    for index in range(len(_items(tree.entries().get("reports"), "app"))):
        yield make_mutant("app-report-dropped", tree, ("reports", "app", index), None)


def lengthen(kind: str, tree: Node, path: Path, subject: str = "") -> Iterator[Mutant]:
    """Multiply a duration by ten, up to the longest permitted one."""
    yield from _scale(kind, tree, path, FACTOR, subject)


def shorten(kind: str, tree: Node, path: Path) -> Iterator[Mutant]:
    """Divide a duration by ten."""
    yield from _scale(kind, tree, path, 1 / FACTOR, "")


def _scale(kind: str, tree: Node, path: Path, factor: float, subject: str) -> Iterator[Mutant]:
    typed = tree.find(path).value
    if isinstance(typed, str) and DURATION_PATTERN.fullmatch(typed):
        scaled = format_duration(round(min(parse_duration(typed) * factor, MAX_DURATION_S), 3))
        if scaled != typed:
            yield make_mutant(kind, tree, path, scaled, f"{subject}{typed} -> {scaled}")


def _lower_level(tree: Node, level: Node) -> str | None:
    order = [str(node.value) for node in _items(tree.entries().get("assurance"), "order")]
    rank = order.index(str(level.value)) if level.value in order else 0
    return order[rank - 1] if rank else None


def _operation_paths(tree: Node, key: str) -> Iterator[Path]:
    for index, operation in enumerate(_items(tree, "operations")):
        if key in operation.entries():
            yield ("operations", index, key)


def _items(node: Node | None, key: str) -> tuple[Node, ...]:
    return node.entries()[key].items() if node is not None and key in node.entries() else ()


def _entries(node: Node | None, key: str) -> dict[str, Node]:
    return node.entries()[key].entries() if node is not None and key in node.entries() else {}
