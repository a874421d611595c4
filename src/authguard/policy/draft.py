"""The draft of a policy: merged and parsed, not yet checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from authguard.core.content import Content
from authguard.policy.problem import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.decision_table import Rule
    from authguard.core.deployment import Issuer
    from authguard.core.machine import Spec
    from authguard.core.outcomes import Fallback
    from authguard.core.timers import Timer


class Invariant(Struct, frozen=True, kw_only=True):
    """A property that the checks prove over all cells.

    Attributes:
        name: name in the policy.
        never: dimension (or ``outcome``) -> values that must not occur together; empty for `always_reachable`.
        always_reachable: outcomes of which one must always be reachable; empty for `never`.
        by: parties whose events may be used: ``caller``, ``clock``, ``operator``.
    """

    name: str
    never: Mapping[str, frozenset[str]] = field(default_factory=dict)
    always_reachable: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


class Draft(Content, frozen=True, kw_only=True):
    """The content of the merged document, with the place of each definition.

    Names may be unresolved and machines may be incomplete; the checks report both.

    Attributes:
        base: whether the policy is made to be extended; settings of a deployment are then not checked.
        machines: the five state machines by name.
        timers: merged timers.
        rules: merged decision rules, in order.
        fallbacks: merged fallbacks by name, without ``allow``.
        invariants: merged invariants.
        issuers: issuers, in order.
        accounts_declared: whether the policy has the key ``accounts`` (``accounts: none`` counts).
        places: dotted path (``machines.session.transitions[3]``, ``decisions[4]``, ``fallbacks.sign_in``) -> place;
            indexes refer to the merged lists.
    """

    base: bool = False
    machines: Mapping[str, Spec]
    timers: tuple[Timer, ...] = ()
    rules: tuple[Rule, ...] = ()
    fallbacks: Mapping[str, Fallback] = field(default_factory=dict)
    invariants: tuple[Invariant, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    accounts_declared: bool = False
    places: Mapping[str, Place] = field(default_factory=dict)

    def place(self, *paths: str) -> Place:
        """Return the place of the first of these dotted paths that exists; of the whole policy if none does."""
        for path in paths:
            if path in self.places:
                return self.places[path]
        return self.places.get("", Place())
