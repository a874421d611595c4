"""Files of a new policy, from a few answers: the policy, scenarios, a README and the JSON Schemas.

Rules of this file:
- The generated policy is valid and its scenarios pass for all answers; a test runs every combination.
- A scenario that no token of the provider brings about is left out.
- Answers are data: `yaml_document.scalar` writes them into YAML, and Markdown shows them as code.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from authguard.errors import PolicyError
from authguard.policy.checks.registry import run_checks
from authguard.policy.compiler import compile_draft
from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from authguard.policy.loading.preset import LEVELS, load_preset
from authguard.policy.mutation.scenario_text import run_plain
from authguard.policy.render.diagram import render_mermaid
from authguard.policy.render.yaml_document import scalar
from authguard.policy.schema.json_schema import policy_schema, scenario_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.policy import Policy
    from authguard.policy.draft import Draft
    from authguard.policy.problem import Problem

_PERSON: Final = "{kind: handoff, queue: identity, message: A colleague will check with you who you are.}"
#: file of the issuer's keys, beside the policy
KEYS_FILENAME: Final = "keys.json"
#: answer for a policy without an account source
NONE: Final = "none"
_SCHEMA: Final = "# yaml-language-server: $schema="


class Answers(Struct, frozen=True, kw_only=True):
    """Answers from which a new policy is generated.

    Attributes:
        name: name of the policy.
        provider: preset of the identity provider.
        issuer: URL of the issuer of the tokens.
        audience: audience of the tokens: the name of this agent at the issuer.
        keys: the issuer's JWK Set as JSON, written beside the policy; empty if the guard fetches the keys.
        extends: ``standard``, or another shipped policy, which uses only the three answers above.
        accounts: ``none``, or the claim with the status of an account.
        level: assurance level that proves the identity, one of `LEVELS`.
        payments: whether to include a payment operation of high risk, which waits for approval above its limit.
        approver: role that approves payments.
        agent: agent that may act for customers; empty for none.
    """

    name: str
    issuer: str
    audience: str
    provider: str = "generic"
    keys: str = ""
    extends: str = "standard"
    accounts: str = NONE
    level: str = "aal2"
    payments: bool = True
    approver: str = "supervisor"
    agent: str = ""


def build_files(answers: Answers) -> dict[str, str]:
    """Build the files of a new policy in memory.

    Args:
        answers: answers of the user.

    Returns:
        Relative path -> text; ``policy.yaml`` has been checked.

    Raises:
        PolicyError: an answer is not valid in the policy; the problems name the line of ``policy.yaml``.
        NotFound: there is no shipped policy of the name that is to be extended.
    """
    locator.find_shipped(answers.extends)
    policy = "\n".join(_policy(answers)) + "\n"
    draft, problems = _check(policy)
    if draft is None or any(problem.severity == "error" for problem in problems):
        raise PolicyError(problems)
    compiled = compile_draft(draft)
    made = {locator.POLICY_FILENAME: policy, **_scenarios(answers, compiled)}
    if answers.keys:
        made[KEYS_FILENAME] = answers.keys
    made["README.md"] = _readme(answers, render_mermaid(compiled, "session"), tuple(sorted(made)))
    for name, schema in (("authguard.schema.json", policy_schema()), ("scenarios.schema.json", scenario_schema())):
        made[name] = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"
    return made


def find_errors(answers: Answers) -> tuple[Problem, ...]:
    """Return the errors of the policy that answers produce, in the order of its lines; empty for valid answers."""
    _, problems = _check("\n".join(_policy(answers)) + "\n")
    return tuple(problem for problem in problems if problem.severity == "error")


@lru_cache(maxsize=1)  # the policy of valid answers is checked when they are given, and built afterwards
def _check(policy: str) -> tuple[Draft | None, tuple[Problem, ...]]:
    """Return the draft of a policy and all problems, ordered by place."""
    reading = load_draft(locator.POLICY_FILENAME, text=policy.encode())
    found = [*reading.problems, *(run_checks(reading.draft) if reading.draft else ())]
    return reading.draft, tuple(sorted(found, key=lambda problem: problem.place))


def _policy(answers: Answers) -> Iterator[str]:
    yield f"{_SCHEMA}authguard.schema.json"
    yield "# The operations of this agent and the decision for every case. The extended policy applies; this file has"
    yield "# only the differences. `authguard policy show` prints the merged policy."
    yield "authguard: 1"
    yield f"name: {scalar(answers.name)}"
    yield f"extends: {answers.extends}"
    yield ""
    yield "issuers:                               # trusted issuers of tokens; `policy show` prints the preset's keys"
    yield f"  - provider: {scalar(answers.provider)}"
    yield f"    issuer: {scalar(answers.issuer)}"
    yield f"    audience: {scalar(answers.audience)}"
    if answers.keys:
        yield f"    keys: {{file: {KEYS_FILENAME}}}            # remove it to fetch the keys from the issuer"
    if answers.extends == "standard":
        yield from _own(answers)


def _own(answers: Answers) -> Iterator[str]:
    """Yield the keys that the standard policy leaves to a deployment."""
    if answers.agent:
        yield "agents:                                # agents for customers; their payments wait for approval"
        yield f"  - {scalar(answers.agent)}"
    yield ""
    if answers.accounts == NONE:
        yield "accounts: none                         # no account directory: every account is `normal`"
    else:
        yield "accounts:                              # source of account states; other values are `unrecognised`"
        yield "  - from: claim"
        yield f"    claim: {scalar(answers.accounts)}"
        yield "    map: {active: normal, limited: restricted, locked: locked, frozen: suspended, fraud: compromised,"
        yield "          deceased: deceased, closed: closed}"
    yield ""
    has_scopes = load_preset(answers.provider).writes_scopes
    if not has_scopes:
        yield "# tokens of this provider have no scopes: add `scopes: [NAME]` to an operation once they do"
    yield "operations:                            # operations of the app; the first match applies"
    yield "  - {name: health, match: {path: /healthz, method: GET}, risk: public, effect: read}"
    for name, method, risk in (("chat", "POST", "routine"), ("profile", "GET", "sensitive")):
        scopes = f", scopes: [{name}]" if has_scopes else ""
        yield f"  - {{name: {name}, match: {{path: /{name}, method: {method}}}, risk: {risk}, effect: read{scopes}}}"
    if answers.payments:
        yield "  - name: pay"
        yield "    match: {path: /payments, method: POST}"
        yield "    risk: high"
        yield "    effect: write"
        if has_scopes:
            yield "    scopes: [pay]"
        yield f"    assurance: {{acr: {scalar(answers.level)}, max_age: 5m}}   # strong and recent sign-in"
        yield "    amount: {at: /amount, currency: {at: /currency}}     # JSON Pointers into the body"
        yield "    limits:                            # a payment above these waits for approval"
        yield "      - {amount: 100 EUR, per: call}"
        yield "      - {amount: 500 EUR, per: 1d, by: subject}"
    yield "otherwise: deny                        # any other request is refused"
    yield ""
    yield f"assurance: {{order: [{', '.join(LEVELS)}]}}     # assurance levels, weakest first"
    yield f"identity: {{credential: {scalar(answers.level)}}}           # a sign-in at this level proves the identity"
    yield ""
    yield from _proof_of_identity(answers)
    yield f"  prove_otherwise: {_PERSON}"
    if answers.payments:
        yield f"  await_approval: {{kind: hold, approvers: {{role: {scalar(answers.approver)}, count: 1}}}}"


def _proof_of_identity(answers: Answers) -> Iterator[str]:
    """Yield what proves the identity: a stronger sign-in if the provider has one, otherwise a person."""
    if load_preset(answers.provider).can_prove(answers.level):
        yield "decisions:                             # placed before the inherited rules of the same phase"
        yield "  # a stronger sign-in proves the identity"
        yield "  - phase: identity"
        yield "    when: {actor: subject, verification: [unverified, pending], risk: [sensitive, high]}"
        yield "    do: sign_in_stronger"
        yield ""
    yield "fallbacks:"
    if load_preset(answers.provider).can_prove(answers.level):
        level = scalar(answers.level)
        yield f"  sign_in_stronger: {{kind: step_up, acr: {level}, attempts: 3, per: 15m, then: to_a_person}}"
    yield "  # without a verification service, a person verifies the identity"
    yield f"  prove_identity: {_PERSON}"


def _scenarios(answers: Answers, policy: Policy) -> dict[str, str]:
    if answers.extends == "standard":
        return {"scenarios/first.yaml": "\n".join(_first(answers, policy)) + "\n"}
    folder = locator.scenarios_folder(locator.find_shipped(answers.extends))
    return {
        f"scenarios/{path.name}": path.read_text("utf-8").replace("$schema=../../", "$schema=../")
        for path in sorted(folder.glob("*.yaml"))
    }


def _first(answers: Answers, policy: Policy) -> Iterator[str]:
    """Yield the first scenarios, each named by a plain sentence: those that tokens of the provider bring about."""
    yield f"{_SCHEMA}../scenarios.schema.json"
    yield "# Expected decisions of this policy. Add a scenario for each important case."
    known = "account: normal, verification: verified"
    proof = "step_up" if load_preset(answers.provider).can_prove(answers.level) else "handoff"
    unproven = "is asked for a stronger sign-in" if proof == "step_up" else "is handed to a person"
    scenarios = [
        (
            "the health check needs no sign-in",
            "session: absent",
            "",
            "operation: health, credential: missing",
            "allow",
        ),
        (
            "an unauthenticated chat request is challenged",
            "session: absent",
            "",
            "operation: chat, credential: missing",
            "challenge",
        ),
        ("a signed-in customer chats", "account: normal", "", "operation: chat", "allow"),
        (
            "a token that expires during a chat is challenged",
            known,
            "",
            "operation: chat, credential: expired",
            "challenge",
        ),
        ("an idle session requires a fresh sign-in", known, "session.idled", "operation: chat", "step_up"),
        (
            "an idle session of a token without a sign-in time is handed to a person",
            known,
            "session.idled",
            "operation: chat, credential: undated",
            "handoff",
        ),
        (
            "an ambiguous verification of such a token is handed to a person",
            known,
            "session.idled, verification.doubted",
            "operation: chat, credential: undated",
            "handoff",
        ),
        ("a verified customer sees the profile", known, "", "operation: profile", "allow"),
        ("a failed verification is handed to a person", known, "verification.failed", "operation: profile", "handoff"),
        ("a workload that is no registered agent is refused", "account: normal", "", "operation: chat", "deny"),
        (f"an unverified customer {unproven}", "account: normal", "", "operation: profile", proof),
        (
            "an ambiguous verification is handed to a person",
            known,
            "verification.doubted",
            "operation: profile",
            "handoff",
        ),
        ("a missing scope is denied", known, "", "operation: profile, scope: missing", "deny"),
        ("during a rollback a person answers", known, "service.engaged", "operation: chat", "handoff"),
    ]
    if answers.accounts != NONE:
        scenarios.append(
            ("a closed account is handed to a person", known, "account.closed", "operation: chat", "handoff")
        )
    if answers.agent:
        agent = "an agent of an unverified customer is handed to a person"
        scenarios.append((agent, "account: normal", "", "operation: profile, actor: agent", "handoff"))
        scenarios.append(("an unregistered agent is refused", known, "", "operation: chat, actor: stranger", "deny"))
    if answers.payments:
        scenarios += [
            ("a payment within its limits is allowed", known, "", "operation: pay", "allow"),
            ("no payment on tokens that state no level of the sign-in", known, "", "operation: pay", "step_up"),
            ("no payment on tokens that state no time of the sign-in", known, "", "operation: pay", "handoff"),
            ("a payment above its limits waits for approval", known, "", "operation: pay, limit: exceeded", "hold"),
            ("a stale sign-in cannot pay", known, "", "operation: pay, assurance: stale", "step_up"),
            (
                "a repeated payment returns the first response",
                f"{known}, transaction: done",
                "",
                "operation: pay",
                "repeat",
            ),
        ]
        if answers.agent:
            scenarios.append(
                ("a payment by an agent waits for approval", known, "", "operation: pay, actor: agent", "hold")
            )
    for name, given, when, ask, outcome in scenarios:
        if not _passes(policy, name, given, when, ask, outcome):
            continue  # no token of this provider brings it about
        yield ""
        yield f"- name: {name}"
        yield f"  given: {{{given}}}"
        if when:
            yield f"  when: [{when}]"
        yield f"  ask: {{{ask}}}"
        yield f"  then: {{outcome: {outcome}}}"


def _passes(policy: Policy, *scenario: str) -> bool:
    """Return whether a scenario comes about under a policy, with the stated outcome."""
    name, given, when, ask, outcome = scenario
    plain = {
        "name": name,
        "given": _mapping(given),
        "when": when.split(", ") if when else [],
        "ask": _mapping(ask),
        "then": {"outcome": outcome},
    }
    result = run_plain(plain, policy)
    return result is not None and not result.differences


def _mapping(text: str) -> dict[str, str]:
    return dict(pair.split(": ", 1) for pair in text.split(", "))


def _readme(answers: Answers, session: str, made: tuple[str, ...]) -> str:
    name = "".join(char for char in answers.name if char.isprintable() and char not in "`<>#")
    listed = "\n".join(f"- `{path}`" for path in made)
    return f"""\
# The policy {name}

It extends `{answers.extends}` with the issuers, operations and fallbacks of this app.

{listed}

Check it, run its scenarios, print the merged policy, and explain a decision:

```sh
authguard policy check .
authguard policy test .
authguard policy show .
authguard policy show . --format html --output policy.html
authguard policy explain . --operation chat --state session=idle
```

`check` proves that every state handles every event and that every case has a decision. `test` runs the scenarios and
lists what they do not cover. Declare the operations of your app in `policy.yaml`, and add a scenario for each.

## States of a session

```mermaid
{session}```
"""
