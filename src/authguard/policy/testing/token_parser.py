"""Parser of the token and the body of a scenario's request: bounded, and as strict as the rest of a scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.policy.checks.machine import unknown_name
from authguard.policy.problem import Problem, did_you_mean
from authguard.policy.schema import units
from authguard.policy.testing.token import TokenSpec

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.policy.tree import Node

KEYS: Final = ("issuer", "subject", "client", "session", "scope", "roles", "acr", "age", "act", "claims")
#: value of `age` for a token that does not state its sign-in
NO_AGE: Final = "none"
#: most values of a body or of claims, with those inside them, and characters of one text
MAX_VALUES: Final = 64
MAX_CHARS: Final = 1_024


class TokenParser:
    """Parses tokens and bodies, and reports their problems."""

    __slots__ = ("_policy", "_problems")

    def __init__(self, policy: Policy, problems: list[Problem]) -> None:
        """Store where problems are reported.

        Args:
            policy: with the issuers.
            problems: to which problems are added.
        """
        self._policy = policy
        self._problems = problems

    def parse_token(self, node: Node) -> TokenSpec:
        """Parse a token; what it leaves out is as the operation needs it."""
        if not isinstance(node.value, dict):
            self._report("wrong-type", node, "this is not a mapping", f"known keys: {', '.join(KEYS)}")
            return TokenSpec()
        entries = node.entries()
        for key, entry in entries.items():
            if key not in KEYS:
                self._problems.append(unknown_name(entry.place, "a key of a token", key, KEYS))
        stated: dict[str, Any] = {
            key: self._text(entries[key]) for key in ("issuer", "subject", "client", "session", "acr") if key in entries
        }
        stated |= {key: self._words(entries[key]) for key in ("scope", "roles") if key in entries}
        if "act" in entries:
            stated["actor"] = self._words(entries["act"])
        if "age" in entries:
            stated["age"] = self._age(entries["age"])
        if "claims" in entries:
            stated["claims"] = self.parse_fields(entries["claims"], "claims")
        issuer = stated.get("issuer", "")
        if issuer and issuer not in self._policy.issuers:
            advice = did_you_mean(issuer, tuple(self._policy.issuers))
            self._report("unknown-name", entries["issuer"], f"`{issuer}` is not an issuer", advice)
        return TokenSpec(**stated)

    def parse_fields(self, node: Node, what: str) -> dict[str, Any]:
        """Parse the fields of a body, or the claims of a token.

        Args:
            node: a mapping.
            what: its key, for messages.
        """
        if not isinstance(node.value, dict):
            self._report("wrong-type", node, "this is not a mapping", f"write `{what}: {{NAME: VALUE}}`")
            return {}
        values = [one for _, one in node.iter_nodes()]
        if len(values) > MAX_VALUES or any(isinstance(one.value, str) and len(one.value) > MAX_CHARS for one in values):
            message = f"`{what}` has more than {MAX_VALUES} values, or a text of more than {MAX_CHARS} characters"
            self._report("scenario-request", node, message, "leave out what the policy does not read")
            return {}
        found: dict[str, Any] = node.to_plain()
        return found

    def _age(self, node: Node) -> float:
        if node.value == NO_AGE:
            return -1.0
        try:
            return units.parse_duration(node.value)
        except ValueError as error:
            self._report("duration", node, "this is no duration", f"{error}; or `{NO_AGE}`")
            return 0.0

    def _text(self, node: Node) -> str:
        if isinstance(node.value, str) and len(node.value) <= MAX_CHARS:
            return node.value
        self._report("wrong-type", node, "this is not a word", "quote it, if it is meant")
        return ""

    def _words(self, node: Node) -> tuple[str, ...]:
        """Parse a list of words, or a text of words that are separated by blanks."""
        if isinstance(node.value, str):
            return tuple(self._text(node).split())
        if not isinstance(node.value, tuple) or len(node.value) > MAX_VALUES:
            self._report("wrong-type", node, "this is not a list of words", "write `[one, two]`")
            return ()
        return tuple(self._text(item) for item in node.items())

    def _report(self, code: str, node: Node, message: str, advice: str = "") -> None:
        self._problems.append(Problem(code=code, place=node.place, message=message, advice=advice))
