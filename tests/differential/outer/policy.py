"""The policy of the apps behind the probe: one operation for each handler, of each kind that the guard treats apart."""

from __future__ import annotations

from typing import Final

POLICY: Final = """\
authguard: 1
name: outer
extends: standard
issuers:
  - issuer: https://issuer.test
    audience: https://agent.test
    algorithms: [ES256]
    keys: {file: keys.json}
accounts: none
operations:
  - {name: open, match: {path: '/open/{item_id}', method: GET}, risk: public, effect: read}
  - {name: item, match: {path: '/items/{item_id}', method: GET}, risk: routine, effect: read}
  - {name: echo, match: {path: /echo, method: POST}, risk: routine, effect: write}
  - {name: stream, match: {path: /stream, method: GET}, risk: routine, effect: read}
  - {name: raises, match: {path: /raises, method: GET}, risk: routine, effect: read}
  - {name: group, match: {path: /group, method: GET}, risk: routine, effect: read}
  - {name: waits, match: {path: /waits, method: GET}, risk: routine, effect: read}
  - {name: nowhere, match: {path: /nowhere, method: GET}, risk: routine, effect: read}
  - {name: inner, match: {path: '/mounted/inner/{item_id}', method: GET}, risk: routine, effect: read}
  - {name: pay, match: {path: '/pay/{item_id}', method: POST}, risk: high, effect: write}
  - {name: pay_raises, match: {path: /pay_raises, method: POST}, risk: high, effect: write}
  - {name: pay_waits, match: {path: /pay_waits, method: POST}, risk: high, effect: write}
  - {name: live, match: {websocket: '/live/{room}'}, risk: routine, effect: read}
  - {name: live_raises, match: {websocket: /live_raises}, risk: routine, effect: read}
otherwise: deny
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
verifiers:
  otp: {type: http, url: "http://127.0.0.1:9/otp", pass_at: 0.9, fail_at: 0.4}
methods:
  default: {all: [otp], attempts: 3, per: 15m}
  alternate: {all: [otp], attempts: 2, per: 15m}
"""
