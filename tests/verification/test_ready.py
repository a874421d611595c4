"""The built-in verifiers: each code counts once, and accounts without a secret fail after the same work."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.core.deployment import Verifier
from authguard.core.verification import Failed, Passed, Unavailable
from authguard.ids import SystemIds
from authguard.outbound.error import ServiceError
from authguard.ports import Question
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore
from authguard.testing import FakeClock
from authguard.verification import kba, totp
from authguard.verification.code import BUCKET_S, MAX_SENDS, NAMESPACE, CodeVerifier
from authguard.verification.kba import KbaService, normalize_answer
from authguard.verification.totp import STEP_S, TotpService

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.ports import Store

KEY = partial(bytes, 32)
#: RFC 6238 appendix B: the secret for SHA-1, and codes of 8 digits
RFC = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
QUESTION = Question(
    issuer="https://issuer.test",
    subject="alice",
    session="00",
    attempt="a1",
    answers={},
    channel="chat",
    at=1_000_000.0,
)


def asked(at: float = 1_000_000.0, subject: str = "alice", attempt: str = "a1", **answers: str) -> Question:
    """Answer something."""
    return replace(QUESTION, answers=answers, at=at, subject=subject, attempt=attempt)


def an_authenticator(secret: object = RFC, store: Store | None = None, **declared: Any) -> TotpService:
    """Make one that knows one secret."""
    made = Verifier(name="app", type="totp", call="a:b", **declared)
    return TotpService(made, lambda _, subject: secret if subject == "alice" else None, store or MemoryStore(), KEY)


@pytest.mark.parametrize(("at", "code"), VECTORS.items())
async def test_the_codes_of_the_rfc_pass(at: int, code: str) -> None:
    assert await an_authenticator(digits=8).ask(asked(at, answer=code)) == Passed()
    assert await an_authenticator(digits=8).ask(asked(at, answer=code[1:])) == Failed()


async def test_a_clock_may_be_off_by_the_window_and_no_more() -> None:
    code = pyotp.TOTP(RFC).at(1_000_000)
    for off, said in ((-2, Failed()), (-1, Passed()), (0, Passed()), (1, Passed()), (2, Failed())):
        assert await an_authenticator().ask(asked(1_000_000 + off * STEP_S, answer=code)) == said
    assert await an_authenticator(window=0).ask(asked(1_000_000 + STEP_S, answer=code)) == Failed()


async def test_a_code_counts_once_in_whichever_process(tmp_path: Path) -> None:
    code = pyotp.TOTP(RFC).at(1_000_000)
    one, other = SqliteStore(tmp_path / "store.db"), SqliteStore(tmp_path / "store.db")
    await one.open()
    await other.open()
    services = [an_authenticator(store=store) for store in (one, other)] * 10
    said = await asyncio.gather(*(service.ask(asked(answer=code)) for service in services))
    assert sorted(type(one).__name__ for one in said) == ["Failed"] * 19 + ["Passed"]
    assert await services[0].ask(asked(1_000_000 + STEP_S, answer=code)) == Failed(), "nor in the next step"
    await one.close()
    await other.close()


async def test_the_code_of_one_account_is_not_used_up_by_another_s_and_nothing_remains() -> None:
    store = MemoryStore(capacity=64)
    made = TotpService(Verifier(name="app", type="totp", call="a:b"), lambda *_: RFC, store, KEY)
    for number in range(500):
        at = 1_000_000 + number * STEP_S * 4
        code = pyotp.TOTP(RFC).at(at)
        for subject in ("alice", "bob"):
            assert await made.ask(asked(at, subject, answer=code)) == Passed()
    assert len(store._claims) < 64


async def test_an_account_without_a_secret_fails_after_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    made, dummy, steps = an_authenticator(), pyotp.TOTP("A" * 32).at(1_000_000), []
    true = pyotp.TOTP.generate_otp

    def counted(self: pyotp.TOTP, step: int) -> str:
        steps.append(step)
        return true(self, step)

    monkeypatch.setattr(totp.pyotp.TOTP, "generate_otp", counted)
    assert await made.ask(asked(answer="000000")) == Failed()
    known = len(steps)
    assert await made.ask(asked(subject="nobody", answer=dummy)) == Failed()
    assert len(steps) == 2 * known == 6


@pytest.mark.parametrize("secret", ["", "short", "AAAAAAAAAAAAAAAA", "!" * 32, 7, b"bytes", "A" * 600])
async def test_a_secret_that_is_none_is_an_outage_of_the_app(secret: object) -> None:
    with pytest.raises(ServiceError):
        await an_authenticator(secret).ask(asked(answer="000000"))


@given(st.text(max_size=40))
async def test_only_the_right_digits_pass(said: str) -> None:
    code = pyotp.TOTP(RFC).at(1_000_000)
    right = said.replace(" ", "") in {pyotp.TOTP(RFC).at(1_000_000 + off * STEP_S) for off in (-1, 0, 1)}
    assert (await an_authenticator().ask(asked(answer=said)) == Passed()) == right
    assert await an_authenticator().ask(asked(answer=f"{code[:3]} {code[3:]}")) == Passed()


RECORDS = {"pet": "Rex ", "street": "Hauptstraße  5"}


def records(known: object = RECORDS, *questions: str) -> KbaService:
    """Make one over the app's records of alice."""
    made = Verifier(name="kba", type="kba", call="a:b", questions=questions or ("pet", "street"))
    return KbaService(made, lambda _, subject: known if subject == "alice" else None, KEY)


