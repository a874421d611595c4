"""Tokens in the shapes of identity providers: complete, as documented, and the same on every run but for their ids."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from hatchling.builders.wheel import WheelBuilder

from authguard.policy.loading.preset import list_presets
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.testing import Mint, list_shapes, load_shape
from authguard.testing.shape import ShapeValues

if TYPE_CHECKING:
    from authguard.testing import FakeClock

ROOT = Path(__file__).parents[2]
#: the providers that have a preset by the policy
NAMED = ("auth0", "cognito", "entra", "firebase", "generic", "google", "keycloak", "okta", "supabase")
KINDS = [(name, kind) for name in list_shapes() for kind in load_shape(name).kinds]
VALUES = ShapeValues(issuer="https://issuer.test/", audience="shop", now=1_000, kid="k", new_id=lambda: "ID")

#: reduced tokens as providers document them: the header's `typ`, and the type of each claim
DOCUMENTED: dict[tuple[str, str], tuple[str | None, dict[str, type]]] = {
    ("keycloak", "access"): (
        "JWT",
        dict.fromkeys(("exp", "iat", "auth_time"), int)
        | dict.fromkeys(("jti", "iss", "sub", "typ", "azp", "sid", "acr", "scope"), str)
        | {"aud": list, "realm_access": dict, "resource_access": dict, "email_verified": bool},
    ),
    ("keycloak", "access-password"): (
        "JWT",
        dict.fromkeys(("exp", "iat", "auth_time"), int)
        | dict.fromkeys(("jti", "iss", "aud", "sub", "typ", "azp", "session_state", "acr", "scope"), str),
    ),
    ("auth0", "access"): (
        "JWT",
        dict.fromkeys(("exp", "iat"), int)
        | dict.fromkeys(("iss", "sub", "scope", "azp"), str)
        | dict.fromkeys(("aud", "permissions"), list),
    ),
    ("auth0", "access-rfc9068"): (
        "at+jwt",
        dict.fromkeys(("exp", "iat"), int)
        | dict.fromkeys(("iss", "sub", "scope", "client_id", "jti"), str)
        | {"aud": list},
    ),
    ("entra", "access"): (
        "JWT",
        dict.fromkeys(("exp", "iat", "nbf"), int)
        | dict.fromkeys(
            ("aud", "iss", "aio", "azp", "azpacr", "name", "oid", "preferred_username", "rh", "scp", "sub", "tid"), str
        )
        | dict.fromkeys(("uti", "ver"), str),
    ),
    ("entra", "access-v1"): (
        "JWT",
        dict.fromkeys(("exp", "iat", "nbf"), int)
        | dict.fromkeys(("aud", "iss", "acr", "aio", "appid", "appidacr", "ipaddr", "oid", "scp", "sub"), str)
        | {"amr": list, "ver": str},
    ),
    ("okta", "access"): (
        None,
        dict.fromkeys(("ver", "exp", "iat", "auth_time"), int)
        | dict.fromkeys(("jti", "iss", "aud", "cid", "uid", "sub"), str)
        | {"scp": list},
    ),
    ("cognito", "access"): (
        None,
        dict.fromkeys(("auth_time", "exp", "iat", "version"), int)
        | dict.fromkeys(("sub", "token_use", "scope", "jti", "client_id", "username", "origin_jti", "event_id"), str)
        | {"cognito:groups": list},
    ),
    ("cognito", "id"): (
        None,
        dict.fromkeys(("auth_time", "exp", "iat"), int)
        | dict.fromkeys(("sub", "token_use", "aud", "jti", "email", "cognito:username"), str),
    ),
    ("supabase", "access"): (
        "JWT",
        dict.fromkeys(("exp", "iat"), int)
        | dict.fromkeys(("aud", "sub", "email", "phone", "role", "aal", "session_id"), str)
        | {"app_metadata": dict, "user_metadata": dict, "amr": list, "is_anonymous": bool},
    ),
    ("firebase", "access"): (
        "JWT",
        dict.fromkeys(("exp", "iat", "auth_time"), int)
        | dict.fromkeys(("name", "aud", "user_id", "sub", "email"), str)
        | {"email_verified": bool, "firebase": dict},
    ),
    ("google", "access"): (
        "JWT",
        dict.fromkeys(("exp", "iat"), int)
        | dict.fromkeys(("iss", "azp", "aud", "sub", "email"), str)
        | {"email_verified": bool},
    ),
    ("generic", "access"): (
        "at+jwt",
        dict.fromkeys(("exp", "iat", "auth_time"), int)
        | dict.fromkeys(("iss", "aud", "sub", "client_id", "jti", "acr", "scope"), str)
        | {"amr": list},
    ),
}


def read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


def test_each_provider_with_a_preset_has_a_shape() -> None:
    assert set(NAMED) <= set(list_shapes())


@pytest.mark.parametrize("name", list_shapes())
def test_a_shape_file_parses_without_a_problem(name: str) -> None:
    path = ROOT / "src" / "authguard" / "testing" / "shapes" / f"{name}.yaml"
    assert parse_yaml(path.read_bytes(), path.name).problems == ()


@pytest.mark.parametrize("name", list_shapes())
def test_a_shape_says_where_its_facts_are_from(name: str) -> None:
    shape = load_shape(name)
    assert shape.title
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", shape.date)
    assert shape.sources
    assert all(source.startswith("https://") for source in shape.sources)
    assert shape.issuer
    assert shape.audience
    assert {"access", "id", "machine"} <= set(shape.kinds) or name in {"kubernetes", "spiffe"}


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_every_placeholder_of_a_shape_is_replaced(name: str, kind: str) -> None:
    shape = load_shape(name).kind(kind)
    for strong in {False, bool(shape.strong)}:
        header, claims = shape.fill(VALUES, strong=strong)
        assert header["alg"] in {"RS256", "ES256", "HS256"}
        assert not re.search(r"\{[a-z]", repr(claims)), "an empty mapping is no placeholder"
        assert claims["exp"] - claims["iat"] == shape.lifetime > 0


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_token_is_the_same_on_every_run_but_for_its_ids(name: str, kind: str) -> None:
    shape = load_shape(name).kind(kind)
    assert shape.fill(VALUES) == shape.fill(VALUES)


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_an_issuer_signs_every_shape_with_a_key_of_its_own(authguard_issuer: Mint, name: str, kind: str) -> None:
    header, claims = read(authguard_issuer.mint_as(name, kind))
    key = authguard_issuer.keys[header["alg"]]
    assert header.get("kid", key.kid) == key.kid
    if header["alg"] != "HS256":
        published = jwt.PyJWK(key.jwk())
        options: Any = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
        token = authguard_issuer.mint_as(name, kind)
        assert jwt.decode(token, published, algorithms=[key.alg], options=options)["iss"] == claims["iss"]


@pytest.mark.parametrize(("name", "kind"), DOCUMENTED)
def test_a_shape_has_the_claims_of_the_documentation(authguard_issuer: Mint, name: str, kind: str) -> None:
    typ, types = DOCUMENTED[name, kind]
    header, claims = read(authguard_issuer.mint_as(name, kind))
    assert header.get("typ") == typ
    assert {claim: type(claims.get(claim)) for claim in types} == types


def test_the_facts_of_a_sign_in_stand_where_the_provider_writes_them(authguard_issuer: Mint) -> None:
    facts: Any = {"subject": "u", "client": "c", "scope": "chat pay", "session": "s", "signed_in": 60}
    now = int(authguard_issuer.clock.now())
    keycloak = read(authguard_issuer.mint_as("keycloak", **facts))[1]
    assert (keycloak["sub"], keycloak["azp"], keycloak["sid"], keycloak["auth_time"]) == ("u", "c", "s", now - 60)
    okta = read(authguard_issuer.mint_as("okta", **facts))[1]
    assert (okta["cid"], okta["scp"], okta["auth_time"]) == ("c", ["chat", "pay"], now - 60)
    supabase = read(authguard_issuer.mint_as("supabase", **facts))[1]
    assert (supabase["session_id"], supabase["amr"]) == ("s", [{"method": "password", "timestamp": now - 60}])
    cognito = read(authguard_issuer.mint_as("cognito", audience="client-1", **facts))[1]
    assert (cognito["client_id"], cognito["origin_jti"]) == ("client-1", "s")
    assert "aud" not in cognito


def test_a_session_or_time_that_is_none_is_left_out(authguard_issuer: Mint) -> None:
    claims = read(authguard_issuer.mint_as("keycloak", session=None, signed_in=None))[1]
    assert not {"sid", "auth_time"} & set(claims)
    assert read(authguard_issuer.mint_as("supabase", signed_in=None))[1]["amr"] == [{"method": "password"}]


def test_a_step_up_is_the_one_of_the_provider(authguard_issuer: Mint) -> None:
    assert read(authguard_issuer.mint_as("okta", strong=True))[1]["acr"] == "urn:okta:loa:2fa:any"
    assert read(authguard_issuer.mint_as("supabase", strong=True))[1]["aal"] == "aal2"
    assert read(authguard_issuer.mint_as("firebase", strong=True))[1]["firebase"]["sign_in_second_factor"] == "totp"
    with pytest.raises(ValueError, match="leaves no trace"):
        authguard_issuer.mint_as("google", strong=True)


def test_a_claim_is_added_or_replaced(authguard_issuer: Mint) -> None:
    claims = read(authguard_issuer.mint_as("okta", sub="another", groups=["a"]))[1]
    assert (claims["sub"], claims["groups"]) == ("another", ["a"])


def test_the_lifetime_is_the_provider_s_or_the_test_s(authguard_issuer: Mint) -> None:
    claims = read(authguard_issuer.mint_as("auth0"))[1]
    assert claims["exp"] - claims["iat"] == 86_400
    claims = read(authguard_issuer.mint_as("auth0", lifetime=-60))[1]
    assert claims["exp"] - claims["iat"] == -60


def test_a_list_of_audiences_stays_a_list(authguard_clock: FakeClock) -> None:
    mint = Mint.create(authguard_clock, issuer="https://idp.test", audience="shop")
    assert read(mint.mint_as("okta", audience=["a", "b"]))[1]["aud"] == ["a", "b"]
    assert read(mint.mint_as("okta"))[1]["aud"] == "shop"


def test_where_apis_take_the_id_token_both_kinds_are_the_same() -> None:
    for name in ("google", "firebase"):
        kinds = load_shape(name).kinds
        assert kinds["id"] is kinds["access"]


def test_an_id_in_a_token_is_another_one_each_time() -> None:
    values = replace(VALUES, new_id=iter("abcdef").__next__)
    _, claims = load_shape("cognito").kind("access").fill(values)
    assert claims["event_id"] != claims["jti"]


@pytest.mark.parametrize(
    ("name", "kind", "advice"), [("oktaa", "access", "did you mean `okta`"), ("okta", "acess", "did you mean `access`")]
)
def test_an_unknown_name_is_refused_with_advice(authguard_issuer: Mint, name: str, kind: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        authguard_issuer.mint_as(name, kind)


def test_the_wheel_has_the_shapes_and_the_presets(tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    with zipfile.ZipFile(built) as wheel:
        files = [Path(name) for name in wheel.namelist()]
    for folder, names in (("authguard/testing/shapes", list_shapes()), ("authguard/policy/providers", list_presets())):
        assert {path.stem for path in files if str(path.parent) == folder} == set(names)
