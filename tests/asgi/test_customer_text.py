"""Text for the customer: the policy's in their language and for their channel, else the default of the outcome."""

from __future__ import annotations

import msgspec
import pytest

from authguard.asgi.customer_text import DEFAULT_TEXTS, RETRY_TEXT, customer_text, with_retry_text
from authguard.core.outcomes import ADMITTING, Fallback, LocalizedText, Outcome

TEXTS = LocalizedText(
    {
        ("", "default"): "Please wait.",
        ("", "phone"): "Please hold the line.",
        ("de", "default"): "Bitte warten.",
    }
)


@pytest.mark.parametrize(
    ("accepted", "channel", "text"),
    [
        ("", "", "Please wait."),
        ("", "phone", "Please hold the line."),
        ("de-AT, en;q=0.5", "", "Bitte warten."),
        ("en;q=0.9, de;q=0", "phone", "Please hold the line."),
        ("fr", "phone", "Please hold the line."),
        ("\x00;q=x, ,,", "", "Please wait."),
    ],
)
def test_the_text_is_that_of_language_and_channel(accepted: str, channel: str, text: str) -> None:
    assert customer_text(Fallback(name="wait", kind=Outcome.HOLD, message=TEXTS), accepted, channel) == text


@pytest.mark.parametrize("outcome", [one for one in Outcome if one not in ADMITTING])
def test_an_outcome_without_a_text_of_the_policy_has_a_default(outcome: Outcome) -> None:
    assert customer_text(Fallback(name="x", kind=outcome), "de", "phone") == DEFAULT_TEXTS[outcome] != ""


def test_a_wrong_answer_that_may_be_repeated_says_so_unless_the_policy_has_a_text() -> None:
    plain = Fallback(name="prove", kind=Outcome.VERIFY, methods=("otp",))
    own = msgspec.structs.replace(plain, message=LocalizedText({("", "default"): "Own words."}))

    assert with_retry_text(plain, "otp").message.texts == {("", "default"): RETRY_TEXT}
    assert with_retry_text(plain, "other") is plain
    assert with_retry_text(own, "otp") is own
