"""Text of a new policy: only what differs from the policy that it extends.

Rule: answers are data; `yaml_document.scalar` writes them into YAML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.loading.preset import LEVELS, load_preset
from authguard.policy.render.proposed_operations import render_operations
from authguard.policy.render.yaml_document import scalar
from authguard.policy.scaffold.answers import KEYS_FILENAME, NONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.scaffold.answers import Answers

_PERSON: Final = "{kind: handoff, queue: identity, message: A colleague will check with you who you are.}"
#: first line of a file that names its schema
SCHEMA_LINE: Final = "# yaml-language-server: $schema="


def write_policy(answers: Answers) -> Iterator[str]:
    """Yield the lines of a policy."""
    yield f"{SCHEMA_LINE}authguard.schema.json"
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
    if answers.operations:
        role = answers.approver if answers.staff != NONE else ""
        yield from render_operations(answers.operations, answers.level, has_scopes=has_scopes, staff_role=role)
    else:
        yield from _example_operations(answers, has_scopes=has_scopes)
    yield "otherwise: deny                        # any other request is refused"
    yield ""
    yield f"assurance: {{order: [{', '.join(LEVELS)}]}}     # assurance levels, weakest first"
    yield f"identity: {{credential: {scalar(answers.level)}}}           # a sign-in at this level proves the identity"
    yield ""
    yield from _verifiers(answers)
    yield from _channels(answers)
    yield from _proof_of_identity(answers)
    yield f"  prove_otherwise: {_PERSON}"
    if answers.has_approvers:
        approvers = f"{{role: {scalar(answers.approver)}, count: {int(answers.approvals)}}}"
        yield f"  await_approval: {{kind: hold, approvers: {approvers}}}"
    if answers.staff != NONE:
        yield ""
        yield "staff:                                 # roles of staff in tokens of this issuer"
        yield f"  claim: {scalar(answers.staff)}"
        yield f"  issuer: {scalar(answers.issuer)}"


def _channels(answers: Answers) -> Iterator[str]:
    """Yield the channels that a gateway states; identity proved in one counts in no other until the policy says so."""
    if answers.channels == NONE:
        return
    names = [name.strip() for name in answers.channels.split(",")]
    yield "channels:                              # the gateway names the channel, and proves itself by a secret"
    yield "  from: {header: X-Channel, secret_header: X-Channel-Secret, secret_env: CHANNEL_SECRET}"
    yield f"  trusts: {{{', '.join(f'{scalar(name)}: []' for name in names)}}}   # add where proof counts too"
    yield ""


def _verifiers(answers: Answers) -> Iterator[str]:
    if answers.verifier == NONE:
        return
    yield "verifiers:                             # the service that verifies identity"
    yield f"  identity: {{type: http, url: {scalar(answers.verifier)}, timeout: 2s, pass_at: 0.9, fail_at: 0.5}}"
    yield "methods:"
    yield "  default: {all: [identity], attempts: 3, per: 15m}"
    yield ""


def _example_operations(answers: Answers, *, has_scopes: bool) -> Iterator[str]:
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


def _proof_of_identity(answers: Answers) -> Iterator[str]:
    """Yield what proves the identity: a stronger sign-in if the provider has one, otherwise a person."""
    signs_in = answers.proof == "step_up"
    if signs_in:
        yield "decisions:                             # placed before the inherited rules of the same phase"
        yield "  # a stronger sign-in proves the identity"
        yield "  - phase: identity"
        yield "    when: {actor: subject, verification: [unverified, pending], risk: [sensitive, high]}"
        yield "    do: sign_in_stronger"
        yield ""
    yield "fallbacks:"
    if signs_in:
        level = scalar(answers.level)
        yield f"  sign_in_stronger: {{kind: step_up, acr: {level}, attempts: 3, per: 15m, then: to_a_person}}"
    if answers.verifier != NONE:
        yield "  prove_identity: {kind: verify, methods: [default], attempts: 3, per: 15m, then: to_a_person}"
        return
    yield "  # without a verification service, a person verifies the identity"
    yield f"  prove_identity: {_PERSON}"
