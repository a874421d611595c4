"""Attacks with headers, paths and methods, and with what many requests leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.core.outcomes import Reason
from authguard.testing import Forgery, forge
from tests.advisories import tokens
from tests.requirements import attack, attack_each

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.advisories.scene import Strike

    Headers = Callable[[bytes], list[tuple[bytes, bytes]]]

AUTHORIZATION = b"authorization"
MALFORMED, MISSING = Reason.CREDENTIAL_MALFORMED, Reason.CREDENTIAL_MISSING


@attack_each(
    {
        "headers-two-credentials": lambda good: [(AUTHORIZATION, b"Bearer " + good), (AUTHORIZATION, b"Bearer x.y.z")],
        "headers-same-twice": lambda good: [(AUTHORIZATION, b"Bearer " + good)] * 2,
        "headers-empty-first": lambda good: [(AUTHORIZATION, b""), (AUTHORIZATION, b"Bearer " + good)],
    }
)
async def test_two_credentials_are_none(strike: Strike, case: Headers) -> None:
    await strike.send(*case(strike.scene.good().encode()), reason=Reason.CREDENTIAL_AMBIGUOUS)


SPELLED: dict[str, tuple[Callable[[bytes], bytes], Reason]] = {
    "headers-comma": (lambda good: b"Bearer " + good + b", Bearer " + good, MALFORMED),
    "headers-basic": (lambda good: b"Basic " + good, Reason.SCHEME_UNKNOWN),
    "headers-no-scheme": (lambda good: good, Reason.SCHEME_UNKNOWN),
    "headers-glued": (lambda good: b"Bearer" + good, Reason.SCHEME_UNKNOWN),
    "headers-tab": (lambda good: b"Bearer\t" + good, Reason.SCHEME_UNKNOWN),
    "headers-null": (lambda good: b"Bearer " + good + b"\0", MALFORMED),
    "headers-latin": (lambda good: b"Bearer " + good + b"\xe9", MALFORMED),
    "headers-empty-token": (lambda _: b"Bearer ", MALFORMED),
    "headers-huge": (lambda good: b"Bearer " + good * 2_000, Reason.TOKEN_TOO_LARGE),
}


@attack_each(SPELLED)
async def test_a_header_that_is_not_of_the_form(strike: Strike, case: tuple[Callable[[bytes], bytes], Reason]) -> None:
    spell, reason = case
    await strike.send((AUTHORIZATION, spell(strike.scene.good().encode())), reason=reason)


@attack_each(
    {
        "headers-cookie": lambda good: [(b"cookie", b"access_token=" + good + b"; Authorization=Bearer " + good)],
        "headers-forwarded-user": lambda _: [
            (b"x-forwarded-user", b"customer-1"),
            (b"x-remote-user", b"customer-1"),
            (b"authguard-subject", b"customer-1"),
        ],
        "headers-forwarded-credential": lambda good: [(b"proxy-authorization", b"Bearer " + good)],
        "headers-health-agent": lambda _: [(b"user-agent", b"GoogleHC/1.0"), (b"user-agent", b"kube-probe/1.30")],
        "headers-forwarded-uri": lambda _: [(b"x-forwarded-uri", b"/healthz"), (b"x-forwarded-method", b"GET")],
        "headers-original-url": lambda _: [(b"x-original-url", b"/healthz"), (b"x-rewrite-url", b"/healthz")],
    }
)
async def test_what_is_no_credential_is_none(strike: Strike, case: Headers) -> None:
    await strike.send(*case(strike.scene.good().encode()), reason=MISSING)


@attack("headers-form")
async def test_a_token_in_a_form(strike: Strike) -> None:
    form = (b"content-type", b"application/x-www-form-urlencoded")
    await strike.send(form, reason=MISSING, body=b"access_token=" + strike.scene.good().encode())


@attack("headers-query")
async def test_a_token_in_the_query(strike: Strike) -> None:
    good = strike.scene.good()
    await strike.send(reason=MISSING, path=f"/chat?access_token={good}")
    assert good.rpartition(".")[2].encode() not in (strike.scene.folder / "audit.jsonl").read_bytes()


@attack_each(
    {
        "headers-fragment": {"path": "/healthz#/chat", "method": "GET"},
        "headers-dots": {"path": "/healthz/../chat"},
        "headers-encoded": {"path": "/%63hat"},
        "headers-slash": {"path": "//chat"},
        "headers-semicolon": {"path": "/healthz;/chat", "method": "GET"},
    }
)
async def test_a_path_that_resembles_a_named_one_is_not_open(strike: Strike, case: dict[str, Any]) -> None:
    await strike.send(reason=Reason.PATH_LOOKALIKE, **case)


@attack("headers-options")
async def test_a_method_that_nobody_named_is_not_open(strike: Strike) -> None:
    await strike.send(reason=Reason.OPERATION_UNNAMED, method="OPTIONS")


@attack("headers-method-override")
async def test_a_method_in_a_header_is_no_method(strike: Strike) -> None:
    await strike.send(
        (b"x-http-method-override", b"GET"), reason=Reason.OPERATION_UNNAMED, path="/healthz", method="POST"
    )


@attack_each(
    {
        "headers-transaction-twice": [(b"authguard-transaction", b"a"), (b"authguard-transaction", b"b")],
        "headers-transaction-odd": [(b"authguard-transaction", b'a\r\n{"kind":"decision"}')],
        "headers-idempotency-odd": [(b"idempotency-key", b"a key with blanks")],
    }
)
async def test_a_header_that_may_come_once_and_in_one_form(strike: Strike, case: list[tuple[bytes, bytes]]) -> None:
    good = b"Bearer " + strike.scene.good().encode()
    await strike.send((AUTHORIZATION, good), *case, reason=Reason.REQUEST_MALFORMED)


@attack("memory-bad-tokens")
async def test_bad_tokens_leave_nothing_behind(strike: Strike) -> None:
    scene = strike.scene
    await strike.settle()
    checker: Any = scene.guard.enforcer._checker
    remembered = len(checker._cache)
    for number in range(50):
        forged = forge(scene.mint, Forgery.TAMPERED, scope="chat", note=str(number))
        await scene.send((AUTHORIZATION, b"Bearer " + forged.encode()))
    scene.clock.advance(1)
    await strike(forge(scene.mint, Forgery.TAMPERED, scope="chat"), Reason.SIGNATURE_INVALID)
    assert len(checker._cache) == remembered


@attack("timing-unknown-person")
async def test_a_forged_token_gets_the_same_whoever_it_names(strike: Strike) -> None:
    scene = strike.scene
    answers = [
        await strike(tokens.by_stranger(scene), Reason.SIGNATURE_INVALID),
        await strike(forge(scene.mint, Forgery.TAMPERED, sub="nobody-knows"), Reason.SIGNATURE_INVALID),
    ]
    known, unknown = (answer.body.split(b"urn:authguard:record:") for answer in answers)
    assert known[0] == unknown[0]
    assert len(known[1]) == len(unknown[1])
    assert answers[0].headers == answers[1].headers