@pytest.mark.parametrize(
    ("answers", "passes"),
    [
        ({"pet": "rex", "street": "HAUPTSTRASSE 5"}, True),
        ({"pet": "\uff32ex", "street": " hauptstrasse\t5 "}, True),
        ({"pet": "rex", "street": "Hauptstraße 6"}, False),
        ({"pet": "rex"}, False),
        ({}, False),
        ({"pet": "", "street": ""}, False),
        ({"answer": "rex"}, False),
    ],
)
async def test_every_question_has_to_be_right(answers: dict[str, str], passes: bool) -> None:  # noqa: FBT001 - a table's column
    assert (await records().ask(replace(QUESTION, answers=answers)) == Passed()) == passes


async def test_one_question_may_be_answered_in_short() -> None:
    assert await records(RECORDS, "pet").ask(asked(answer="REX")) == Passed()


async def test_what_the_records_do_not_know_nobody_answers_and_the_work_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashes: list[bytes] = []
    true = kba.blake2b

    def counted(raw: bytes, **options: Any) -> Any:
        hashes.append(raw)
        return true(raw, **options)

    monkeypatch.setattr(kba, "blake2b", counted)
    work = []
    blank = {"pet": "", "street": ""}
    for service, subject, answers in (
        (records(), "alice", {"pet": "no", "street": "no"}),
        (records(), "nobody", {"pet": "no", "street": "no"}),
        (records(), "nobody", blank),
        (records({}), "alice", blank),
        (records({"pet": "rex", "street": " "}), "alice", {"pet": "rex", "street": " "}),
    ):
        hashes.clear()
        assert await service.ask(replace(QUESTION, subject=subject, answers=answers)) == Failed()
        work.append(len(hashes))
    assert set(work) == {4}


@pytest.mark.parametrize("known", [7, "rex", ["rex"], {"pet": 7, "street": "x"}, {"pet": "x" * 3_000, "street": "x"}])
async def test_records_that_make_no_sense_are_an_outage_of_the_app(known: object) -> None:
    with pytest.raises(ServiceError):
        await records(known).ask(asked(pet="rex", street="x"))


@given(st.text(max_size=60))
def test_writing_an_answer_in_its_usual_form_changes_nothing_more(answer: str) -> None:
    assert normalize_answer(normalize_answer(answer)) == normalize_answer(answer)


class Post:
    """A sender that keeps what it was handed."""

    def __init__(self, said: object = None) -> None:
        self.sent: list[tuple[str, str, str, str]] = []
        self.said = said

    async def __call__(self, *parts: str) -> object:
        """Send."""
        self.sent.append(parts)  # type: ignore[arg-type]  # four of them
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def codes(post: Post, store: Store | None = None, **declared: Any) -> CodeVerifier:
    """Make one over a sender."""
    made = Verifier(name="sms", type="code", call="a:b", **declared)
    # `iscoroutinefunction` knows functions, as the app's are
    return CodeVerifier(made, post.__call__, store=store or MemoryStore(), key=KEY, clock=FakeClock(), ids=SystemIds())


