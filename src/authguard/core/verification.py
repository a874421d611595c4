"""Results of verifiers and their combination by a method: a closed set, never `None`.

Rules of this file:
- Only `Passed` counts as a pass.
- An unreachable service never counts against the customer.
- Doubt is stricter than failure: after a failure the customer may retry, after doubt not (DESIGN 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from authguard.core.service_settings import MethodSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

Cause = Literal["timeout", "error", "refused", "nonsense", "too-large", "open", "busy", "replayed"]


class Passed(msgspec.Struct, frozen=True):
    """The verifier confirmed the identity."""


class Failed(msgspec.Struct, frozen=True):
    """The verifier refused the identity or the answer."""


class Doubted(msgspec.Struct, frozen=True):
    """The score is between the thresholds.

    Attributes:
        score: 0 to 1; for the log, never for the caller.
    """

    score: float


class Unavailable(msgspec.Struct, frozen=True):
    """There is no usable result; the customer is not to blame.

    Attributes:
        cause: closed code: ``timeout``, ``error`` (the connection), ``refused`` (a status, or our own credentials),
            ``nonsense``, ``too-large``, ``open`` (circuit breaker), ``busy`` (concurrency limit), ``replayed``.
    """

    cause: Cause


VerifierVerdict = Passed | Failed | Doubted | Unavailable

#: result of a method: the trigger that it raises in the machine ``verification``
MethodResult = Literal["passed", "failed", "doubted", "contradicted", "unavailable"]


class IncompleteMethod(msgspec.Struct, frozen=True):
    """The method needs more answers.

    Attributes:
        verifiers: those that the customer has to answer next, in order.
    """

    verifiers: tuple[str, ...]


class Method(MethodSettings, frozen=True, kw_only=True):
    """A combination of verifiers.

    Attributes:
        name: its name in the policy.
        verifiers: in order.
        need: number of verifiers that must pass.
        in_order: whether each verifier is asked only after the previous one passed.
        alternatives: whether the customer chooses which to answer (``any``, ``quorum``).
    """

    name: str
    verifiers: tuple[str, ...]
    need: int
    in_order: bool = False
    alternatives: bool = False


_CONTRADICTED: Final[Mapping[str, MethodResult]] = {"ambiguous": "contradicted", "failed": "failed"}
_UNAVAILABLE: Final[Mapping[str, MethodResult]] = {"ambiguous": "doubted", "unavailable": "unavailable"}
_DOUBTED: Final[Mapping[str, MethodResult]] = {"ambiguous": "doubted", "failed": "failed"}


def combine(method: Method, results: Mapping[str, VerifierVerdict]) -> MethodResult | IncompleteMethod:
    """Combine the verifier results so far.

    Args:
        method: that combines them.
        results: verifier -> its result; verifiers not yet asked are missing.

    Returns:
        The trigger to raise, or the verifiers still to answer.
    """
    answers = [results[name] for name in method.verifiers if name in results]
    waiting = tuple(name for name in method.verifiers if name not in results)
    passes = sum(isinstance(answer, Passed) for answer in answers)
    fails = sum(isinstance(answer, Failed) for answer in answers)
    doubts = sum(isinstance(answer, Doubted) for answer in answers)
    if method.alternatives and passes and fails:
        return _CONTRADICTED[method.on_contradiction]
    if passes >= method.need:
        return "passed"
    hopeless = method.alternatives and fails  # any further pass would be a contradiction
    if passes + len(waiting) >= method.need and not hopeless:
        return IncompleteMethod(waiting[:1] if method.in_order else waiting)
    if doubts:
        return _DOUBTED[method.on_doubt]
    return "failed" if fails else _UNAVAILABLE[method.on_unavailable]
