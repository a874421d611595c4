"""What differs in how an app is reached: by what name, and by pages of other origins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.policy.diff import permissiveness as order
from authguard.policy.diff.difference import LOOSER, STRICTER, compare_fields, make_difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.diff.difference import Difference
    from authguard.policy.draft import Draft


def diff_access(old: Draft, new: Draft) -> Iterator[Difference]:
    """Compare how two policies let an app be reached."""
    if old.admits_unnamed != new.admits_unnamed:
        judged = new.otherwise if new.admits_unnamed else old.otherwise
        what = f"judged as {judged.risk} {judged.effect}"
        text = f"was {'refused' if new.admits_unnamed else what}, becomes {what if new.admits_unnamed else 'refused'}"
        yield make_difference("otherwise", f"what nobody named {text}", LOOSER if new.admits_unnamed else STRICTER)
    before, after = old.cors, new.cors
    if before.declared != after.declared:
        message = "pages of other origins are told what they may do" if after.declared else "no CORS header is sent"
        yield make_difference(
            "cors",
            f"`cors` is {'new' if after.declared else 'gone'}: {message}",
            LOOSER if after.declared else STRICTER,
        )
    elif after.declared:
        for _, direction, message in compare_fields(before, after, order.CORS):
            yield make_difference("cors", f"`cors`: {message}", direction)
