"""The port as the enforcer uses it: what is proven, what is remembered, and for how long."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard.core.facts import UNSEEN, Evidence, NotProven, Proven
from authguard.core.outcomes import Reason
from authguard.credentials.cache import Cache
from authguard.errors import SettingsError
from authguard.testing import Mint, SigningKey
from authguard.testing.keys import compact, jwks

from .conftest import Door, Network, evidence, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authguard.credentials.checker import JwtCheck
    from authguard.policy.compiled import Issuer

_EXPIRED = NotProven("expired", Reason.TOKEN_EXPIRED)
_UNREACHABLE = NotProven("unproven", Reason.KEYS_UNREACHABLE)
_KEY_UNKNOWN = NotProven("rejected", Reason.KEY_UNKNOWN)


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_a_good_token_is_proven_and_remembered(door: Door, authguard_issuer: Mint, alg: Any) -> None:
    token = authguard_issuer.mint(alg=alg, sub="alice", scope="chat")
    assert door.recall(token) is UNSEEN
    found = door.ask(token)
    assert isinstance(found, Proven)
    assert (found.principal.subject, found.principal.token_scopes) == ("alice", {"chat"})
    assert found.principal.pseudonym == f"name of alice at {authguard_issuer.issuer}"
    assert door.recall(token) is found


def test_the_fingerprint_is_of_the_token_whatever_the_spelling_of_the_scheme(
    door: Door, authguard_issuer: Mint
) -> None:
    token = authguard_issuer.mint()
    odd = Evidence(authorization=b"bEARER  " + token.encode())
    found = settle(door.check.check(odd, door.clock.now()))
    assert found.principal.fingerprint == door.ask(token).principal.fingerprint


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        (b"", NotProven("missing", Reason.CREDENTIAL_MISSING)),
        (b"Basic eA==", NotProven("rejected", Reason.SCHEME_UNKNOWN)),
        (b"Bearer ", NotProven("rejected", Reason.CREDENTIAL_MALFORMED)),
        (b"Bearer " + b"x" * 16_385, NotProven("rejected", Reason.TOKEN_TOO_LARGE)),
        (b"x" * 100_000, NotProven("rejected", Reason.TOKEN_TOO_LARGE)),
    ],
)
def test_what_needs_nothing_from_outside_is_answered_at_once(door: Door, header: bytes, verdict: NotProven) -> None:
    sent = Evidence(authorization=header)
    assert door.check.recall(sent, door.clock.now()) == verdict
    assert settle(door.check.check(sent, door.clock.now())) == verdict


def test_a_remembered_token_expires_to_the_second(door: Door, authguard_issuer: Mint) -> None:
    token = authguard_issuer.mint(lifetime=300)
    door.ask(token)
    door.clock.advance(329.9)
    assert isinstance(door.recall(token), Proven)
    door.clock.advance(0.1)
    assert door.recall(token) == _EXPIRED
    assert door.recall(token) is UNSEEN
    assert door.ask(token) == _EXPIRED


def test_a_clock_that_stepped_back_before_the_token_is_seen(door: Door, authguard_issuer: Mint) -> None:
    token = authguard_issuer.mint()
    door.ask(token)
    door.clock.set(door.clock.now() - 31)
    assert door.ask(token) == NotProven("rejected", Reason.TOKEN_NOT_YET_VALID)
    door.clock.set(door.clock.now() + 31)
    assert isinstance(door.ask(token), Proven)


def test_bad_tokens_leave_nothing_behind(
    make: Callable[..., JwtCheck], issuer_of: Callable[..., Issuer], authguard_issuer: Mint
) -> None:
    cache = Cache()
    door = Door(make(issuer_of(authguard_issuer), cache=cache), authguard_issuer.clock)
    settle(door.check.open())
    good = authguard_issuer.mint()
    unsigned = good.rpartition(".")[0]
    forged = {f"{unsigned}.{number:085d}A" for number in range(300)}
    assert {door.ask(token) for token in forged} == {NotProven("rejected", Reason.SIGNATURE_INVALID)}
    assert len(cache) == 0
    assert isinstance(door.ask(good), Proven)
    assert len(cache) == 1


def test_many_good_tokens_are_remembered_within_bounds(
    make: Callable[..., JwtCheck], issuer_of: Callable[..., Issuer], authguard_issuer: Mint
) -> None:
    cache = Cache(entries=5)
    door = Door(make(issuer_of(authguard_issuer), cache=cache), authguard_issuer.clock)
    settle(door.check.open())
    tokens = [authguard_issuer.mint(sub=f"s-{number}") for number in range(20)]
    for token in tokens:
        assert isinstance(door.ask(token), Proven)
    assert len(cache) == 5
    assert isinstance(door.recall(tokens[-1]), Proven)
    assert door.recall(tokens[0]) is UNSEEN


def test_each_issuer_has_its_own_keys(
    make: Callable[..., JwtCheck], issuer_of: Callable[..., Issuer], authguard_issuer: Mint, tmp_path: Path
) -> None:
    other = Mint.create(authguard_issuer.clock, issuer="https://other.test")
    (tmp_path / "other.json").write_text(json.dumps(other.jwks()))
    check = make(issuer_of(authguard_issuer), issuer_of(other, key_file="other.json"))
    settle(check.open())
    door = Door(check, authguard_issuer.clock)
    assert door.ask(authguard_issuer.mint()).principal.issuer == authguard_issuer.issuer
    assert door.ask(other.mint()).principal.issuer == "https://other.test"
    assert door.ask(other.mint(iss=authguard_issuer.issuer)) == _KEY_UNKNOWN
    crossed = other.mint(iss=authguard_issuer.issuer, header={"kid": authguard_issuer.keys["ES256"].kid})
    assert door.ask(crossed) == NotProven("rejected", Reason.SIGNATURE_INVALID)
    assert door.ask(other.mint(iss="https://third.test")) == NotProven("rejected", Reason.ISSUER_UNKNOWN)


@pytest.mark.parametrize("iss", ["https://issuer.test/", "HTTPS://issuer.test", "https://issuer.test ", "", 1, None])
def test_an_issuer_is_compared_exactly(door: Door, authguard_issuer: Mint, iss: object) -> None:
    assert door.ask(authguard_issuer.mint(iss=iss)) == NotProven("rejected", Reason.ISSUER_UNKNOWN)


def test_an_algorithm_that_the_policy_does_not_name_is_refused(
    door_of: Callable[..., Door], authguard_issuer: Mint
) -> None:
    door = door_of(algorithms=("EdDSA",))
    assert door.ask(authguard_issuer.mint()) == NotProven("rejected", Reason.ALGORITHM_REFUSED)
    assert isinstance(door.ask(authguard_issuer.mint(alg="EdDSA")), Proven)
    renamed = authguard_issuer.mint(alg="EdDSA", header={"alg": "Ed25519"})
    assert isinstance(door.ask(renamed), Proven)


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_an_access_token_is_taken_in_every_spelling(door: Door, authguard_issuer: Mint, typ: str) -> None:
    assert isinstance(door.ask(authguard_issuer.mint(typ=typ)), Proven)


@pytest.mark.parametrize("typ", [None, "JWT", "id_token", "secevent+jwt", "logout+jwt", "dpop+jwt"])
def test_a_token_of_another_kind_is_refused(door: Door, authguard_issuer: Mint, typ: str | None) -> None:
    assert door.ask(authguard_issuer.mint(typ=typ)) == NotProven("rejected", Reason.TYPE_REFUSED)


def test_where_the_policy_takes_any_kind_other_purposes_are_still_refused(
    door_of: Callable[..., Door], authguard_issuer: Mint
) -> None:
    door = door_of(type="any")
    assert isinstance(door.ask(authguard_issuer.mint(typ=None)), Proven)
    assert isinstance(door.ask(authguard_issuer.mint(typ="JWT")), Proven)
    event = authguard_issuer.mint(typ="application/SecEvent+JWT")
    assert door.ask(event) == NotProven("rejected", Reason.TYPE_REFUSED)


def test_a_token_without_kid_is_taken_where_one_key_fits(door: Door, authguard_issuer: Mint) -> None:
    key = authguard_issuer.keys["ES256"]
    token = compact({"alg": "ES256", "typ": "at+jwt"}, authguard_issuer.claims(), key.sign)
    assert isinstance(door.ask(token), Proven)


def test_an_agent_acts_under_its_own_pseudonym(door: Door, authguard_issuer: Mint) -> None:
    found = door.ask(authguard_issuer.mint(act={"sub": "billing-bot"}))
    assert found.principal.actor == "billing-bot"
    assert found.principal.actor_pseudonym == f"name of billing-bot at {authguard_issuer.issuer}"


def test_a_shared_secret_verifies_whatever_name_the_key_goes_by(
    make: Callable[..., JwtCheck], issuer_of: Callable[..., Issuer], authguard_issuer: Mint
) -> None:
    shared = SigningKey("x", "HS256", b"s" * 32)
    mint = replace(authguard_issuer, keys={"HS256": shared})
    described = issuer_of(mint, secret_env="S", algorithms=("HS256",))
    check = make(described, environ={"S": "s" * 32})
    settle(check.open())
    door = Door(check, mint.clock)
    assert isinstance(door.ask(mint.mint(alg="HS256")), Proven)
    forged = replace(mint, keys={"HS256": SigningKey("x", "HS256", b"t" * 32)}).mint(alg="HS256")
    assert door.ask(forged) == NotProven("rejected", Reason.SIGNATURE_INVALID)


def test_the_app_does_not_start_without_its_keys(
    make: Callable[..., JwtCheck], issuer_of: Callable[..., Issuer], authguard_issuer: Mint
) -> None:
    for fields in ({"secret_env": "S", "algorithms": ("HS256",)}, {"key_file": "nowhere.json"}):
        with pytest.raises(SettingsError):
            settle(make(issuer_of(authguard_issuer, **fields)).open())


def test_before_it_is_opened_nothing_is_proven_and_nothing_rejected(
    make: Callable[..., JwtCheck], issuer_of: Callable[..., Issuer], authguard_issuer: Mint
) -> None:
    door = Door(make(issuer_of(authguard_issuer)), authguard_issuer.clock)
    assert door.ask(authguard_issuer.mint()) == _UNREACHABLE


def test_a_key_file_that_changed_is_read_at_the_next_opening(
    door: Door, authguard_issuer: Mint, tmp_path: Path
) -> None:
    stays, goes = authguard_issuer.mint(alg="EdDSA"), authguard_issuer.mint()
    assert isinstance(door.ask(stays), Proven)
    assert isinstance(door.ask(goes), Proven)
    (tmp_path / "keys.json").write_text(json.dumps(authguard_issuer.jwks("EdDSA")))
    settle(door.check.open())
    assert isinstance(door.recall(stays), Proven)
    assert door.recall(goes) is UNSEEN
    assert door.ask(goes) == _KEY_UNKNOWN


# --- keys that are fetched -------------------------------------------------------------------------------------------


async def test_the_first_sight_fetches_and_the_rest_is_remembered(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    await door.check.open()
    assert network.asked == []
    token = authguard_issuer.mint()
    for _ in range(3):
        assert isinstance(await door.knock(token), Proven)
    assert (network.fetches, door.checked) == (1, 1)
    await door.check.close()


async def test_five_hundred_first_sights_make_one_fetch(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    network.gate = anyio.Event()
    found: list[object] = []

    async def knock(number: int) -> None:
        found.append(await door.knock(authguard_issuer.mint(sub=f"s-{number}")))

    async with anyio.create_task_group() as group:
        for number in range(500):
            group.start_soon(knock, number)
        await anyio.wait_all_tasks_blocked()
        network.gate.set()
    assert sum(isinstance(verdict, Proven) for verdict in found) == 500
    assert network.asked == ["/.well-known/openid-configuration", "/jwks"]


async def test_rotation_with_overlap_refuses_nobody(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    old = authguard_issuer.mint(lifetime=3_000)
    assert isinstance(await door.knock(old), Proven)
    rotated = authguard_issuer.rotated("ES256")
    network.publish(jwks(authguard_issuer.keys["ES256"], rotated.keys["ES256"]))
    door.clock.advance(60)
    assert isinstance(await door.knock(rotated.mint()), Proven)
    assert isinstance(door.recall(old), Proven)


async def test_rotation_without_overlap_ends_what_the_old_key_signed_also_when_remembered(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    old = authguard_issuer.mint(lifetime=3_000)
    assert isinstance(await door.knock(old), Proven)
    rotated = authguard_issuer.rotated("ES256")
    network.publish(rotated.jwks())
    door.clock.advance(60)
    assert isinstance(await door.knock(rotated.mint()), Proven)
    assert door.recall(old) is UNSEEN
    assert await door.knock(old) == _KEY_UNKNOWN


async def test_a_withdrawn_key_stops_serving_also_where_all_traffic_is_remembered(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    token = authguard_issuer.mint(lifetime=3_000)
    assert isinstance(await door.knock(token), Proven)
    network.publish(authguard_issuer.rotated().jwks())
    door.clock.advance(300)
    assert isinstance(await door.knock(token), Proven)  # nobody waits for the refresh
    await anyio.wait_all_tasks_blocked()
    assert network.fetches == 2
    assert await door.knock(token) == _KEY_UNKNOWN


async def test_an_emptied_key_set_ends_everything(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    token = authguard_issuer.mint(lifetime=3_000)
    await door.knock(token)
    network.publish({"keys": []})
    door.clock.advance(300)
    await door.knock(token)
    await anyio.wait_all_tasks_blocked()
    assert await door.knock(token) == _KEY_UNKNOWN


@pytest.mark.parametrize(
    "failure",
    [503, 404, 302, b"<html>", b'{"keys":', {"no": "keys"}, {"keys": 7}, OSError("refused"), "hang"],
    ids=repr,
)
@pytest.mark.parametrize("place", ["/jwks", "/.well-known/openid-configuration"])
async def test_an_outage_is_unproven_and_known_keys_serve_until_they_are_stale(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network, failure: Any, place: str
) -> None:
    # what hangs is waited for by the wall, so not for long
    door = reach(timeout=0.02 if failure == "hang" else 10.0)
    token, fresh = authguard_issuer.mint(lifetime=30_000), authguard_issuer.mint(sub="bob", lifetime=30_000)
    whole, network.documents[place] = network.documents[place], failure
    assert await door.knock(token) == _UNREACHABLE
    network.documents[place] = whole
    door.clock.advance(2)
    assert isinstance(await door.knock(token), Proven)
    network.documents[place] = failure
    door.clock.advance(3_599)
    assert isinstance(await door.knock(token), Proven)
    assert isinstance(await door.knock(fresh), Proven)
    door.clock.advance(1)
    assert await door.knock(token) == _UNREACHABLE
    assert await door.knock(fresh) == _UNREACHABLE
    await door.check.close()


async def test_an_outage_is_over_when_the_issuer_is_back(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    whole, network.documents["/jwks"] = network.documents["/jwks"], 503
    token = authguard_issuer.mint()
    assert await door.knock(token) == _UNREACHABLE
    network.documents["/jwks"] = whole
    assert await door.knock(token) == _UNREACHABLE
    assert network.fetches == 1
    door.clock.advance(2)
    assert isinstance(await door.knock(token), Proven)


async def test_a_flood_of_made_up_key_names_does_not_reach_the_issuer(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    await door.knock(authguard_issuer.mint())
    for number in range(200):
        assert await door.knock(authguard_issuer.mint(header={"kid": f"../{number}"})) == _KEY_UNKNOWN
    assert network.fetches == 1


async def test_a_stranger_without_a_known_issuer_leads_to_no_fetch(
    reach: Callable[..., Door], authguard_issuer: Mint, network: Network
) -> None:
    door = reach()
    stranger = Mint.create(authguard_issuer.clock, issuer="https://evil.test")
    for token in (stranger.mint(), authguard_issuer.mint(alg="HS256"), authguard_issuer.mint(typ="JWT")):
        assert (await door.knock(token)).condition == "rejected"
    assert network.asked == []


def test_a_forged_token_is_never_expired_only_rejected(door: Door, authguard_issuer: Mint) -> None:
    honest = authguard_issuer.mint(lifetime=-600)
    assert door.ask(honest) == _EXPIRED
    head, payload, signature = honest.split(".")
    forged = f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    assert door.ask(forged) == NotProven("rejected", Reason.SIGNATURE_INVALID)


def test_recall_never_waits_and_check_takes_what_recall_takes(door: Door, authguard_issuer: Mint) -> None:
    sent = evidence(authguard_issuer.mint())
    first = settle(door.check.check(sent, door.clock.now()))
    assert door.check.recall(sent, door.clock.now()) is first
    assert settle(door.check.check(sent, door.clock.now())) == first
