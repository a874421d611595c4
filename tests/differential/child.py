"""A hold on the app in its child process: what each port is, and what each exchange came to."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tests.differential.checker import Checker
from tests.differential.planted import WRITTEN
from tests.differential.policies import policy
from tests.support.served_app import PATIENCE, SILENCE, ServedApp, exchange

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.differential.requests import Exchange, Request


@dataclass(frozen=True)
class Combination:
    """One port: a server's parser, a policy, a root path.

    Attributes:
        name: of its files.
        http: parser of uvicorn, or `hypercorn`.
        ws: what speaks WebSocket.
        otherwise: form of the policy's `otherwise`: `deny` or `admit`.
        root_path: that the server is told.
        settings: of the guard.
        http2: whether it is spoken to in HTTP/2.
        plant: the fault that is planted into it; empty for none.
    """

    name: str
    http: str
    ws: str = "websockets-sansio"
    otherwise: str = "deny"
    root_path: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    http2: bool = False
    plant: str = ""


class Deployment(ServedApp):
    """One app under all its combinations; a context manager.

    Args:
        app: module of the app.
        combinations: one for each port.
        any_method: whether the app's handlers look at no method.
        prefix: that the app takes off by itself; empty for none.
        hosts: whether the app has a host of its own for what moves money.
    """

    def __init__(
        self,
        app: str,
        combinations: Sequence[Combination],
        *,
        any_method: bool = False,
        prefix: str = "",
        hosts: bool = False,
    ) -> None:
        super().__init__(
            "tests.differential.server", app, json.dumps([asdict(combination) for combination in combinations])
        )
        good = self.token()
        self.tokens = {"good": good, "forged": good[:-8] + good[-8:].swapcase()}
        self.checkers: dict[str, Checker] = {}
        self._sent: dict[str, dict[str, tuple[Request, Exchange]]] = defaultdict(dict)
        self._http2 = {combination.name for combination in combinations if combination.http2}
        for combination in combinations:
            text = policy(combination.otherwise, any_method=any_method, prefix=prefix, hosts=hosts)
            written, instead = WRITTEN.get(combination.plant, ("", ""))
            text = text.replace(written, instead) if written else text
            (self.folder / f"{combination.name}.yaml").write_text(text, "utf-8")
            self.checkers[combination.name] = Checker("" if combination.otherwise == "deny" else "otherwise")

    def send(self, name: str, exchanges: Iterable[Exchange]) -> list[str]:
        """Send exchanges to a port, and return what is wrong with what ran, in words."""
        sent = self._sent[name]
        for each in exchanges:
            sent |= {request.id: (request, each) for request in each.requests}
            silence = PATIENCE if each.ends else SILENCE
            if name in self._http2:
                from tests.differential.http2 import exchange2  # noqa: PLC0415 - its package is one of the soak's

                exchange2(self.started[name], each, silence)
            else:
                exchange(self.started[name], each.raw, silence)
        self.asked()
        runs, checker, wrong = self.new(f"{name}.runs.jsonl"), self.checkers[name], []
        checker.hear(self.new(f"{name}.audit.jsonl"))
        for run in runs:
            request, each = sent[run["id"]]
            found = checker.faults(run, trace=request.trace, signed=request.signed)
            as_what = f"{request.words} as {run['method']} {run['path']!r}: {each.raw!r}"
            wrong += [f"{fault}: {as_what}" for fault in found]
        return wrong
