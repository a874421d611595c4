"""Answers for `authguard policy init`: from options, from defaults, or from questions on the terminal.

Rule: one validator. An answer is valid if the policy that it produces has no error, by the loader and the checks of the
policy itself; closed sets (provider, level) name the known values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import typer
from msgspec import Struct
from msgspec.structs import replace

from authguard.cli.output import USAGE, print_error
from authguard.cli.prompt import ask, ask_yes_or_no, has_terminal
from authguard.cli.terminal import escape
from authguard.policy.checks.deployment import ASYMMETRIC
from authguard.policy.loading import locator
from authguard.policy.loading.preset import LEVELS, list_presets, load_preset
from authguard.policy.problem import did_you_mean
from authguard.policy.scaffold import Answers, find_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authguard.policy.operation_proposal import Proposal
    from authguard.policy.problem import Problem

#: default provider; the issuer of its example has a reserved host name (RFC 2606)
DEFAULT_PROVIDER: Final = "generic"
#: the shipped policy with all questions; the others have their own operations
STANDARD: Final = "standard"
#: fields of `Answers` that only `STANDARD` uses
_OWN: Final = (
    *("payments", "accounts", "level", "approver", "approvals", "agent", "channels", "verifier", "staff"),
    *("app", "openapi"),
)

#: answers that are texts, in the order of the questions
_TEXTS: Final = (
    *("name", "provider", "issuer", "audience", "accounts", "level", "approver", "approvals", "agent"),
    *("channels", "verifier", "staff"),
)
#: numbers of persons who can approve
_COUNTS: Final = tuple("123456789")
#: answers about the persons who approve
_APPROVAL: Final = ("approver", "approvals")


class Given(Struct, frozen=True, kw_only=True):
    """The values of the options; ``None`` for an option that is not given."""

    name: str | None = None
    extends: str = STANDARD
    provider: str | None = None
    issuer: str | None = None
    audience: str | None = None
    keys: Path | None = None
    payments: bool | None = None
    accounts: str | None = None
    level: str | None = None
    approver: str | None = None
    agent: str | None = None
    approvals: str | None = None
    channels: str | None = None
    verifier: str | None = None
    staff: str | None = None
    app: str | None = None
    openapi: Path | None = None
    operations: tuple[Proposal, ...] = ()

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the text of every given answer, in the order of the questions."""
        for name in _TEXTS:
            value = getattr(self, name)
            if value is not None:
                yield name, value


def resolve_answers(given: Given, folder: Path, *, yes: bool) -> Answers:
    """Return valid answers: those given, and for the others the defaults or what a person types.

    Args:
        given: values of the options.
        folder: folder of the new policy, which is the default of its name.
        yes: whether to use the defaults without questions.

    Raises:
        typer.Exit: an option is wrong, or there is no terminal for a question, or the input ended; the code is `USAGE`.
    """
    answers, faults = _validate_options(given, folder)
    if faults:
        for option, fault in faults.items():
            print_error(f"{option}: {escape(fault)}")
        print_error("nothing was written; correct the options named above")
        raise typer.Exit(USAGE)
    if yes:
        return answers
    missing = tuple(_missing(given))
    if missing and not has_terminal():
        options = ", ".join(_option(name) for name in missing)
        print_error(f"there is no terminal to ask on, and nothing was written; give {options}, or --yes for defaults")
        raise typer.Exit(USAGE)
    for name in missing:
        if name in _APPROVAL and not answers.has_approvers:
            continue
        answers = _ask_payments(answers) if name == "payments" else _ask_text(answers, name, given)
    return answers


def derive_name(folder: Path) -> str:
    """Derive the name of a policy from the name of its folder."""
    words = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")
    return words[:64] if re.fullmatch(r"[a-z].*", words) else "my-agent"


def _option(name: str) -> str:
    return {"extends": "--from", "payments": "--payments (or --no-payments)"}.get(name, f"--{name}")


