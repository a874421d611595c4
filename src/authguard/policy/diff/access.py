"""Compare the access settings of two policies: unnamed requests and CORS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.policy.diff import field_order
from authguard.policy.diff.difference import LOOSER, STRICTER, compare_fields, make_difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.diff.difference import Difference
    from authguard.policy.draft import Draft


def diff_access(old: Draft, new: Draft) -> Iterator[Difference]:
    """Compare how two policies treat unnamed requests and other origins."""
    if old.admits_unnamed != new.admits_unnamed:
        judged = new.otherwise if new.admits_unnamed else old.otherwise
        what = f"decided as a {judged.risk} {judged.effect}"
        text = f"was refused, is now {what}" if new.admits_unnamed else f"was {what}, is now refused"
        yield make_difference("otherwise", f"an unnamed request {text}", LOOSER if new.admits_unnamed else STRICTER)
    before, after = old.cors, new.cors
    if before.declared != after.declared:
        message = "CORS headers are sent to other origins" if after.declared else "no CORS header is sent"
        yield make_difference(
            "cors",
            f"`cors` is {'new' if after.declared else 'gone'}: {message}",
            LOOSER if after.declared else STRICTER,
        )
    elif after.declared:
        for _, direction, message in compare_fields(before, after, field_order.CORS):
            yield make_difference("cors", f"`cors`: {message}", direction)
