"""Load a policy by name or path: parse, merge, validate, and build a draft with all problems.

A bad policy raises no exception; the result contains its problems.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from authguard.core.content import Changes
from authguard.policy.loading import locator
from authguard.policy.loading.builder import build_draft
from authguard.policy.loading.likeness import expand_like
from authguard.policy.loading.merge import find_changes, merge, order_by_phase
from authguard.policy.loading.parsed_file import read_parsed
from authguard.policy.loading.preset import apply_presets
from authguard.policy.loading.validation import validate_document
from authguard.policy.loading.yaml_parser import ParsedYaml, parse_yaml
from authguard.policy.loading.yaml_scalar import MAX_NODES, MAX_PROBLEMS
from authguard.policy.problem import Place, Problem, did_you_mean
from authguard.policy.schema import removed_key, reserved_key
from authguard.policy.tree import Node, quote

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.policy.draft import Draft
    from authguard.policy.loading.locator import PolicyFile

#: problem code of loading -> meaning; the reference is generated from this table and the table of the checks
CODES: Final[dict[str, str]] = {
    "agent-issuer": "the policy has several issuers, and an agent names no issuer or an unknown one",
    "answer-unclear": "the response of a verification service needs exactly one result, and a word needs its `map`",
    "alias": "YAML aliases are refused: they make a small file large and spread a value over two places",
    "ambiguous-boolean": "an unquoted `yes`, `no`, `on`, `off`, `y` or `n`: YAML 1.1 and 1.2 read it differently",
    "anchor": "YAML anchors are refused, like aliases",
    "blank": "a key without a value",
    "by-limit-unclear": "a rule that does `by_limit` names no exceeded limit, or something else",
    "byte-order-mark": "the file starts with a byte order mark",
    "call": "a `call` that is not `package.module:function`",
    "channel-reserved": "`same`, `switched`, `unknown` and `default` mean something else than a channel in rules",
    "channel-unclear": "channels come from exactly one of `header`, `claim`, `paths`; a header needs a secret",
    "condition-source": "a condition comes from exactly one of its sources; a header needs a secret",
    "condition-values": "a text or a moment means two values of a condition, or a value has a reserved name",
    "credential-place": "an entry of `credentials` names no place, several, or one that another entry names",
    "currency": "a currency that is neither three letters nor a pointer into the body",
    "directive": "YAML directives are refused; a policy is YAML 1.2",
    "duplicate-key": "a key is set twice in one mapping",
    "duration": "a duration without a unit, not positive where that is required, or longer than ten years",
    "empty-file": "the file is empty",
    "extends-cycle": "a policy extends itself, in one step or in several",
    "extends-missing": "the policy in `extends` does not exist",
    "extends-outside": "`extends` names a file outside the policy's folder",
    "extends-too-deep": "the chain of `extends` is too long",
    "file-missing": "the requested policy does not exist",
    "file-too-large": "a policy file is at most 1 MiB",
    "key-file-outside": "a key file is outside the policy's folder",
    "key-not-for-kind": "a key that is not allowed with this kind, type or source",
    "key-not-text": "a list or a mapping as a key",
    "limit-unclear": "a limit counts calls per call",
    "limit-unnamed": "a limit with `then` has no name, so that no rule or record could name it",
    "malformed-value": "text without the required form",
    "match-unclear": "an operation has neither or both of `path` and `websocket`, or a WebSocket has a method",
    "merge-key": "the YAML 1.1 merge key; `extends` merges policies",
    "method-unclear": "a method needs exactly one of `all`, `any`, `sequence`, `quorum`, and enough verifiers",
    "missing-key": "a required key is missing",
    "money": "an amount that is not decimal digits, a blank and three letters",
    "not-a-list": "a scenario file must be a list",
    "not-a-mapping": "the file is a list or a scalar instead of a mapping",
    "not-a-number": "`.nan` and `.inf` are not finite numbers",
    "not-in-this-release": "a key of the policy language that this release does not enforce, and therefore refuses",
    "not-utf-8": "the file is not UTF-8",
    "opening-hours": "spans of time that are not `Mo-Fr 08:00-18:00`, or a date that is not `2026-12-25`",
    "out-of-range": "a number or a length outside its bounds",
    "provider-unknown": "an issuer names a provider that has no preset; the advice has the most similar one",
    "place-unclear": "amount or payee have no place or two, or some are read from JSON and some from a form",
    "refused-character": "a control character, or one that hides text or changes its displayed order",
    "removed-key": "a key of an earlier release; the advice has the replacement",
    "renamed-key": "the old name of a key; the message has the new name",
    "message": "text for customers must be text, or texts by channel and language",
    "several-documents": "a file must have one YAML document",
    "size": "a size without its unit, or over 64 MiB",
    "time-zone": "a time zone that neither the system nor the package `tzdata` has",
    "staff-issuer": "the policy has several issuers, and `staff` names no issuer or an unknown one",
    "state-like": "an added state is like one that the base policy does not have",
    "syntax": "the file is not YAML",
    "tab": "tabs are refused, because indentation must be unambiguous",
    "tag": "YAML tags are refused; types come from the schema",
    "too-deep": "nesting is too deep",
    "too-many-items": "too many items in one list or mapping",
    "too-many-nodes": "too many values in a policy and its base policies",
    "too-many-problems": "more problems than are shown",
    "unknown-key": "an unknown key; the advice has the most similar known key",
    "unknown-value": "a value outside the closed set; the advice has the most similar allowed value",
    "unknown-version": "`authguard:` is not a version of the policy language that this release supports",
    "wrong-type": "a value of the wrong type, such as a list instead of text",
}

VERSION: Final = 1
#: maximum length of a chain of `extends`
MAX_EXTENDS_DEPTH: Final = 8


class LoadedDraft(Struct, frozen=True):
    """The result of loading a policy.

    Attributes:
        draft: the draft; ``None`` if a file could not be loaded or is not valid, and `problems` then has errors.
        problems: problems ordered by place, at most `MAX_PROBLEMS` and one that reports the limit.
        tree: the merged document of the digest, each value with its place; ``None`` without a draft.
    """

    draft: Draft | None
    problems: tuple[Problem, ...]
    tree: Node | None = None


def load_draft(source: str | Path, *, text: bytes | None = None) -> LoadedDraft:
    """Load a policy with its base policies, without checks.

    Args:
        source: a shipped name (``standard``, ``support-desk``) or a path.
        text: content of the file; if given, `source` only names the file and its folder.
    """
    trees, folder, problems = _load_files(source, text)
    if not trees:
        return LoadedDraft(None, _limit_problems(problems))
    merged, changed = Node({}, trees[-1].place), Changes()
    for tree in reversed(trees):
        parent, child, unlike = expand_like(merged, tree)
        problems += unlike
        has_parent = bool(merged.value)
        merged, changed = (merge(parent, child), find_changes(merged, child)) if has_parent else (child, changed)
    return _build_merged(_without_extends(merged), folder, changed, problems)


def load_merged(source: str | Path, tree: Node, changes: Changes) -> LoadedDraft:
    """Build the draft of an already merged document, such as one with a change; no file of a policy is read.

    Args:
        source: a shipped name or a path, which determines the folder that key files must not leave.
        tree: the merged document (`LoadedDraft.tree`).
        changes: of its draft.
    """
    return _build_merged(tree, locator.resolve_source(source).folder, changes, [])


def _build_merged(merged: Node, folder: Path, changed: Changes, problems: list[Problem]) -> LoadedDraft:
    merged, removed = removed_key.report_removed_keys(merged)
    merged, reserved = reserved_key.report_reserved_keys(merged)
    merged, unknown = apply_presets(merged)
    merged = order_by_phase(merged)
    document, invalid = validate_document(merged)
    # an unknown provider leaves keys out, which is no problem of its own
    problems = [*problems, *removed, *unknown, *(() if unknown else invalid)]
    if document is None or problems:
        return LoadedDraft(None, _limit_problems([*problems, *reserved]))
    draft, built = build_draft(document, merged, folder)
    return LoadedDraft(replace(draft, changes=changed), _limit_problems([*reserved, *built]), merged)


def _without_extends(merged: Node) -> Node:
    """Remove ``extends`` from the merged document, so that the printed document is complete and has the same digest."""
    kept = dict(merged.entries())
    if "extends" in kept and kept["extends"].is_valid and isinstance(kept["extends"].value, str):
        del kept["extends"]
    return Node(kept, merged.place, merged.is_valid)


def _limit_problems(problems: list[Problem]) -> tuple[Problem, ...]:
    found = sorted(dict.fromkeys(problems), key=lambda problem: (problem.place, problem.code, problem.message))
    if len(found) <= MAX_PROBLEMS:
        return tuple(found)
    message = f"more than {MAX_PROBLEMS} problems; the rest is not shown"
    return (*found[:MAX_PROBLEMS], Problem(code="too-many-problems", place=found[-1].place, message=message))


def _load_files(source: str | Path, text: bytes | None) -> tuple[list[Node], Path, list[Problem]]:
    """Load a file and its base policies: trees (the child first), the folder that paths must not leave, problems."""
    trees: list[Node] = []
    problems: list[Problem] = []
    try:
        file = locator.resolve_source(source) if text is None else locator.file_at(source)
        data = locator.read_file(file) if text is None else text
    except locator.PolicyNotFoundError as error:
        problem = Problem(
            code="file-missing", place=Place(str(source)), message=str(error), advice=_suggest_policy(str(source))
        )
        return trees, locator.NO_FOLDER, [problem]
    folder, seen, nodes_left = file.folder, {file.path}, MAX_NODES
    while True:
        got = _parse(file, data, nodes_left)
        nodes_left -= got.nodes
        tree, versioned = _check_version(got.tree)
        trees.append(tree)
        problems += [*got.problems, *versioned]
        reference = tree.entries().get("extends")
        if reference is None or not reference.is_valid or not isinstance(reference.value, str):
            return trees, folder, problems
        try:
            file = _find_parent(file, reference.value, seen, len(trees))
            data = locator.read_file(file)
        except locator.PolicyNotFoundError as error:
            problem = Problem(
                code="extends-missing",
                place=reference.place,
                message=str(error),
                advice=_suggest_policy(reference.value),
            )
            return trees, folder, [*problems, problem]
        except _RefusedError as refusal:
            problem = Problem(code=refusal.code, place=reference.place, message=str(refusal))
            return trees, folder, [*problems, problem]


def _parse(file: PolicyFile, data: bytes, max_nodes: int) -> ParsedYaml:
    """Parse a file; parse a shipped one once for all policies of this process that extend it."""
    if file.is_shipped and (got := _parse_shipped(data, file.shown)).nodes <= max_nodes:
        return got
    return parse_yaml(data, file.shown, max_nodes)


@lru_cache(maxsize=8)
def _parse_shipped(data: bytes, shown: str) -> ParsedYaml:
    return read_parsed(data, shown) or parse_yaml(data, shown, MAX_NODES)


def _suggest_policy(typed: str) -> str:
    if locator.is_shipped_name(typed):
        return "what is checked must be what runs"
    advice = did_you_mean(typed, locator.shipped_policies())
    if not advice.startswith("known") or locator.is_name(typed):
        return advice
    return f"write the path of a policy file or of its folder, or a shipped name: {advice.removeprefix('known: ')}"


class _RefusedError(Exception):
    """The policy named by `extends` is refused."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


