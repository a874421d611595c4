"""Presets of providers: their keys are the defaults of an issuer, and each one can be overridden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.loading import preset
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.preset import list_presets, load_preset

if TYPE_CHECKING:
    from authguard.policy.loading.loader import LoadedDraft

POLICY = """\
authguard: 1
name: shop
extends: standard
accounts: none
issuers:
  - {provider: generic, issuer: 'https://idp.example', audience: shop%s}
"""


def load(more: str = "") -> LoadedDraft:
    return load_draft("policy.yaml", text=(POLICY % more).encode())


def test_a_preset_gives_the_keys_that_the_policy_leaves_out() -> None:
    draft = load().draft
    assert draft is not None
    (issuer,) = draft.issuers
    assert issuer.provider == "generic"
    assert issuer.audience == ("shop",)
    assert issuer.discovery
    assert "ES256" in issuer.algorithms


def test_a_key_of_the_policy_replaces_that_of_the_preset() -> None:
    draft = load(", algorithms: [PS512], max_lifetime: 5m").draft
    assert draft is not None
    (issuer,) = draft.issuers
    assert issuer.algorithms == ("PS512",)
    assert issuer.max_lifetime == 300


def test_the_completed_document_is_what_is_shown_and_digested() -> None:
    loaded = load()
    assert loaded.tree is not None
    (issuer,) = loaded.tree.to_plain()["issuers"]
    assert issuer["keys"] == "discovery"
    places = dict(loaded.tree.find(("issuers", 0)).entries())
    assert places["keys"].place.file == "providers/generic.yaml"
    assert places["audience"].place.file == "policy.yaml"


def test_an_unknown_provider_is_one_problem_with_the_nearest_name() -> None:
    text = (POLICY % "").replace("generic", "generik").encode()
    loaded = load_draft("policy.yaml", text=text)
    assert loaded.draft is None
    (problem,) = loaded.problems
    assert problem.code == "provider-unknown"
    assert "generic" in problem.advice


@pytest.mark.parametrize("name", ["../standard", "", "GENERIC", "generic.yaml"])
def test_a_name_leads_to_no_other_file(name: str) -> None:
    with pytest.raises(KeyError):
        load_preset(name)


def test_requirements_of_the_policy_are_added_to_those_of_the_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = load_preset("generic").defaults
    with_pin = load_draft(
        "p.yaml", text=(POLICY % ", require: {token_use: access}, claims: {client: cid}").encode()
    ).tree
    assert with_pin is not None
    own = with_pin.find(("issuers", 0))
    entries = {**pinned.entries(), "require": own.entries()["require"], "claims": own.entries()["claims"]}
    changed = type(pinned)(entries, pinned.place)
    given = load_preset("generic")
    monkeypatch.setattr(preset, "load_preset", lambda _: type(given)(**{**_fields(given), "defaults": changed}))
    draft = load(", require: [jti], claims: {session: /s/id}").draft
    assert draft is not None
    (issuer,) = draft.issuers
    assert issuer.require == {"token_use": ("access",), "jti": ()}
    assert issuer.claims.client == ("cid",)
    assert issuer.claims.session == ("/s/id",)


def _fields(given: preset.Preset) -> dict[str, object]:
    return {name: getattr(given, name) for name in given.__struct_fields__}


@pytest.mark.parametrize("name", list_presets())
def test_every_preset_is_documented_and_loads(name: str) -> None:
    given = load_preset(name)
    assert given.sources
    assert all(source.startswith("https://") for source in given.sources)
    assert given.date
    assert given.setup
    text = f"""\
authguard: 1
name: shop
extends: standard
accounts: none
assurance: {{order: [aal1, aal2, aal3]}}
identity: {{credential: aal2}}
issuers:
  - {{provider: {name}, issuer: '{given.example["issuer"]}', audience: '{given.example["audience"]}'}}
"""
    loaded = load_draft("policy.yaml", text=text.encode())
    assert [problem for problem in loaded.problems if problem.severity == "error"] == []
    assert loaded.draft is not None
