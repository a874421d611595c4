"""Checks of channel names: a request has only a channel that is a key of ``trusts``, so other names mean nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.problem import Place, Problem, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.outcomes import LocalizedText
    from authguard.policy.draft import Draft

#: the key of a text for every channel
_EVERY: Final = "default"


def check_channel_names(draft: Draft) -> Iterator[Problem]:
    """Check that trusted channels, paths and texts name channels that `trusts` declares."""
    declared = tuple(draft.channels.trusts)
    for channel, trusted in draft.channels.trusts.items():
        for name in sorted(trusted - set(declared)):
            own = draft.place(f"channels.trusts.{channel}", "channels")
            yield _undeclared(own, f"`trusts` of `{channel}` names the channel `{name}`, which", name, declared)
    for index, (path, name) in enumerate(draft.channels.paths):
        if name not in declared:
            own = draft.place(f"channels.from.paths[{index}]", "channels")
            yield _undeclared(own, f"the path `{path}` belongs to the channel `{name}`, which", name, declared)
    texts = [(f"fallbacks.{name}", f"fallback `{name}`", item.message) for name, item in draft.fallbacks.items()]
    texts.append(("rollback", "`rollback`", draft.rollback.message))
    for path, owner, message in texts:
        yield from _check_texts(draft, draft.place(f"{path}.message", path), owner, message, declared)


def _check_texts(
    draft: Draft, place: Place, owner: str, message: LocalizedText, declared: tuple[str, ...]
) -> Iterator[Problem]:
    """Note the texts of a policy's own file for channels that no request has."""
    if draft.base or place.file != draft.place().file:  # an inherited text may be for channels of other policies
        return
    for name in dict.fromkeys(channel for _, channel in message.texts):
        if name not in (_EVERY, *declared):
            what = f"{owner} has a text for the channel `{name}`, which"
            yield _undeclared(place, what, name, declared, severity="note")


def _undeclared(place: Place, what: str, name: str, declared: tuple[str, ...], *, severity: str = "error") -> Problem:
    advice = did_you_mean(name, declared) if declared else "declare it: `channels: {from: ..., trusts: {NAME: []}}`"
    if advice.startswith("known"):
        advice = f"add `{name}: []` to `trusts`; {advice}"
    return Problem(
        code="channel-undeclared",
        place=place,
        message=f"{what} is no key of `trusts`, so no request has it",
        advice=advice,
        severity=severity,
    )
