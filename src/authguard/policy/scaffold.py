"""The first files of somebody's own policy: from a few answers, a policy, its scenarios, a README and the schemas.

Rules of this file:
- What it gives passes the checks and its own scenarios whatever the answers; a test asks every combination.
- Answers are data: `yaml_document.scalar` writes them into YAML, and Markdown shows them as code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.render.diagram import render_mermaid
from authguard.policy.render.yaml_document import scalar
from authguard.policy.schema.json_schema import policy_schema, scenario_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

#: levels of sign-in that a new policy orders, weakest first
LEVELS: Final = ("aal1", "aal2", "aal3")
#: where account states come from, when nowhere
NONE: Final = "none"
_SCHEMA: Final = "# yaml-language-server: $schema="


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a new policy is made from.

    Attributes:
        name: of the policy.
        issuer: who signs the access tokens, an address.
        audience: what the tokens are for: this agent's name at the issuer.
        extends: ``standard``, or another shipped policy; then only the three above are asked.
        accounts: ``none``, or the claim that holds an account's status.
        level: the level of sign-in that proves who somebody is, one of `LEVELS`.
        payments: whether there is an operation of high risk, which waits for a person past its limit.
        approver: the role that approves then.
        agent: an actor that may act for customers; empty for none.
    """

    name: str
    issuer: str
    audience: str
    extends: str = "standard"
    accounts: str = NONE
    level: str = "aal2"
    payments: bool = True
    approver: str = "supervisor"
    agent: str = ""


def build_files(answers: Answers) -> dict[str, str]:
    """Write the files of a new policy; nothing is put on a disk here.

    Args:
        answers: what they are made from.

    Returns:
        Relative path -> text; ``policy.yaml`` has been checked.

    Raises:
        PolicyError: an answer cannot stand where it would have to; the problems name the line of ``policy.yaml``.
        NotFound: there is no shipped policy of the name that is to be extended.
    """
    locator.find_shipped(answers.extends)
    policy = "\n".join(_policy(answers)) + "\n"
    compiled = load(locator.POLICY_FILENAME, text=policy.encode())
    made = {locator.POLICY_FILENAME: policy, **_scenarios(answers)}
    made["README.md"] = _readme(answers, render_mermaid(compiled, "session"), tuple(sorted(made)))
    for name, schema in (("authguard.schema.json", policy_schema()), ("scenarios.schema.json", scenario_schema())):
        made[name] = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"
    return made


def _policy(answers: Answers) -> Iterator[str]:
    yield f"{_SCHEMA}authguard.schema.json"
    yield "# What this agent may do, and what happens in every case. Whatever the extended policy says holds; this file"
    yield "# says only what differs. `authguard policy show` prints the whole."
    yield "authguard: 1"
    yield f"name: {scalar(answers.name)}"
    yield f"extends: {answers.extends}"
    yield ""
    yield "issuers:                               # who may speak"
    yield f"  - issuer: {scalar(answers.issuer)}"
    yield f"    audience: {scalar(answers.audience)}"
    yield "    algorithms: [ES256, RS256]"
    yield "    keys: discovery                    # or {jwks_uri: ...}, or {file: keys.json}"
    if answers.extends == "standard":
        yield from _own(answers)


def _own(answers: Answers) -> Iterator[str]:
    """Say what the standard policy leaves to a deployment."""
    if answers.agent:
        yield "agents:                                # who may act for a customer; what they pay waits for a person"
        yield f"  - {scalar(answers.agent)}"
    yield ""
    if answers.accounts == NONE:
        yield "accounts: none                         # there is no account directory: every account is `normal`"
    else:
        yield "accounts:                              # where account states come from; else `unrecognised`"
        yield "  - from: claim"
        yield f"    claim: {scalar(answers.accounts)}"
        yield "    map: {active: normal, limited: restricted, locked: locked, frozen: suspended, fraud: compromised,"
        yield "          deceased: deceased, closed: closed}"
    yield ""
    yield "operations:                            # what can be asked; the first match wins"
    yield "  - {name: health, match: {path: /healthz, method: GET}, risk: public, effect: read}"
    yield "  - {name: chat, match: {path: /chat, method: POST}, risk: routine, effect: read, scopes: [chat]}"
    yield "  - {name: profile, match: {path: /profile, method: GET}, risk: sensitive, effect: read, scopes: [profile]}"
    if answers.payments:
        yield "  - name: pay"
        yield "    match: {path: /payments, method: POST}"
        yield "    risk: high"
        yield "    effect: write"
        yield "    scopes: [pay]"
        yield f"    assurance: {{acr: {scalar(answers.level)}, max_age: 5m}}   # signed in so strongly, and just now"
        yield "    amount: {at: /amount, currency: {at: /currency}}     # where they stand in the body (JSON Pointer)"
        yield "    limits:                            # past these a payment waits for an approval"
        yield "      - {amount: 100 EUR, per: call}"
        yield "      - {amount: 500 EUR, per: 1d, by: subject}"
    yield "otherwise: deny                        # what nobody named is refused"
    yield ""
    yield f"assurance: {{order: [{', '.join(LEVELS)}]}}     # how strong a sign-in is, weakest first"
    yield f"identity: {{credential: {scalar(answers.level)}}}           # a sign-in at this level proves who it is"
    yield ""
    yield "fallbacks:"
    yield "  # no verification service yet: a person checks who it is instead"
    yield "  prove_identity: {kind: handoff, queue: identity, message: A colleague will check with you who you are.}"
    yield "  prove_otherwise: {kind: handoff, queue: identity, message: A colleague will check with you who you are.}"
    if answers.payments:
        yield f"  await_approval: {{kind: hold, approvers: {{role: {scalar(answers.approver)}, count: 1}}}}"


