"""The policies of the differential tests: one operation for each handler, by what an app's developer would write.

A handler that takes any method is named without one where the policy admits what nobody named.
"""

from __future__ import annotations

import re
from typing import Final

#: an amount above it never runs
LIMIT: Final = 100
#: handlers that the policy does not name
UNNAMED: Final = frozenset({"hidden"})
_PAYS: Final = """\
    risk: high
    effect: write
    scopes: [chat]
    amount: {at: /amount, currency: {at: /currency}}
    limits: [{amount: 100 EUR, per: call}]
"""
#: a handshake has no body with an amount
_CONNECTS: Final = _PAYS.partition("    amount:")[0] + "    limits: [{calls: 100000, per: 1h}]\n"
_PAYS_BY_FORM: Final = _PAYS.replace(
    "{at: /amount, currency: {at: /currency}}", "{form: amount, currency: {form: currency}}"
)
_PAID: Final = {
    "pay": "/pay",
    "form": "/form",
    "careless": "/careless",
    "any": "/any",
    "refund": "/orders/{order_id}/refund",
    "v1_pay": "/v1/pay",
    "buy": "/shop/buy/{item}",
}
_IDLE: Final = """\
  - {name: health, match: {path: /healthz, method: GET}, risk: public, effect: read}
  - {name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read, scopes: [chat]}
  - {name: order, match: {path: '/orders/{order_id}', method: GET}, risk: sensitive, effect: read, scopes: [chat]}
  - {name: files, match: {path: '/files/{rest:path}'}, risk: routine, effect: read, scopes: [chat]}
  - {name: live, match: {websocket: '/live/{room}'}, risk: routine, effect: read, scopes: [chat]}
"""
_HEAD: Final = """\
authguard: 1
name: differential
extends: standard
issuers:
  - issuer: https://issuer.test
    audience: https://agent.test
    algorithms: [ES256]
    keys: {file: keys.json}
accounts:
  - from: claim
    claim: account_status
    map: {ok: normal, locked: locked}
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
budget: {request: 60s, body: 64KiB}
verifiers:
  otp: {type: http, url: "http://127.0.0.1:9/otp", pass_at: 0.9, fail_at: 0.4}
methods:
  default: {all: [otp], attempts: 3, per: 15m}
  alternate: {all: [otp], attempts: 2, per: 15m}
"""
OTHERWISE: Final = {
    "deny": "otherwise: deny\n",
    "admit": "otherwise: {risk: sensitive, effect: write}\n",
}


#: one path, which two hosts have
_HOSTS: Final = """\
  - name: transfer
    match: {path: /transfer, method: POST}
    hosts: [pay.test]
"""
_CHAT: Final = (
    "  - {name: chat_transfer, match: {path: /transfer, method: POST}, risk: routine, effect: read, scopes: [chat]}\n"
)


def policy(form: str, *, any_method: bool, prefix: str, hosts: bool) -> str:
    """Write the policy.

    Args:
        form: of `otherwise`: `deny` or `admit`.
        any_method: whether the app's handlers look at no method.
        prefix: that the app takes off by itself; empty for none.
        hosts: whether the app has a host of its own for what moves money.
    """
    free = any_method and form == "admit"
    idle = (_HOSTS + _PAYS if hosts else "") + _CHAT + _IDLE
    operations = "operations:\n" + (re.sub(", method: [A-Z]+", "", idle) if free else idle)
    for name, template in _PAID.items():
        method = "" if free or (name == "any" and form == "admit") else ", method: POST"
        operations += (
            f"  - name: {name}\n    match: {{path: '{template}'{method}}}\n{_PAYS_BY_FORM if name == 'form' else _PAYS}"
        )
    head = f"{_HEAD}settings: {{root_path: {prefix}}}\n" if prefix else _HEAD
    return f"{head}{operations}  - name: wire\n    match: {{websocket: /wire}}\n{_CONNECTS}{OTHERWISE[form]}"