def _missing(given: Given) -> Iterator[str]:
    """Yield the fields that need a question, in the order of the questions."""
    for name in ("name", "provider", "issuer", "audience", *(_OWN if given.extends == STANDARD else ())):
        is_answered = getattr(given, name) is not None
        is_settled = name == "payments" and (given.approver is not None or bool(given.operations))
        is_useless = name in _APPROVAL and given.payments is False
        if not (is_answered or is_settled or is_useless or name in {"app", "openapi"}):
            yield name


def _validate_options(given: Given, folder: Path) -> tuple[Answers, dict[str, str]]:
    """Return the answers with defaults for all that is not given, and option -> what is wrong with it."""
    faults = dict(_find_useless(given))
    extends, shipped = given.extends, locator.shipped_policies()
    if extends not in shipped:
        faults["--from"] = f"no policy named `{extends}` ships with authguard; {did_you_mean(extends, shipped)}"
        extends = STANDARD
    name = derive_name(folder)
    answers = Answers(
        name=name,
        issuer="",
        audience=name,
        provider=DEFAULT_PROVIDER,
        extends=extends,
        payments=given.payments is not False,
        operations=given.operations,
    )
    answers = replace(answers, issuer=load_preset(answers.provider).example["issuer"])
    if given.keys is not None:
        try:
            answers = replace(answers, keys=read_keys(given.keys))
        except ValueError as error:
            faults["--keys"] = str(error)
    whole = answers
    for field, text in given.texts():
        if fault := faults.get(_option(field)) or _find_fault_of_text(field, text):
            faults[_option(field)] = fault
        else:
            whole = apply(whole, field, text, given)
    if not find_errors(whole):
        return whole, faults
    for field, text in given.texts():  # find the options to which the errors belong
        if fault := faults.get(_option(field)) or find_fault(answers, field, text):
            faults[_option(field)] = fault
        else:
            answers = apply(answers, field, text, given)
    return answers, faults


def _find_useless(given: Given) -> Iterator[tuple[str, str]]:
    """Yield the options without an effect on the policy, since a person who gives one expects an effect."""
    if given.extends != STANDARD and given.extends in locator.shipped_policies():
        for name in _OWN:
            if getattr(given, name) is not None:
                yield (
                    _option(name).split()[0],
                    f"it has no effect with `--from {given.extends}`, which has its own; leave it out",
                )
        return
    if given.payments is False:
        for name in _APPROVAL:
            if getattr(given, name) is not None:
                yield _option(name), "it has no effect with --no-payments; leave out one of the two"
    if given.operations and given.payments is not None:
        source = "--app" if given.app is not None else "--openapi"
        yield "--payments", f"it has no effect with {source}, which has the operations; leave it out"
    if given.app is not None and given.openapi is not None:
        yield "--openapi", "it has no effect with --app; leave out one of the two"


def apply(answers: Answers, field: str, text: str, given: Given) -> Answers:
    """Return the answers with a valid answer, and with the defaults that follow from it."""
    changed = _replace(answers, field, text)
    if field == "provider" and given.issuer is None:
        return replace(changed, issuer=load_preset(text).example["issuer"])
    if field == "name" and given.audience is None:
        return replace(changed, audience=text)
    return changed


def _replace(answers: Answers, field: str, text: str) -> Answers:
    changed: dict[str, Any] = {field: text}
    return replace(answers, **changed)


def _list_values(field: str) -> tuple[str, ...]:
    """Return the values of a closed set; empty for other answers."""
    return list_presets() if field == "provider" else LEVELS if field == "level" else ()


def find_fault(answers: Answers, field: str, text: str) -> str:
    """Return what is wrong with an answer and what to type instead; empty if it is valid.

    Args:
        answers: valid answers of the other questions.
        field: field of `Answers`.
        text: the answer.
    """
    if fault := _find_fault_of_text(field, text):
        return fault
    errors = find_errors(_replace(answers, field, text))
    return _describe(errors[0], field) if errors else ""


