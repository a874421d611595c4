"""Cost of a credential: its first use compared with ``jwt.decode``, a flood of bad ones, and the memory of a good one.

Only the validation is timed, as the guard calls it: `get_cached`, then `validate_offline`, with cached keys.
``python -m benchmarks.credentials flood|remember NUMBER`` prints bytes, measured in a separate process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jwt

from authguard.core.deployment import Issuer
from authguard.core.request import Evidence, NotProven, Proven, Unseen
from authguard.credentials.cache import Cache
from authguard.credentials.jwt_validator import JwtValidator
from authguard.formats.strict_json import decode_base64url
from authguard.testing import FakeClock, Mint
from authguard.testing.keys import segment
from benchmarks.footprint import resident
from benchmarks.rounds import Case, play
from benchmarks.table import Row
from benchmarks.warm import UnfairError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.testing.keys import Published
    from benchmarks.rounds import Times

ALGORITHMS: Final[tuple[Published, ...]] = ("ES256", "RS256", "EdDSA")
#: bad tokens of a flood, and the most megabytes that it may add
FLOOD: Final = 1_000_000
FLOOD_MOST: Final = 20.0
#: bytes that a remembered token may take
REMEMBERED_MOST: Final = 2_000.0
MEGABYTE: Final = 1_000_000
SECONDS: Final = 900


class Desk:
    """One issuer and a check that knows its keys.

    Args:
        remember: good credentials at the most.
    """

    def __init__(self, folder: Path, remember: int = 65_536) -> None:
        self.clock = FakeClock(time.time())
        self.mint = Mint.create(self.clock)
        (folder / "keys.json").write_text(json.dumps(self.mint.jwks()), "utf-8")
        issuer = Issuer(
            issuer=self.mint.issuer,
            audience=self.mint.audience,
            algorithms=ALGORITHMS,
            key_file="keys.json",
            max_lifetime=86_400.0,
        )
        self.check = JwtValidator(
            {issuer.issuer: issuer},
            pseudonym=lambda _, subject, __: sha256(subject.encode()).hexdigest(),
            fingerprint=lambda token: sha256(token).hexdigest()[:16],
            environ={},
            folder=folder,
            cache=Cache(remember),
        )
        self._subjects = count()

    def tokens(self, alg: Published, number: int) -> list[bytes]:
        """Mint tokens that were never used."""
        return [
            self.mint.mint(
                alg=alg, sub=f"customer-{next(self._subjects)}", lifetime=7_200, scope="chat orders refunds", acr="aal2"
            ).encode()
            for _ in range(number)
        ]

    def see(self, token: bytes) -> Proven | NotProven:
        """Check a token for the first time, as the guard does.

        Raises:
            UnfairError: it was used before, or its key is not cached.
        """
        now = self.clock.now()
        evidence = Evidence(authorization=b"Bearer " + token)
        self.check.get_cached(evidence, now)
        found = self.check.validate_offline(evidence, now)
        if not isinstance(found, Proven | NotProven):
            raise UnfairError("the key is not at hand")
        return found


async def first_sights(rounds: int, size: int) -> Times:
    """Measure the check of new tokens next to ``jwt.decode`` of the same kind of token with the same key."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        await desk.check.open()
        return await play(
            [case for alg in ALGORITHMS for case in (_ours(desk, alg), _bare(desk, alg))], rounds=rounds, size=size
        )


def _ours(desk: Desk, alg: Published) -> Case:
    async def run(tokens: Sequence[bytes]) -> None:
        for token in tokens:
            if not isinstance(desk.see(token), Proven):
                raise UnfairError("a good token is refused")

    return Case(f"check {alg}", lambda number: desk.tokens(alg, number), run)


def _bare(desk: Desk, alg: Published) -> Case:
    key: Any = desk.mint.keys[alg].private
    public, audience, issuer = key.public_key(), desk.mint.audience, desk.mint.issuer

    async def run(tokens: Sequence[bytes]) -> None:
        for token in tokens:
            jwt.decode(token, public, algorithms=[alg], audience=audience, issuer=issuer)

    return Case(f"decode {alg}", lambda number: desk.tokens(alg, number), run)


def rows_of_credentials(times: Times, number: int, remembered: int) -> list[Row]:
    """Build the rows.

    Args:
        times: of `first_sights`.
        number: bad tokens of the flood.
        remembered: good tokens to measure the memory of.
    """
    return [
        *(
            Row.of(
                f"first sight, {alg}: the check / `jwt.decode`", times.ratio(f"check {alg}", f"decode {alg}"), 1.3, 1
            )
            for alg in ALGORITHMS
        ),
        Row(
            what=f"{number:,} different bad tokens: memory above before",
            value=max(0.0, measured("flood", number)) / MEGABYTE,
            unit="MB",
            must=FLOOD_MOST,
            aim=1.0,
        ),
        Row(
            what="one remembered token",
            value=measured("remember", remembered) / remembered,
            unit="bytes",
            must=REMEMBERED_MOST,
            aim=REMEMBERED_MOST / 2,
        ),
    ]


def measured(what: str, number: int) -> float:
    """Measure in a separate process; return bytes."""
    command = [sys.executable, "-m", "benchmarks.credentials", what, str(number)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=SECONDS)
    return float(done.stdout)


def bad_tokens(desk: Desk) -> Iterator[bytes]:
    """Yield different bad tokens: signatures, issuers, key names and spelling vary in turn."""
    good = desk.tokens("ES256", 1)[0]
    head, body, signature = good.split(b".")
    claims = json.loads(decode_base64url(body))
    for index in count():
        other = segment(json.dumps(claims | {"iss": f"https://issuer-{index}.test"}).encode()).encode()
        named = segment(json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": f"key-{index}"}).encode()).encode()
        yield b"%b.%b.%b" % (head, body, segment(b"%064d" % index).encode())
        yield b"%b.%b.%b" % (head, other, signature)
        yield b"%b.%b.%b" % (named, body, signature)
        yield b"%b.%d" % (good, index)


async def flood(desk: Desk, number: int) -> int:
    """Send bad tokens; return the bytes that remain allocated after the first few thousand."""
    tokens = bad_tokens(desk)

    async def send(many: int) -> None:
        for token in islice(tokens, many):
            now = desk.clock.now()
            evidence = Evidence(authorization=b"Bearer " + token)
            found = desk.check.get_cached(evidence, now)
            if isinstance(found, Unseen):
                found = desk.check.validate_offline(evidence, now)
            if isinstance(found, Unseen):
                found = await desk.check.check(evidence, now)
            if not isinstance(found, NotProven):
                raise UnfairError("a bad token is proven")

    await send(5_000)
    gc.collect()
    before = resident()
    await send(number)
    gc.collect()
    return resident() - before


def remember(desk: Desk, number: int) -> int:
    """Cache good tokens; return their bytes."""
    desk.see(desk.tokens("EdDSA", 1)[0])
    gc.collect()
    before = resident()
    for _ in range(number):
        desk.see(desk.tokens("EdDSA", 1)[0])
    gc.collect()
    return resident() - before


def main(what: str, number: str) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), remember=max(65_536, int(number)) if what == "remember" else 65_536)
        asyncio.run(desk.check.open())
        print(asyncio.run(flood(desk, int(number))) if what == "flood" else remember(desk, int(number)))


if __name__ == "__main__":
    main(*sys.argv[1:])
