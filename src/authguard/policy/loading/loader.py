"""From a name or a path to a draft with every problem: read, merge, hold against the models, assemble.

Nothing here raises for a bad policy; what is wrong with it is what is given back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from authguard.policy.compiled_policy import Changes
from authguard.policy.loading import locator
from authguard.policy.loading.builder import build_draft
from authguard.policy.loading.merge import find_changes, merge
from authguard.policy.loading.validation import validate_document
from authguard.policy.loading.yaml_parser import MAX_NODES, MAX_PROBLEMS, parse_yaml
from authguard.policy.problem import Place, Problem, did_you_mean
from authguard.policy.schema import removed_key, reserved_key
from authguard.policy.tree import Node, quote

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.policy.draft import Draft
    from authguard.policy.loading.locator import PolicyFile

#: Every code that reading can give, and what it means; the reference is generated from this table and from the checks'.
CODES: Final[dict[str, str]] = {
    "agent-issuer": "several issuers may speak, and an agent does not say whose client it is, or names none of them",
    "answer-unclear": "what a verification service answers is read in one way, and words need their meaning",
    "alias": "YAML aliases are refused: they make a small file large, and a reader look in two places",
    "ambiguous-boolean": "an unquoted `yes`, `no`, `on`, `off`, `y` or `n`: YAML 1.1 and 1.2 read it differently",
    "anchor": "YAML anchors are refused, as aliases are",
    "blank": "a key without a value",
    "byte-order-mark": "the file begins with a byte order mark",
    "call": "a `call` that is not `package.module:function`",
    "channel-unclear": "channels come from one of `header`, `claim`, `paths`, and a header only beside a secret",
    "currency": "a currency that is neither three letters nor a pointer into the body",
    "directive": "YAML directives are refused; a policy is YAML 1.2",
    "duplicate-key": "a key is set twice in one mapping",
    "duration": "a duration without its unit, of no length where one is needed, or longer than ten years",
    "empty-file": "the file holds nothing",
    "extends-cycle": "a policy extends itself, in one step or in several",
    "extends-missing": "the policy that is extended does not exist",
    "extends-outside": "`extends` leads out of the policy's own folder",
    "extends-too-deep": "too many policies extend one another",
    "file-missing": "the policy asked for does not exist",
    "file-too-large": "a policy file is at most 1 MiB",
    "key-file-outside": "a key file lies outside of the policy's own folder",
    "key-not-for-kind": "a key that does not go with the kind, type or source beside it",
    "key-not-text": "a key that is not text",
    "limit-unclear": "a limit counts calls per call",
    "malformed-value": "text that does not have the form asked for",
    "match-unclear": "an operation matches neither or both of `path` and `websocket`, or a WebSocket's method",
    "merge-key": "the YAML 1.1 merge key; `extends` merges policies",
    "method-unclear": "a method asks neither or both of `all` and a `quorum`, or a quorum larger than its verifiers",
    "missing-key": "a key that must be there is not",
    "money": "an amount that is not decimal digits, a blank and three letters",
    "not-a-list": "a file of scenarios is a list",
    "not-a-mapping": "the file is a list or a scalar",
    "not-a-number": "`.nan` and `.inf` are no numbers to decide by",
    "not-in-this-release": "a key of the language that this release does not enforce, and so does not accept",
    "not-utf-8": "the file is not UTF-8",
    "out-of-range": "a number, or a length, out of its bounds",
    "refused-character": "a control character, or one that makes text show in another order than it reads",
    "removed-key": "a key of an earlier release; the advice says what to write instead",
    "renamed-key": "a key of an earlier release under its old name; the message says the new name",
    "message": "words for the customer that are not text, or text per channel and language",
    "several-documents": "a file holds one YAML document",
    "size": "a size without its unit, or over 64 MiB",
    "staff-issuer": "several issuers may speak, and `staff` does not say whose roles count, or names none of them",
    "syntax": "the file is not YAML",
    "tab": "tabs are refused, so that indentation is what it looks like",
    "tag": "YAML tags are refused; types come from the schema",
    "too-deep": "nested too deep",
    "too-many-items": "too many items in one list or mapping",
    "too-many-nodes": "too many values in a policy and what it extends",
    "too-many-problems": "there are more problems than are shown",
    "unknown-key": "a key that is not in the language, with the nearest one that is",
    "unknown-value": "a value that is none of the closed set, with the nearest one that is",
    "unknown-version": "`authguard:` is not the version of the language that this release reads",
    "wrong-type": "a list where text belongs, a number where a list belongs, and so on",
}

VERSION: Final = 1
#: how many policies may extend one another
MAX_EXTENDS_DEPTH: Final = 8


@dataclass(frozen=True, slots=True)
class LoadedDraft:
    """What a policy's files came to.

    Attributes:
        draft: the merged document; ``None`` where its files or its shape are wrong, and then there are errors.
        problems: everything found, by place, at most `MAX_PROBLEMS` and one that says so.
        tree: the merged document that the digest covers, each value with its place; ``None`` where there is no draft.
    """

    draft: Draft | None
    problems: tuple[Problem, ...]
    tree: Node | None = None


def load_draft(source: str | Path, *, text: bytes | None = None) -> LoadedDraft:
    """Read a policy with all that it extends; nothing about it is proved yet.

    Args:
        source: a shipped name (``standard``, ``support-desk``) or a path.
        text: the file's bytes, where they are at hand; `source` then only names it and its folder.
    """
    trees, folder, problems = _load_files(source, text)
    if not trees:
        return LoadedDraft(None, _limit_problems(problems))
    merged, changed = trees[-1], Changes()
    for child in reversed(trees[:-1]):
        merged, changed = merge(merged, child), find_changes(merged, child)
    merged = _without_extends(merged)
    merged, gone = removed_key.report_removed_keys(merged)
    merged, waiting = reserved_key.report_reserved_keys(merged)
    document, misshapen = validate_document(merged)
    problems += [*gone, *misshapen]
    if document is None or problems:
        return LoadedDraft(None, _limit_problems([*problems, *waiting]))
    draft, assembled = build_draft(document, merged, folder)
    return LoadedDraft(replace(draft, changes=changed), _limit_problems([*waiting, *assembled]), merged)


def _without_extends(merged: Node) -> Node:
    """Leave out what is merged already, so that the document written out is whole and has the same digest."""
    kept = dict(merged.entries())
    if "extends" in kept and kept["extends"].is_valid and isinstance(kept["extends"].value, str):
        del kept["extends"]
    return Node(kept, merged.place, merged.is_valid)


def _limit_problems(problems: list[Problem]) -> tuple[Problem, ...]:
    found = sorted(dict.fromkeys(problems), key=lambda problem: (problem.place, problem.code, problem.message))
    if len(found) <= MAX_PROBLEMS:
        return tuple(found)
    message = f"there are more problems than the {MAX_PROBLEMS} that are shown"
    return (*found[:MAX_PROBLEMS], Problem(code="too-many-problems", place=found[-1].place, message=message))


def _load_files(source: str | Path, text: bytes | None) -> tuple[list[Node], Path, list[Problem]]:
    """Read the file and all that it extends.

    Returns:
        The trees, the child first; the folder that no path may leave; and the problems.
    """
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
        got = parse_yaml(data, file.shown, nodes_left)
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


def _suggest_policy(typed: str) -> str:
    return did_you_mean(typed[:64], locator.shipped_policies())


class _RefusedError(Exception):
    """A policy may not extend what it names."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