def _find_fault_of_text(field: str, text: str) -> str:
    """Return what is wrong with the characters of an answer, or with the choice from a closed set."""
    if not text.isprintable():  # also what is not UTF-8
        return f"`{text[:64]}` has a character that cannot be printed; type it without"
    if field == "approvals" and text not in _COUNTS:
        return f"`{text[:64]}` is no number of persons; type a number from 1 to 9"
    known = _list_values(field)
    if known and text not in known:
        what = "a preset of an identity provider" if field == "provider" else "an assurance level"
        return f"`{text[:64]}` is not {what}; {did_you_mean(text[:64], known)}"
    return ""


def _describe(problem: Problem, field: str) -> str:
    """Return the message and the advice of a problem; the advice is the question's own if it names a key."""
    advice = _ADVICE[problem.code] if problem.code in _ADVICE and field == "issuer" else problem.advice
    return f"{problem.message}; {advice}" if advice else problem.message


#: problem code -> what to type for the issuer; the advice of the check is a line of the policy
_ADVICE: Final = {
    "issuer-insecure": "type its URL, such as `https://idp.example`",
    "issuer-tenants": "type the address with the ID of the tenant, as in `iss`",
}
_QUESTIONS: Final = {
    "name": "Name of the policy",
    "provider": "Identity provider",
    "issuer": "Issuer of the tokens (URL)",
    "audience": "Audience of the tokens",
    "accounts": "Claim with the status of an account (`none` for none)",
    "level": "Assurance level that proves the identity",
    "approver": "Role that approves payments",
    "approvals": "Number of persons who approve",
    "agent": "Agent that may act for customers (empty for none)",
    "channels": "Channels that a gateway names, separated by commas (`none` for none)",
    "verifier": "URL of the service that verifies identity (`none` if a person does)",
    "staff": "Claim with the roles of staff (`none` for none)",
}


def _ask_text(answers: Answers, name: str, given: Given) -> Answers:
    question = _QUESTIONS[name]
    if known := _list_values(name):
        question += f" ({', '.join(known)})"
    answer = ask(
        question,
        getattr(answers, name),
        lambda text: "" if name == "agent" and not text else find_fault(answers, name, text),
        otherwise=f"give it with {_option(name)}, or give --yes for the defaults",
    )
    return apply(answers, name, answer, given)


def _ask_payments(answers: Answers) -> Answers:
    pays = ask_yes_or_no(
        "Does the app have an operation of high risk, such as a payment? (y/n)",
        default=True,
        otherwise=f"give {_option('payments')}, or give --yes for the defaults",
    )
    return replace(answers, payments=pays)


def read_keys(path: Path) -> str:
    """Return the text of a JWK Set that has a key that can verify a signature.

    Raises:
        ValueError: the file cannot be read, or is no such set; the message says what to give.
    """
    from authguard.credentials.issuer_document import MAX_RESPONSE_BYTES  # noqa: PLC0415 - only --keys needs it

    advice = "name a JWK Set, or leave out --keys to fetch the keys from the issuer"
    try:
        with path.open("rb") as file:
            text = file.read(MAX_RESPONSE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"`{path}` cannot be read: {reason}; {advice}") from None
    try:
        return _check_keys(text)
    except ValueError as error:
        raise ValueError(f"`{path}` is not a usable JWK Set (RFC 7517 5): {error}; {advice}") from None


def _check_keys(text: bytes) -> str:
    from authguard.credentials.issuer_document import MAX_RESPONSE_BYTES, MAX_RESPONSE_NODES  # noqa: PLC0415
    from authguard.credentials.jwk_set import load_jwks  # noqa: PLC0415
    from authguard.formats.strict_json import parse_object  # noqa: PLC0415 - only --keys needs the next three

    if len(text) > MAX_RESPONSE_BYTES:
        raise ValueError("it is larger than 256 KiB")
    if not load_jwks(parse_object(text, nodes=MAX_RESPONSE_NODES), frozenset(ASYMMETRIC)).keys:
        raise ValueError("it has no key that can verify a signature")
    return text.decode()
