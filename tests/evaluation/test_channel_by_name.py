"""Rules name a channel: declared names, `unknown`, and `default` without channels."""

from __future__ import annotations

import pytest

from authguard.evaluation.preview import preview
from authguard.policy.loading.loader import load_draft
from authguard.policy.table_space import table_space
from tests.support.harness import POLICY, EnforcerHarness

CHANNELS = "channels: {from: {claim: channel}, trusts: {chat: [phone], phone: [chat]}}\n"
RULE = "decisions:\n  - {when: {channel: [phone, unknown], risk: routine, credential: good}, do: to_a_person}\n"
TEXT = POLICY.replace("agents: [{", f"{CHANNELS}{RULE}agents: [{{")


async def ask(named: str | None, text: str = TEXT) -> tuple[str, str, str]:
    desk = EnforcerHarness(text)
    claims = {"account_status": "ok"} | ({} if named is None else {"channel": named})
    verdict = await desk.ask("chat", desk.login("kim", claims=claims))
    assert (preview(desk.policy, verdict)["chat"] == "now") is (verdict.fallback.kind == "allow")
    return verdict.fallback.name, verdict.cell[-2], verdict.channel


@pytest.mark.parametrize(
    ("named", "answer"),
    [
        ("chat", ("allow", "same", "chat")),
        ("phone", ("to_a_person", "same", "phone")),
        ("fax", ("to_a_person", "unknown", "")),
        (None, ("to_a_person", "unknown", "")),
    ],
)
async def test_a_rule_names_a_channel(named: str | None, answer: tuple[str, str, str]) -> None:
    assert await ask(named) == answer


async def test_without_channels_the_one_name_is_default() -> None:
    text = POLICY.replace("agents: [{", f"{RULE.replace('[phone, unknown]', 'default')}agents: [{{")
    assert (await ask("phone", text))[0] == "to_a_person"


def test_the_two_unknowns_are_one_fact() -> None:
    draft = load_draft("f", text=TEXT.encode()).draft
    assert draft is not None
    space = table_space(draft)
    assert space.values["channel"] == ("chat", "phone", "unknown")
    impossible = [{name: set(one[name]) for name in ("channel", "channel_change")} for one in space.impossible]
    assert impossible == [
        {"channel": {"unknown"}, "channel_change": {"same", "switched"}},
        {"channel": {"chat", "phone"}, "channel_change": {"unknown"}},
    ]


@pytest.mark.parametrize("old", ["switched", "[same, unknown]"])
@pytest.mark.parametrize(
    "part",
    ["decisions:\n  - {when: {channel: VALUE}, do: refuse}\n", "invariants:\n  - {name: i, never: {channel: VALUE}}\n"],
)
def test_an_old_condition_says_what_to_write(old: str, part: str) -> None:
    problems = load_draft("f", text=POLICY.encode() + part.replace("VALUE", old).encode()).problems
    assert [(one.code, one.advice) for one in problems] == [("renamed-key", "write `channel_change: ...`")]


@pytest.mark.parametrize("name", ["same", "switched", "unknown", "default"])
def test_no_channel_has_a_reserved_name(name: str) -> None:
    text = POLICY.replace("agents: [{", f"channels: {{from: {{claim: c}}, trusts: {{{name}: []}}}}\nagents: [{{")
    assert [one.code for one in load_draft("f", text=text.encode()).problems] == ["channel-reserved"]
