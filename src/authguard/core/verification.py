"""What a verification service can answer, and what several answers amount to: closed, and never `None`.

Rules: only what passed counts for a pass; a service that is out of reach never counts against the customer; doubt is
stricter than failure, since failing again may be tried again and doubt may not (DESIGN 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

Cause = Literal["timeout", "error", "refused", "nonsense", "too-large", "open", "busy", "replayed"]


class Passed(msgspec.Struct, frozen=True):
    """It is them."""


class Failed(msgspec.Struct, frozen=True):
    """It is not them, or they do not know what they should."""


class Doubted(msgspec.Struct, frozen=True):
    """Between the thresholds.

    Attributes:
        score: 0 to 1; for the log, never for the caller.
    """

    score: float


class Unavailable(msgspec.Struct, frozen=True):
    """There is no answer that can be used; the customer is not to blame.

    Attributes:
        cause: closed code: ``timeout``, ``error`` (the connection), ``refused`` (a status, our own credentials),
            ``nonsense``, ``too-large``, ``open`` (the breaker), ``busy`` (the bulkhead), ``replayed``.
    """

    cause: Cause


VerifierVerdict = Passed | Failed | Doubted | Unavailable

#: what a method amounts to: the trigger that it raises in the machine ``verification``
MethodResult = Literal["passed", "failed", "doubted", "contradicted", "unavailable"]


class IncompleteMethod(msgspec.Struct, frozen=True):
    """The method is not through yet.

    Attributes:
        verifiers: those that the customer has to answer next, in order.
    """

    verifiers: tuple[str, ...]


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """How verifiers combine.

    Attributes:
        name: as the policy names it.
        verifiers: in order.
        need: how many of them must pass.
        in_order: whether each is asked only after the one before it passed.
        alternatives: whether the customer chooses which to answer (``any``, ``quorum``).
        on_contradiction: what one pass beside one failure among alternatives amounts to.
        on_doubt: what a score between the thresholds amounts to.
        on_unavailable: what answers that could have made it pass, had they come, amount to.
        attempts: how many in vain within `per`; 0 for as many as the fallback allows.
        per: the window, seconds.
        backoff: seconds to wait after the first attempt in vain, twice as long after each further one.
    """

    name: str
    verifiers: tuple[str, ...]
    need: int
    in_order: bool = False
    alternatives: bool = False
    on_contradiction: Literal["ambiguous", "failed"] = "ambiguous"
    on_doubt: Literal["ambiguous", "failed"] = "ambiguous"
    on_unavailable: Literal["unavailable", "ambiguous"] = "unavailable"
    attempts: int = 0
    per: float = 0.0
    backoff: float = 0.0


_CONTRADICTED: Final[Mapping[str, MethodResult]] = {"ambiguous": "contradicted", "failed": "failed"}
_UNAVAILABLE: Final[Mapping[str, MethodResult]] = {"ambiguous": "doubted", "unavailable": "unavailable"}
_DOUBTED: Final[Mapping[str, MethodResult]] = {"ambiguous": "doubted", "failed": "failed"}


def combine(method: Method, said: Mapping[str, VerifierVerdict]) -> MethodResult | IncompleteMethod:
    """Tell what the answers so far amount to.

    Args:
        method: that combines them.
        said: verifier -> its answer; those that were not asked yet are missing.

    Returns:
        The trigger that it amounts to, or the verifiers that are wanting.
    """
    answers = [said[name] for name in method.verifiers if name in said]
    waiting = tuple(name for name in method.verifiers if name not in said)
    passes = sum(isinstance(answer, Passed) for answer in answers)
    fails = sum(isinstance(answer, Failed) for answer in answers)
    doubts = sum(isinstance(answer, Doubted) for answer in answers)
    if method.alternatives and passes and fails:
        return _CONTRADICTED[method.on_contradiction]
    if passes >= method.need:
        return "passed"
    hopeless = method.alternatives and fails  # whatever the others say, it would contradict
    if passes + len(waiting) >= method.need and not hopeless:
        return IncompleteMethod(waiting[:1] if method.in_order else waiting)
    if doubts:
        return _DOUBTED[method.on_doubt]
    return "failed" if fails else _UNAVAILABLE[method.on_unavailable]
