"""What has to hold for each run of an app: the guard decided that very request, as what it is, and measured it.

Whichever handler ran, its operation was the one that the guard allowed for that request; what the handler read as the
amount is within the limit that the guard measured it by; nothing ran undecided and unrecorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from tests.differential.policies import LIMIT, UNNAMED

if TYPE_CHECKING:
    from collections.abc import Iterable

PUBLIC: Final = frozenset({"health"})
#: operations whose handlers move money, by an amount under a limit
LIMITED: Final = frozenset({"pay", "form", "careless", "any", "refund", "v1_pay", "buy", "wire", "transfer"})
ADMITTED: Final = ("allow", "restrict")
#: headers that the app never sees, in whichever spelling it may read them
HIDDEN: Final = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})


@dataclass
class Checker:
    """Holds each run against the guard's log.

    Attributes:
        unnamed: how the guard calls what its policy does not name; empty where it admits none of that.
        reached: handlers that ran, of those that were right.
    """

    unnamed: str = ""
    reached: set[str] = field(default_factory=set)
    _decided: dict[str, dict[str, Any]] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def hear(self, entries: Iterable[dict[str, Any]]) -> None:
        """Read lines of the guard's log."""
        self._decided |= {entry["id"]: entry for entry in entries if entry["kind"] == "decision"}

    def faults(self, run: dict[str, Any], *, trace: str, signed: bool) -> list[str]:
        """Return what is wrong with a run, in words.

        Args:
            run: a line of the app's ledger.
            trace: the trace id that its request was sent with.
            signed: whether its request was sent with a good credential.
        """
        found = [*self._undecided(run, trace), *self._unsigned(run, signed=signed)]
        for handler in run["ran"]:
            found += [*self._misjudged(run, handler), *_unmeasured(handler)]
        if not found:
            self.reached |= {handler["route"] for handler in run["ran"]}
        return found

    def _undecided(self, run: dict[str, Any], trace: str) -> Iterable[str]:
        decision = self._decided.get(run["record"])
        if decision is None:
            yield "it ran undecided and unrecorded" if not run["record"] else "its record is not in the log"
            return
        if run["record"] in self._used:
            yield "one decision admitted two runs"
        self._used.add(run["record"])
        if decision["outcome"] not in ADMITTED:
            yield f"the log says `{decision['outcome']}`"
        if decision["operation"] != run["operation"]:
            yield f"the log says that it was `{decision['operation']}`, the app was told `{run['operation']}`"
        if decision.get("trace_id", "") != trace:
            yield "the record is another request's"

    def _unsigned(self, run: dict[str, Any], *, signed: bool) -> Iterable[str]:
        if not signed and run["operation"] not in PUBLIC:
            yield "it ran without a good credential"
        names = [name.lower().replace("_", "-") for name in run["headers"]]
        if names.count("authorization") > 1:
            yield "one of two credentials was taken"
        for name in names:
            if name in HIDDEN or name.startswith("authguard-"):
                yield f"the app got a header that only the guard reads, `{name}`"

    def _misjudged(self, run: dict[str, Any], handler: dict[str, Any]) -> Iterable[str]:
        route = handler["route"]
        wanted = self.unnamed if route in UNNAMED else route
        if not wanted:
            yield f"`{route}` ran, which the policy does not name"
        elif run["operation"] != wanted:
            yield f"`{route}` ran and was judged as `{run['operation']}`"


def _unmeasured(handler: dict[str, Any]) -> Iterable[str]:
    """Hold an amount against the limit; what a handler could not read moved nothing."""
    if handler["route"] not in LIMITED or handler["amount"] is None:
        return
    try:
        within = Decimal(handler["amount"]) <= LIMIT
    except InvalidOperation:
        within = False
    if not within or handler["currency"] not in {None, "EUR"}:
        yield f"`{handler['route']}` read {handler['amount'][:40]} {handler['currency']}, above its limit"