def _find_parent(file: PolicyFile, reference: str, seen: set[Path], depth: int) -> PolicyFile:
    """Return the base policy of a file, and add it to `seen`."""
    try:
        parent = (
            locator.find_shipped(reference)
            if locator.is_name(reference)
            else locator.resolve_reference(file, reference)
        )
    except locator.OutsideFolderError:
        message = f"{quote(reference)} is outside the policy's folder"
        raise _RefusedError("extends-outside", message) from None
    if parent.path in seen:
        raise _RefusedError("extends-cycle", f"{quote(reference)} leads back to a policy that extends it")
    if depth > MAX_EXTENDS_DEPTH:
        raise _RefusedError("extends-too-deep", f"more than {MAX_EXTENDS_DEPTH} policies extend one another")
    seen.add(parent.path)
    return parent


def _check_version(tree: Node) -> tuple[Node, tuple[Problem, ...]]:
    """Report a missing or wrong language version once, and continue as if it were correct."""
    written = tree.entries().get("authguard")
    if not tree.is_valid or (written and type(written.value) is int and written.value == VERSION):
        return tree, ()
    advice = f"write `authguard: {VERSION}`"
    if written is None:
        problem = Problem(code="missing-key", place=tree.place, message="the key `authguard` is missing", advice=advice)
    else:
        message = f"{quote(written.value)} is no version of the policy language that this release supports"
        problem = Problem(code="unknown-version", place=written.place, message=message, advice=advice)
    return Node({**tree.entries(), "authguard": Node(VERSION, problem.place)}, tree.place), (problem,)
