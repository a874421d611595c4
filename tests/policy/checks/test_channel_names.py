"""A channel that is no key of `trusts` is named in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from authguard.core.deployment import Channels
from authguard.core.outcomes import LocalizedText
from authguard.policy.checks.channel_names import check_channel_names
from authguard.policy.problem import Place

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

CHANNELS = Channels(claim="channel", trusts={"app": frozenset({"web"}), "web": frozenset()}, declared=True)


def found(draft: Draft, channels: Channels = CHANNELS, **fields: object) -> list[str]:
    changed = replace(draft, base=False, channels=channels, **fields)
    return [str(one) for one in check_channel_names(changed)]


def with_text(draft: Draft, *names: str) -> dict[str, object]:
    """Give the fallback `refuse` a text for some channels."""
    message = LocalizedText({("", name): "Sorry." for name in names})
    return {"fallbacks": {**draft.fallbacks, "refuse": replace(draft.fallbacks["refuse"], message=message)}}


def test_a_trusted_channel_and_that_of_a_path_must_be_keys(standard_draft: Draft) -> None:
    trusts = replace(CHANNELS, trusts={"app": frozenset({"wbe"}), "web": frozenset()})
    (problem,) = found(standard_draft, trusts)
    assert "error[channel-undeclared]: `trusts` of `app` names the channel `wbe`" in problem
    assert problem.endswith("did you mean `web`?")
    (problem,) = found(standard_draft, replace(CHANNELS, claim="", paths=(("/ivr", "voice"),)))
    assert "the path `/ivr` belongs to the channel `voice`, which is no key of `trusts`" in problem
    assert "add `voice: []` to `trusts`" in problem


def test_a_text_for_a_channel_that_no_request_has_is_noted(standard_draft: Draft) -> None:
    (problem,) = found(standard_draft, **with_text(standard_draft, "default", "app", "voise"))
    assert "note[channel-undeclared]: fallback `refuse` has a text for the channel `voise`" in problem
    (problem,) = found(standard_draft, Channels(), **with_text(standard_draft, "voice"))
    assert "declare it: `channels: {from: ..., trusts: {NAME: []}}`" in problem


def test_an_inherited_text_may_be_for_channels_of_other_policies(standard_draft: Draft) -> None:
    places = {"": Place("own.yaml", 1, 1), "fallbacks.refuse.message": Place("base.yaml", 1, 1)}
    assert found(standard_draft, places=places, **with_text(standard_draft, "voice")) == []


def test_declared_channels_are_no_problem(standard_draft: Draft) -> None:
    assert found(standard_draft, **with_text(standard_draft, "default", "app", "web")) == []
    assert found(standard_draft, Channels()) == []
