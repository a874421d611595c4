"""The requirements ledger: what is attacked, by whose word, with which exact reply; and what a standard asks of us.

Rules:
- An attack is an `Attack` in a file of `tests/ledger/` and a test of `tests/advisories/` under `@attack("id")`. Both
  directions are enforced by `tests/test_requirements.py`: no entry without a test that runs, no such test without one.
- Every attack is driven through the whole guard over ASGI by the fixture `strike`, which asserts its entry's reply
  exactly, one line in the log with the reason that the test names, and that no stored record moved.
- A `Requirement` names a passage of a standard and the test that holds it, in a file of `tests/ledger/` too.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests import ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: the name under which a test carries the ids of its entries
_MARK: Final = "__attacks__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a caller must get, exactly (WIRE 2).

    Attributes:
        name: short.
        status: HTTP status.
        outcome: of the problem body; empty where the request met no cell.
        challenge: ``WWW-Authenticate`` without its realm and scope; empty for none.
        action: ``next.action`` of the problem body.
        retry: whether ``Retry-After`` is there.
        word: the last word of ``type``, where the request met no cell.
    """

    name: str
    status: int
    outcome: str
    challenge: str = ""
    action: str = "authenticate"
    retry: bool = False
    word: str = ""


#: a credential that is not good, whatever is wrong with it: all look the same
INVALID: Final = Reply(
    name="invalid_token",
    status=401,
    outcome="challenge",
    challenge='Bearer error="invalid_token", error_description="the access token is not valid"',
)
EXPIRED: Final = Reply(
    name="expired",
    status=401,
    outcome="challenge",
    challenge='Bearer error="invalid_token", error_description="the access token has expired"',
)
#: nothing that counts as a credential was sent: no error (RFC 6750 3.1)
MISSING: Final = Reply(name="missing", status=401, outcome="challenge", challenge="Bearer")
#: nobody can tell now: never a 401, or clients throw good tokens away
UNPROVEN: Final = Reply(name="unproven", status=503, outcome="retry", action="retry", retry=True)
#: the request is malformed before any credential is looked at
AMBIGUOUS: Final = Reply(
    name="invalid_request",
    status=400,
    outcome="",
    challenge='Bearer error="invalid_request", error_description="send one credential, in one place"',
    action="stop",
    word="credential-ambiguous",
)
LOOKALIKE: Final = Reply(name="look-alike", status=404, outcome="", action="stop", word="path-lookalike")
UNNAMED: Final = Reply(name="unnamed", status=404, outcome="", action="stop", word="operation-unnamed")
MALFORMED: Final = Reply(name="malformed", status=400, outcome="", action="stop", word="request-malformed")


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack.

    Attributes:
        id: ``area-what``, unique.
        source: who described it: a CVE, an advisory, a section of a standard.
        attack: what the attacker does, in a sentence.
        reply: what they get.
    """

    id: str
    source: str
    attack: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that a standard asks.

    Attributes:
        source: the standard and its section.
        says: what it asks, in our words.
        tests: the tests that hold it, as pytest names them: ``tests/x/test_y.py::test_z``; or ``attack:ID``.
    """

    source: str
    says: str
    tests: tuple[str, ...]


def attack(*ids: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Say which entries of the ledger a test plays; each parameter set of the test plays all of them."""

    def mark(test: Callable[..., Any]) -> Callable[..., Any]:
        setattr(test, _MARK, ids)
        return test

    return mark


def attack_each(cases: Mapping[str, Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Say which entries a test plays one by one: it is run for each id, with the value of that id as ``case``."""

    def mark(test: Callable[..., Any]) -> Callable[..., Any]:
        parameters = [pytest.param(case, id=name) for name, case in cases.items()]
        marked: Callable[..., Any] = pytest.mark.parametrize("case", parameters)(test)
        return attack(*cases)(marked)

    return mark


def attacks_of(test: Callable[..., Any]) -> tuple[str, ...]:
    """Give the ids that a test names; none where it is no such test."""
    found: tuple[str, ...] = getattr(test, _MARK, ())
    return found


def _entries(name: str) -> Iterator[Any]:
    for found in sorted(pkgutil.iter_modules(ledger.__path__), key=lambda module: module.name):
        yield from getattr(importlib.import_module(f"{ledger.__name__}.{found.name}"), name, ())


def attacks() -> tuple[Attack, ...]:
    """Give every attack of every file of `tests/ledger/`."""
    return tuple(_entries("ATTACKS"))


def requirements() -> tuple[Requirement, ...]:
    """Give every requirement of every file of `tests/ledger/`."""
    return tuple(_entries("REQUIREMENTS"))