@pytest.mark.parametrize("digits", [6, 10])
async def test_a_code_is_sent_and_passes_once(digits: int) -> None:
    post = Post()
    made = codes(post, digits=digits)
    assert await made.begin(asked()) == Passed()
    issuer, subject, channel, code = post.sent[0]
    assert (issuer, subject, channel, len(code)) == ("https://issuer.test", "alice", "chat", digits)
    assert code.isdecimal()
    assert await made.verify(asked(answer=f" {code[:3]} {code[3:]}")) == Passed()
    assert await made.verify(asked(answer=code)) == Failed()


async def test_one_guess_uses_the_code_up_whatever_it_was() -> None:
    post = Post()
    made = codes(post)
    await made.begin(asked())
    assert await made.verify(asked(answer="x")) == Failed()
    assert await made.verify(asked(answer=post.sent[0][3])) == Failed()


async def test_of_fifty_who_answer_at_once_in_two_processes_one_passes(tmp_path: Path) -> None:
    post = Post()
    stores = [SqliteStore(tmp_path / "store.db") for _ in range(2)]
    for store in stores:
        await store.open()
    made = [codes(post, store) for store in stores]
    await made[0].begin(asked())
    said = await asyncio.gather(*(made[number % 2].verify(asked(answer=post.sent[0][3])) for number in range(50)))
    assert said.count(Passed()) == 1
    for store in stores:
        await store.close()


@pytest.mark.parametrize(
    "other", [{"attempt": "a2"}, {"subject": "bob"}, {"at": 1_000_300.0}], ids=["attempt", "subject", "too late"]
)
async def test_a_code_counts_for_its_attempt_its_subject_and_its_time(other: dict[str, Any]) -> None:
    post = Post()
    made = codes(post)
    await made.begin(asked())
    assert await made.verify(asked(answer=post.sent[0][3], **other)) == Failed()


async def test_a_code_is_found_over_the_hour() -> None:
    post = Post()
    made = codes(post)
    end = (1_000_000 // BUCKET_S + 1) * BUCKET_S
    await made.begin(asked(end - 1.0))
    assert await made.verify(asked(end + 1.0, answer=post.sent[0][3])) == Passed()


async def test_asking_again_sends_another_code_a_few_times_and_then_no_more() -> None:
    post = Post()
    made = codes(post)
    for _ in range(10):
        assert await made.begin(asked()) == Passed()
    assert len(post.sent) == MAX_SENDS
    assert await made.verify(asked(answer=post.sent[-1][3])) == Passed()
    await made.begin(asked(attempt="a2"))
    await made.begin(asked(attempt="a2"))
    assert await made.verify(asked(attempt="a2", answer=post.sent[-2][3])) == Failed(), "the one before counts no more"


async def test_nothing_that_is_kept_tells_a_code_or_a_person() -> None:
    post, store = Post(), MemoryStore()
    await codes(post, store).begin(asked())
    kept = repr(store._documents).encode() + b"".join(store._documents[NAMESPACE].values())
    assert post.sent[0][3].encode() not in kept
    assert b"alice" not in kept
    assert b"a1" not in b"".join(name.encode() for name in store._documents[NAMESPACE])[-32:]


async def test_codes_that_nobody_answers_are_swept() -> None:
    post, store = Post(), MemoryStore(capacity=100)
    made = codes(post, store)
    for number in range(2_000):
        assert await made.begin(asked(1_000_000.0 + 100 * number, attempt=f"a{number}")) == Passed()
    assert len(await store.list_keys(NAMESPACE, 1_000)) <= 2 * BUCKET_S // 100 + 1


@pytest.mark.parametrize(
    ("said", "cause"), [(False, "refused"), (RuntimeError("down"), "error"), (TimeoutError(), "timeout")]
)
async def test_a_sender_that_cannot_send_is_an_outage(said: object, cause: str) -> None:
    assert await codes(Post(said)).begin(asked()) == Unavailable(cause)  # type: ignore[arg-type]  # a table's column


async def test_a_sender_that_hangs_holds_up_nothing_for_longer_than_it_may() -> None:
    async def hang(*_: str) -> None:
        await asyncio.Event().wait()

    made = CodeVerifier(
        Verifier(name="sms", type="code", call="a:b", timeout=0.01),
        hang,
        store=MemoryStore(),
        key=KEY,
        clock=FakeClock(),
        ids=SystemIds(),
    )
    assert await made.begin(asked()) == Unavailable("timeout")
