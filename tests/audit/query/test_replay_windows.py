"""Windows under another policy: the same only if no covered request could be decided otherwise."""

from __future__ import annotations

import pytest

from authguard.audit.query.replay_parts import PartComparison
from authguard.audit.query.replay_windows import WindowReplay, is_window
from authguard.core.policy_parts import digest_parts
from tests.support.harness import POLICY, policy_of

CHAT = "{name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read, scopes: [chat]}"
HEALTH = "{name: health, match: {path: /healthz, method: GET}, risk: public, effect: read}"


@pytest.mark.parametrize(
    ("old", "new", "refused", "admitted"),
    [
        ("name: test-desk", "name: other", True, True),
        ("scopes: [accounts]", "scopes: [nope]", True, True),
        (CHAT, "{name: chat, match: {path: /chat, method: POST}, risk: public, effect: read}", False, True),
        (HEALTH, HEALTH.replace("risk: public", "risk: routine"), True, False),
        (HEALTH, HEALTH.replace("/healthz", "/health"), False, False),
        ("audience: https://agent.test", "audience: https://other.test", False, True),
    ],
)
def test_a_window_is_the_same_if_all_its_requests_are(old: str, new: str, refused: bool, admitted: bool) -> None:  # noqa: FBT001 - parameters
    other = policy_of(POLICY.replace(old, new))
    comparison = PartComparison(digest_parts(policy_of()), digest_parts(other))
    windows = WindowReplay(other)
    assert windows.is_same("credential-missing", "", comparison) == refused
    assert windows.is_same("decided", "health", comparison) == admitted


def test_a_window_has_the_reason_of_a_credential_or_of_a_public_admission() -> None:
    assert [is_window(reason) for reason in ("credential-missing", "keys-busy", "decided")] == [True] * 3
    assert not any(is_window(reason) for reason in ("operation-unnamed", "body-too-large", "attempts-spent"))
