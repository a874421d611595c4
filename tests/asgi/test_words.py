"""Texts for the customer are data: they are sent as typed or refused by the checker, and never empty."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.asgi.customer_text import DEFAULT_TEXTS, customer_text
from authguard.asgi.reply import ReplyBuilder
from authguard.core.outcomes import ADMITTING, Fallback, LocalizedText, Outcome
from authguard.core.request import Evidence
from authguard.errors import PolicyError
from authguard.evaluation.request import AccessRequest
from authguard.policy.compiler import load
from tests.support.harness import POLICY, EnforcerHarness

if TYPE_CHECKING:
    from authguard.evaluation.decision import Verdict

HOSTILE = (
    "<script>alert(1)</script>",
    "{names.__class__.__mro__} {0} {} %s %(detail)s ${HOME} `id`",
    '", "outcome": "allow", "x": "',
    "\\u0000 \\n \\",
    "---\nmachines: {}\n",
    "\u200f\u05e9\u05dc\u05d5\u05dd\u200e \u06cc\u200c \u2764\ufe0f",
    "line\r\nset-cookie: a=b",
    "x" * 2_000,
)
REFUSED = (
    "",
    "  \n ",
    "\x00",
    "a\x1b[31mred",
    "\u202egnp.exe",
    "\u2066hidden\u2069",
    "\u2028",
    "\ufeff",
    "\U000e0041\U000e0042",
    "\x85",
    "\ufffe",
    "x" * 2_001,
)
KINDS = [kind for kind in Outcome if kind not in ADMITTING and kind is not Outcome.REPEAT]
TEXTS = st.text(
    st.characters(
        exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn", "Co"),
        exclude_characters="\u202a\u202b\u202c\u202d\u202e\ufeff\ufff9\ufffa\ufffb\ufffc\ufffd"
        + "".join(map(chr, range(0x2060, 0x2070)))
        + "".join(map(chr, range(0xE0000, 0xE0080))),
    ),
    min_size=1,
    max_size=50,
).filter(str.strip)
SAID = st.dictionaries(st.sampled_from(["default", "voice", "web"]), TEXTS, min_size=1)
ACCEPTED = st.one_of(st.text(max_size=40), st.sampled_from(["de-AT, en;q=0.5", "*", "de", "", "xx", ",,;q=,de;q=0"]))


def saying(said: Any) -> LocalizedText:
    """Return the texts of a policy with a text for denials."""
    text = f"{POLICY}fallbacks: {{refuse: {{kind: deny, message: {json.dumps(said, ensure_ascii=False)}}}}}\n"
    return load("words.yaml", text=text.encode("utf-8", "surrogatepass")).fallbacks["refuse"].message


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    """Build a verdict that refuses."""
    desk = EnforcerHarness()
    return asyncio.run(desk.ask("balance", desk.login(acr="aal1"), method="GET"))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("shape", ["{}", "default", "voice", "de"])
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_words_come_out_as_they_were_typed_in_one_member_of_the_body(
    verdict: Verdict, kind: Outcome, shape: str, text: str
) -> None:
    texts = {"{}": ("", "default"), "default": ("", "default"), "voice": ("", "voice"), "de": ("de", "default")}
    fallback = Fallback(name="x", kind=kind, message=LocalizedText({texts[shape]: text}))
    ask = AccessRequest(operation=verdict.operation, evidence=Evidence(languages="de-AT"))
    reply = ReplyBuilder("realm", "", "/.authguard").build_for_verdict(
        replace(verdict, decision=replace(verdict.decision, fallback=fallback, channel="voice")), ask
    )
    body = json.loads(reply.body)
    assert body["detail"] == text
    assert body["outcome"] == kind.value
    assert not any(text.encode() in value for _, value in reply.headers)
    assert dict(reply.headers)[b"content-type"] == b"application/problem+json"


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("shape", ["text", "channel", "language"])
def test_words_that_nobody_can_read_or_that_turn_the_writing_round_are_refused(shape: str, text: str) -> None:
    said = {"text": text, "channel": {"default": "Sorry.", "voice": text}, "language": {"de": {"default": text}}}[shape]
    with pytest.raises(PolicyError) as refused:
        saying(said)
    assert {problem.code for problem in refused.value.problems} <= {"message", "refused-character"}
    assert str(refused.value).replace("\n", "").isprintable(), "what is wrong with it is shown without doing it"


@settings(max_examples=15, phases=[Phase.explicit, Phase.generate], deadline=None)
@example(plain={"voice": "Hold."}, by_language={}, accepted="de", channel="web", kind=Outcome.DENY)
@given(
    plain=SAID,
    by_language=st.dictionaries(st.sampled_from(["de", "fr", "pt-br"]), SAID),
    accepted=ACCEPTED,
    channel=st.sampled_from(["", "voice", "web", "fax"]),
    kind=st.sampled_from(KINDS),
)
def test_whatever_a_policy_says_and_whatever_a_caller_accepts_somebody_reads_something(
    plain: dict[str, str], by_language: dict[str, dict[str, str]], accepted: str, channel: str, kind: Outcome
) -> None:
    message = saying({**plain, **by_language})
    said = customer_text(Fallback(name="x", kind=kind, message=message), accepted, channel)
    everything = {*plain.values(), *(text for texts in by_language.values() for text in texts.values())}
    assert said in everything | {DEFAULT_TEXTS[kind]}
    if accepted == "de" and "default" in by_language.get("de", {}):
        texts = by_language["de"]
        assert said == texts.get(channel, texts["default"])
    if not by_language:
        assert said == plain.get(channel, plain.get("default", DEFAULT_TEXTS[kind]))


def test_every_outcome_that_needs_words_has_some_of_its_own() -> None:
    for kind in KINDS:
        assert customer_text(Fallback(name="x", kind=kind), "de", "voice") == DEFAULT_TEXTS[kind]
