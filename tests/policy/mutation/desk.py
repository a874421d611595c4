"""A small policy with every key that a mutant changes, for the tests of mutants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.policy.loading.loader import load_draft
from authguard.policy.mutation.trial import load_original

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.policy.mutation.trial import Original
    from authguard.policy.tree import Node

DESK = """\
authguard: 1
name: desk
extends: standard
issuers: [{issuer: 'https://idp.example', audience: desk, algorithms: [ES256], keys: discovery}]
agents: [helper]
accounts: [{from: claim, claim: status, map: {ok: normal, gone: locked}}]
operations:
  - {name: chat, match: {path: /chat}, risk: routine, effect: read, scopes: [chat]}
  - name: pay
    match: {path: /pay, method: POST}
    risk: high
    effect: write
    scopes: [pay]
    roles: [clerk]
    actor: forbidden
    assurance: {acr: aal2, max_age: 5m}
    amount: {at: /amount, currency: EUR}
    limits:
      - {amount: 5.50 EUR, per: call}
      - {calls: 3, per: 1d}
    idempotency: required
assurance: {order: [aal1, aal2], map: {weak: aal1, strong: aal2}}
identity: {credential: aal2}
verifiers:
  code: {type: http, url: 'https://code.example'}
  card: {type: http, url: 'https://card.example'}
methods:
  default: {all: [code, card], attempts: 3, per: 15m}
  alternate: {quorum: 2, of: [code, card], attempts: 2, per: 15m}
channels: {from: {claim: channel}, trusts: {app: [], web: [app]}}
reports: {app: [account.compromised]}
timers:
  - {event: session.idled, after: 5m, since: last_seen, states: [active]}
machines:
  account:
    transitions:
      - {trigger: locked, source: normal, dest: locked, raises: verification.moved}
decisions:
  - {when: {account: locked, credential: good, session: active}, do: to_a_person}
fallbacks:
  await_approval: {kind: hold, approvers: {role: boss, count: 2, acr: aal2}}
  step_up: {kind: step_up, acr: aal2, attempts: 3, per: 15m, then: to_a_person}
  prove_identity: {kind: verify, methods: [default], attempts: 3, per: 15m, then: to_a_person}
  prove_otherwise: {kind: verify, methods: [alternate]}
  to_a_person: {kind: handoff, queue: people}
on_fault: try_later
rollback: {authority: {engage: {role: operations}, release: {role: operations, count: 2}}}
staff: {claim: roles}
"""
SCENARIOS = """\
- name: a customer chats
  given: {account: normal}
  ask: {operation: chat}
  then: {fallback: allow}
"""


def write_desk(folder: Path, scenarios: str = SCENARIOS) -> str:
    """Write the policy and its scenarios; return the path of the policy."""
    (folder / "policy.yaml").write_text(DESK, encoding="utf-8")
    (folder / "scenarios").mkdir(exist_ok=True)
    (folder / "scenarios" / "desk.yaml").write_text(scenarios, encoding="utf-8")
    return str(folder / "policy.yaml")


def desk_tree() -> Node:
    """Return the merged document of the policy."""
    tree = load_draft("desk.yaml", text=DESK.encode()).tree
    assert tree is not None
    return tree


def load_desk(folder: Path, scenarios: str = SCENARIOS) -> Original:
    """Return the policy with its scenarios."""
    return load_original(write_desk(folder, scenarios))