def _scenarios(answers: Answers) -> dict[str, str]:
    if answers.extends == "standard":
        return {"scenarios/first.yaml": "\n".join(_first(answers)) + "\n"}
    folder = locator.scenarios_folder(locator.find_shipped(answers.extends))
    return {
        f"scenarios/{path.name}": path.read_text("utf-8").replace("$schema=../../", "$schema=../")
        for path in sorted(folder.glob("*.yaml"))
    }


def _first(answers: Answers) -> Iterator[str]:
    """Tell the first stories: each a sentence that a person would sign."""
    yield f"{_SCHEMA}../scenarios.schema.json"
    yield "# What this policy is expected to do. Add a sentence for whatever matters to you."
    known = "account: normal, verification: verified"
    stories = [
        (
            "anybody may ask whether the agent is up",
            "session: absent",
            "",
            "operation: health, credential: missing",
            "allow",
        ),
        (
            "whoever did not sign in is asked to",
            "session: absent",
            "",
            "operation: chat, credential: missing",
            "challenge",
        ),
        ("a signed-in customer chats", "account: normal", "", "operation: chat", "allow"),
        ("the token expires in the middle of a chat", known, "", "operation: chat, credential: expired", "challenge"),
        ("after a pause a fresh sign-in is asked for", known, "session.idled", "operation: chat", "step_up"),
        ("a customer whose identity is proven sees the profile", known, "", "operation: profile", "allow"),
        (
            "a person checks who it is before it is shown",
            "account: normal",
            "",
            "operation: profile",
            "handoff",
        ),
        ("doubt about who it is goes to a person", known, "verification.doubted", "operation: profile", "handoff"),
        ("trust earned elsewhere does not carry", known, "", "operation: profile, channel: switched", "handoff"),
        ("without the scope nothing is shown", known, "", "operation: profile, scope: missing", "deny"),
        ("while the agent is pulled back a person answers", known, "service.engaged", "operation: chat", "handoff"),
    ]
    if answers.accounts != NONE:
        stories.append(("a closed account is for a person", known, "account.closed", "operation: chat", "handoff"))
    if answers.agent:
        stories.append(("an unregistered agent is refused", known, "", "operation: chat, actor: stranger", "deny"))
    if answers.payments:
        stories += [
            ("a payment within its limits runs", known, "", "operation: pay", "allow"),
            ("a payment past its limits waits for an approval", known, "", "operation: pay, limit: exceeded", "hold"),
            ("an old sign-in does not pay", known, "", "operation: pay, assurance: stale", "step_up"),
            (
                "a payment is not made twice",
                f"{known}, transaction: done",
                "",
                "operation: pay",
                "repeat",
            ),
        ]
        if answers.agent:
            stories.append(("what an agent pays waits for a person", known, "", "operation: pay, actor: agent", "hold"))
    for name, given, when, ask, outcome in stories:
        yield ""
        yield f"- name: {name}"
        yield f"  given: {{{given}}}"
        if when:
            yield f"  when: [{when}]"
        yield f"  ask: {{{ask}}}"
        yield f"  then: {{outcome: {outcome}}}"


def _readme(answers: Answers, session: str, made: tuple[str, ...]) -> str:
    name = "".join(char for char in answers.name if char.isprintable() and char not in "`<>#")
    listed = "\n".join(f"- `{path}`" for path in made)
    return f"""\
# The policy {name}

It extends `{answers.extends}` and says only what differs: who may speak, what can be asked, what callers get.

{listed}

Prove it, run its scenarios, see it whole, and ask why something was decided:

```sh
authguard policy check .
authguard policy test .
authguard policy show .
authguard policy graph . --format html --output policy.html
authguard policy explain . --operation chat --state session=idle
```

`check` proves that every state answers every event and that every case has a decision. `test` runs the scenarios and
names what none of them takes. Name the operations of your own app in `policy.yaml`, and add a scenario for each.

## How a session moves

```mermaid
{session}```
"""
