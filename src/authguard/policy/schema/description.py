"""Descriptions of the keys of a scenario, one sentence each, as editors show them."""

from __future__ import annotations

from typing import Final

#: descriptions of the keys of a scenario
SCENARIO_KEY_DESCRIPTIONS: Final[dict[str, str]] = {
    "name": "The expected behaviour, as a sentence.",
    "given": "States of the machines at the start; a list runs the scenario for each of its states.",
    "after": "Time that passes before the step.",
    "times": "How often the step is repeated; each request after the first has a key of its own.",
    "when": "Events in order, `machine.event`.",
    "ask": "Operation and conditions of the request; a list runs the scenario for each of its values.",
    "then": "Expected result.",
    "steps": "Several steps, each with `after`, `times`, `when`, `ask` and `then`.",
    "operation": "Name of the operation, or `otherwise`.",
    "channel": "Name of a declared channel, or `unknown`.",
    "outcome": "Expected outcome.",
    "fallback": "Name of the expected fallback, or `allow`.",
    "reason": "Code of the expected reason.",
    "queue": "Expected queue of a hand-off.",
    "approvers": "Expected approvers of a hold; what is left out is not compared.",
    "role": "Role of the approvers.",
    "count": "Number of the approvers.",
    "methods": "Expected methods to verify identity.",
    "verifiers": "Expected verifiers of the offered methods.",
    "scopes": "Scopes of the token that remain for the app.",
    "max_age": "Expected age that a new sign-in may have, or `since_entered`.",
    "states": "Expected states of the machines.",
    "request": "Method and path of the request, from which the guard finds the operation.",
    "token": "What the token states; the rest is as the operation needs it.",
    "body": "Fields of the body, as JSON or as a form.",
    "idempotency": "Value of `Idempotency-Key`; requests with the same one are one transaction.",
    "issuer": "Issuer of the token; by default the first of the policy.",
    "subject": "Subject of the token.",
    "client": "OAuth client of the token.",
    "session": "Session id of the token, or the state of the machine `session`.",
    "scope": "Scopes of the token, or the condition `scope` of the request.",
    "roles": "Staff roles of the token.",
    "acr": "Assurance level of the token, or of the approvers' sign-ins.",
    "age": "Time since the sign-in that the token states; `none` for a token that does not state it.",
    "act": "Actors of the token, the outermost first; `NAME of ISSUER` for an actor of another issuer.",
    "claims": "Further claims of the token, or other values of claims; an empty text removes a claim.",
}
