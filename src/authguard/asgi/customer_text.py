"""Text that is shown to the customer: the policy's for their language and channel, else a default for the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.asgi.evidence import parse_languages
from authguard.core.outcomes import LocalizedText, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.outcomes import Fallback

#: texts for the customer if the policy has none
DEFAULT_TEXTS: Final[Mapping[Outcome, str]] = {
    Outcome.REPEAT: "This was already done.",
    Outcome.CHALLENGE: "Please sign in.",
    Outcome.STEP_UP: "Please sign in again to continue.",
    Outcome.VERIFY: "Please confirm who you are to continue.",
    Outcome.HOLD: "This needs an approval. It has been asked for.",
    Outcome.HANDOFF: "A colleague will take over.",
    Outcome.RETRY: "This cannot be done at the moment. Please try again later.",
    Outcome.DENY: "This is not allowed.",
    Outcome.TERMINATE: "Your session has ended. Please sign in again.",
}
#: text for the customer if the policy has none, a verification answer was wrong, and another attempt is allowed
RETRY_TEXT: Final = "That could not be confirmed. Please try again."


def customer_text(fallback: Fallback, accepted: str, channel: str) -> str:
    """Return the text for the customer: the policy's for their language and channel, else the default.

    Args:
        fallback: a fallback that does not admit.
        accepted: ``Accept-Language`` of the request.
        channel: channel of the customer.
    """
    say = fallback.message
    return (say.texts and say.find(parse_languages(accepted), channel)) or DEFAULT_TEXTS[fallback.kind]


def with_retry_text(fallback: Fallback, method: str) -> Fallback:
    """Return the fallback with `RETRY_TEXT` if the method may be tried again and the policy has no text."""
    if fallback.kind is not Outcome.VERIFY or method not in fallback.methods or fallback.message.texts:
        return fallback
    return replace(fallback, message=LocalizedText({("", "default"): RETRY_TEXT}))
