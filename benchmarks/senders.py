"""Cost of a bound token compared with its two bare checks in PyJWT, and of a warm opaque token compared with a JWT.

Only the check is timed, as the guard calls it, with a memory store. ``python -m benchmarks.senders`` prints the rows.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2
import jwt

from authguard.core.deployment import Introspection, Issuer
from authguard.core.request import Evidence, Proven, Unseen
from authguard.credentials.jwt_validator import JwtValidator
from authguard.credentials.nonce import NonceGenerator
from authguard.credentials.token_validator import TokenValidator
from authguard.formats.urls import normalize
from authguard.stores.memory import MemoryStore
from authguard.testing import DpopClient, FakeClock, Mint
from benchmarks.rounds import Case, play
from benchmarks.table import Row, markdown
from benchmarks.warm import UnfairError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.request import Credential
    from benchmarks.rounds import Times

URL: Final = "https://agent.test/chat"
ADDRESS: Final = normalize(URL)


class Desk:
    """One issuer of bound tokens, one of bearer tokens that is also asked, and a gate that knows their keys."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(time.time())
        self.bound = Mint.create(self.clock, issuer="https://bound.test")
        self.plain = Mint.create(self.clock, issuer="https://plain.test")
        self.client = DpopClient.create(self.clock)
        issuers = {}
        for mint, more in ((self.bound, {"sender_constraint": "dpop"}), (self.plain, {"introspection": _asked()})):
            name = f"{mint.issuer[8:13]}.json"
            (folder / name).write_text(json.dumps(mint.jwks("ES256")), "utf-8")
            issuers[mint.issuer] = Issuer(
                issuer=mint.issuer,
                audience=mint.audience,
                algorithms=("ES256",),
                key_file=name,
                max_lifetime=86_400.0,
                **more,  # type: ignore[arg-type]  # fields of the policy
            )
        self.check = JwtValidator(
            issuers, pseudonym=lambda _, subject, __: subject, fingerprint=lambda _: "", environ={}, folder=folder
        )
        transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"active": True, **self.plain.claims()}))
        self.gate = TokenValidator(
            self.check,
            issuers,
            environ={"SECRET": "s"},
            nonces=NonceGenerator(lambda: b"k" * 32),
            store=MemoryStore(),
            client=httpx2.AsyncClient(transport=transport),
        )
        self._subjects = count()

    def pairs(self, number: int) -> list[tuple[str, str]]:
        """Build tokens that were never used, each with a proof."""
        return [self._pair(self.client) for _ in range(number)]

    def again(self, number: int) -> list[tuple[str, str]]:
        """Build proofs for one token that is cached by then."""
        token = self._pair(self.client)[0]
        return [(token, self.client.proof("POST", URL, token)) for _ in range(number)]

    def _pair(self, client: DpopClient) -> tuple[str, str]:
        token = self.bound.mint(sub=f"customer-{next(self._subjects)}", cnf=client.confirmation, lifetime=7_200)
        return token, client.proof("POST", URL, token)

    async def knock(self, evidence: Evidence) -> Credential:
        """Authenticate as the enforcer does."""
        now = self.clock.now()
        found = self.gate.get_cached(evidence, now)
        if isinstance(found, Unseen):
            found = self.gate.validate_offline(evidence, now)
        return await self.gate.check(evidence, now) if isinstance(found, Unseen) else found


def _asked() -> Introspection:
    return Introspection(url="https://plain.test/introspect", client_id="us", secret_env="SECRET", cache=3_600.0)  # noqa: S106 - the name


async def senders(rounds: int, size: int) -> Times:
    """Measure bound tokens, new and cached, next to the bare checks; and warm bearer tokens of both kinds."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        await desk.gate.open()
        opaque = Evidence(authorization=b"Bearer opaque")
        signed = Evidence(authorization=b"Bearer " + desk.plain.mint(lifetime=7_200).encode())
        for one in (opaque, signed):
            if not isinstance(await desk.knock(one), Proven):
                raise UnfairError("a good token is refused")
        cases = [
            Case("bound", desk.pairs, lambda batch: _shown(desk, batch)),
            Case("bare", desk.pairs, lambda batch: _bare(desk, batch)),
            Case("again", desk.again, lambda batch: _shown(desk, batch)),
            Case("proof", desk.again, lambda batch: _bare_proofs(desk, batch)),
            Case(
                "opaque", lambda number: [opaque] * number, lambda batch: _warm(desk.gate, desk, batch), size=size * 50
            ),
            Case("jwt", lambda number: [signed] * number, lambda batch: _warm(desk.check, desk, batch), size=size * 50),
        ]
        return await play(cases, rounds=rounds, size=size)


async def _shown(desk: Desk, batch: Sequence[tuple[str, str]]) -> None:
    for token, proof in batch:
        evidence = Evidence(
            authorization=b"DPoP " + token.encode(), proof=proof.encode(), method="POST", address=ADDRESS
        )
        if not isinstance(await desk.knock(evidence), Proven):
            raise UnfairError("a good proof is refused")


async def _warm(check: TokenValidator | JwtValidator, desk: Desk, batch: Sequence[Evidence]) -> None:
    get_cached, now = check.get_cached, desk.clock.now()
    for evidence in batch:
        if not isinstance(get_cached(evidence, now), Proven):
            raise UnfairError("it is not warm")


async def _bare(desk: Desk, batch: Sequence[tuple[str, str]]) -> None:
    key: Any = desk.bound.keys["ES256"].private
    public, audience, issuer = key.public_key(), desk.bound.audience, desk.bound.issuer
    for token, proof in batch:
        jwt.decode(token, public, algorithms=["ES256"], audience=audience, issuer=issuer)
        _proof(proof)


async def _bare_proofs(_: Desk, batch: Sequence[tuple[str, str]]) -> None:
    for _token, proof in batch:
        _proof(proof)


def _proof(proof: str) -> None:
    header = jwt.get_unverified_header(proof)
    jwt.decode(proof, jwt.PyJWK(header["jwk"], "ES256"), algorithms=["ES256"])


def rows_of_senders(times: Times) -> list[Row]:
    """Write the rows."""
    return [
        Row.of("DPoP, new token and proof / the two bare checks", times.ratio("bound", "bare"), 1.3, 1.0),
        Row.of("DPoP, known token and new proof / the bare proof", times.ratio("again", "proof")),
        Row.of("warm introspected token / warm JWT", times.ratio("opaque", "jwt"), 1.05, 1.0),
    ]


if __name__ == "__main__":
    print(markdown(rows_of_senders(asyncio.run(senders(rounds=15, size=60)))))
