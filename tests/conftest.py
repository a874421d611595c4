"""What all tests share: Hypothesis without a wall clock, and a watch that no credential ever gets into a log line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from authguard.audit import jsonl, memory
from authguard.testing import minting, process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

settings.register_profile("no wall clock", deadline=None)  # a busy machine is no failure
settings.load_profile("no wall clock")

#: what could be a segment of a token: long runs in its alphabet
_SEGMENT = re.compile(rb"[A-Za-z0-9_-]{24,}")


class Watch:
    """Every segment of every token that the test run made, and every such run that it wrote into a log."""

    def __init__(self) -> None:
        self.minted: set[bytes] = set()
        self.written: set[bytes] = set()

    def token(self, token: str) -> str:
        """Note a token on its way to a test."""
        self.minted.update(_SEGMENT.findall(token.encode()))
        return token

    def line(self, line: bytes) -> None:
        """Note a line on its way to a log."""
        self.written.update(_SEGMENT.findall(line))


@pytest.fixture(scope="session", autouse=True)
def no_credential_in_any_line() -> Iterator[Watch]:
    """Watch the whole run: at its end, no line of any log holds a part of any credential."""
    watch = Watch()
    with pytest.MonkeyPatch.context() as patch:
        for module in (jsonl, memory):
            patch.setattr(module, "link", _watching_lines(module.link, watch))
        patch.setattr(minting.Mint, "mint", _watching_tokens(minting.Mint.mint, watch))
        patch.setattr(process.IdentityProvider, "sign_in", _watching_sign_ins(process.IdentityProvider.sign_in, watch))
        yield watch
    leaked = watch.minted & watch.written
    assert not leaked, f"{len(leaked)} segments of credentials are in a log"


def _watching_lines(link: Callable[..., tuple[bytes, str]], watch: Watch) -> Callable[..., tuple[bytes, str]]:
    def linking(*arguments: Any) -> tuple[bytes, str]:
        line, digest = link(*arguments)
        watch.line(line)
        return line, digest

    return linking


def _watching_tokens(mint: Callable[..., str], watch: Watch) -> Callable[..., str]:
    return lambda *arguments, **claims: watch.token(mint(*arguments, **claims))


def _watching_sign_ins(sign_in: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    def signing(*arguments: Any, **claims: Any) -> Any:
        made = sign_in(*arguments, **claims)
        watch.token(made.access_token)
        watch.token(made.refresh_token or "")
        return made

    return signing