def _find_parent(file: PolicyFile, reference: str, seen: set[Path], depth: int) -> PolicyFile:
    """Find what a file extends, and remember it in `seen`."""
    try:
        parent = (
            locator.find_shipped(reference)
            if locator.is_name(reference)
            else locator.resolve_reference(file, reference)
        )
    except locator.OutsideFolderError:
        message = f"{quote(reference)} leads out of the policy's own folder"
        raise _RefusedError("extends-outside", message) from None
    if parent.path in seen:
        raise _RefusedError("extends-cycle", f"{quote(reference)} leads back to a policy that extends it")
    if depth > MAX_EXTENDS_DEPTH:
        raise _RefusedError("extends-too-deep", f"more than {MAX_EXTENDS_DEPTH} policies extend one another")
    seen.add(parent.path)
    return parent


def _check_version(tree: Node) -> tuple[Node, tuple[Problem, ...]]:
    """Ask for the one version of the language; a wrong one is told of once and then read as if it were right."""
    written = tree.entries().get("authguard")
    if not tree.is_valid or (written and type(written.value) is int and written.value == VERSION):
        return tree, ()
    advice = f"write `authguard: {VERSION}`"
    if written is None:
        problem = Problem(code="missing-key", place=tree.place, message="the key `authguard` is missing", advice=advice)
    else:
        message = "this is no version of the policy language that this release reads"
        problem = Problem(code="unknown-version", place=written.place, message=message, advice=advice)
    return Node({**tree.entries(), "authguard": Node(VERSION, problem.place)}, tree.place), (problem,)
