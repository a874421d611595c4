"""The apps and the combinations of servers, policies and root paths under which each is asked."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tests.differential.child import Combination, Deployment
from tests.differential.requests import generate, marked

if TYPE_CHECKING:
    from collections.abc import Sequence

#: exchanges with each combination; the first of them are the same, however many there are
EXAMPLES: Final = int(os.environ.get("AUTHGUARD_DIFFERENTIAL_EXAMPLES", "400"))
SERVERS: Final = (
    Combination("h11-deny", "h11"),
    Combination("httptools-deny", "httptools"),
    Combination("h11-admit", "h11", otherwise="admit"),
    Combination("httptools-admit", "httptools", otherwise="admit"),
)
#: handlers without which too little was reached to show anything
REACHED: Final = frozenset({"pay", "careless", "files", "form"})


@dataclass(frozen=True)
class Case:
    """One app.

    Attributes:
        app: its module's name, without `_app`.
        root_path: that some of the servers are told; an app with a prefix of its own has none.
        any_method: whether its handlers look at no method.
        prefix: that it takes off by itself, which the policy says, too.
        hosts: whether it has a host of its own for what moves money.
    """

    app: str
    root_path: str = "/srv"
    any_method: bool = False
    prefix: str = ""
    hosts: bool = False

    def combinations(self, servers: Sequence[Combination] = SERVERS) -> list[Combination]:
        """Return the app's combinations: every second one has the root path."""
        return [
            replace(combination, root_path=self.root_path) if place in {1, 2} else combination
            for place, combination in enumerate(servers)
        ]


STARLETTE: Final = Case("starlette", hosts=True)
FASTAPI: Final = Case("fastapi", root_path="", prefix="/api")
DJANGO: Final = Case("django", root_path="", any_method=True, prefix="/api")
LITESTAR: Final = Case("litestar")
FLASK: Final = Case("flask")
QUART: Final = Case("quart")


def check(case: Case, combinations: Sequence[Combination], examples: int = EXAMPLES) -> None:
    """Ask an app under each combination.

    Raises:
        AssertionError: something ran that was not decided as what it is, or was not measured.
    """
    module = f"tests.differential.apps.{case.app}_app"
    wrong = []
    traits: dict[str, Any] = {"any_method": case.any_method, "prefix": case.prefix, "hosts": case.hosts}
    with Deployment(module, combinations, **traits) as deployment:
        for combination in combinations:
            seed = f"{case.app} {combination.name}"
            drawn = itertools.islice(generate(seed, deployment.tokens), examples)
            exchanges = itertools.chain(marked(seed, deployment.tokens), drawn)
            wrong += [f"{combination.name}: {words}" for words in deployment.send(combination.name, exchanges)]
        reached = {route for checker in deployment.checkers.values() for route in checker.reached}
    assert not wrong, "\n".join(wrong[:10])
    assert reached >= REACHED, f"too little was reached: {reached}"
