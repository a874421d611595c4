"""A channel counts only if the policy trusts it and its source; everything else is an unknown channel."""

from __future__ import annotations

import msgspec
import pytest

from authguard.core.outcomes import Reason
from authguard.core.request import Evidence, NotProven, Operation
from authguard.evaluation.request import AccessRequest
from authguard.runtime.channel import ChannelFinder
from tests.support.harness import POLICY, policy_of, signed_in

NOW = 1_800_000_000.0
CHAT = Operation(name="chat")
HEADER = (
    "channels:\n  from: {header: X-Channel, secret_header: X-Secret, secret_env: SECRET}\n"
    "  trusts: {app: [voice], voice: []}\n"
)
CLAIM = "channels: {from: {claim: channel}, trusts: {app: [voice], voice: []}}\n"
SECRETS = (b"old secret of the gateway, 32 bytes", b"new secret of the gateway, 32 bytes")
NOBODY = NotProven("missing", Reason.CREDENTIAL_MISSING)
ANNA = signed_in("anna", at=NOW)


def by_header(**headers: str) -> str:
    finder = ChannelFinder(policy_of(POLICY + HEADER), SECRETS)
    evidence = Evidence(headers={name.replace("_", "-"): value for name, value in headers.items()})
    return finder.find(AccessRequest(operation=CHAT, evidence=evidence), ANNA)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_gateway_that_proves_itself_names_the_channel_with_either_secret(secret: bytes) -> None:
    assert by_header(x_channel="voice", x_secret=secret.decode()) == "voice"


@pytest.mark.parametrize("secret", ["", "wrong", SECRETS[0].decode()[:-1], SECRETS[0].decode() + "x", "\u00e9"])
def test_whoever_has_no_secret_names_no_channel(secret: str) -> None:
    assert by_header(x_channel="voice", x_secret=secret) == ""
    assert by_header(x_channel="voice") == ""


@pytest.mark.parametrize("named", ["", "Voice", "sms", "voice "])
def test_a_channel_that_the_policy_does_not_trust_is_unknown(named: str) -> None:
    assert by_header(x_channel=named, x_secret=SECRETS[0].decode()) == ""


def test_without_a_secret_no_header_is_trusted() -> None:
    finder = ChannelFinder(policy_of(POLICY + HEADER), ())
    evidence = Evidence(headers={"x-channel": "voice", "x-secret": ""})

    assert finder.find(AccessRequest(operation=CHAT, evidence=evidence), ANNA) == ""


def test_a_claim_names_the_channel_of_a_proven_credential_only() -> None:
    finder = ChannelFinder(policy_of(POLICY + CLAIM), ())
    asking = AccessRequest(operation=CHAT, evidence=Evidence(headers={"channel": "voice"}), channel="voice")

    assert finder.find(asking, signed_in("anna", at=NOW, claims={"channel": "voice"})) == "voice"
    assert finder.find(asking, signed_in("anna", at=NOW, claims={"channel": ["voice"]})) == ""
    assert finder.find(asking, ANNA) == ""
    assert finder.find(asking, NOBODY) == ""


def test_a_policy_without_channels_knows_none() -> None:
    finder = ChannelFinder(policy_of(POLICY), SECRETS)

    assert not finder.declared
    assert finder.find(msgspec.structs.replace(AccessRequest(operation=CHAT), channel="voice"), ANNA) == ""
