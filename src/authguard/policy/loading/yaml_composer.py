"""Compose the nodes of a YAML file from the events of its parser.

Rule: only this file imports `ruamel.yaml`, and it uses parser events only: tags, aliases and merge keys are never
resolved. A start that reads only shipped policies, which are parsed already, does not import it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from authguard.core.claim_source import label_of
from authguard.policy.loading.yaml_mistake import Mistake, find_mistake
from authguard.policy.loading.yaml_scalar import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_NODES,
    MAX_PROBLEMS,
    MAYBE_BOOLEAN,
    NO_NUMBER,
    NULLS,
    REFUSED_CHARACTER,
    resolve_scalar,
)
from authguard.policy.problem import Place, Problem
from authguard.policy.tree import Node, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGIN: Final = "write `authguard: 1`, `name: NAME` and `extends: standard`, or run `authguard policy init`"
_BLANK_ADVICE: Final = "write one, indented if it stands below its key, or leave the key out"
_Event = Any  # ruamel.yaml leaves its events untyped


class _BoundError(Exception):
    """A limit was exceeded and reported; the rest of the file is not parsed."""


def parse_events(text: str) -> Iterator[_Event]:
    """Parse text to events; an exception of the parser is raised by the iterator."""
    return iter(YAML(typ="safe", pure=True).parse(text))


@dataclass(slots=True)
class Composer:
    """Builds nodes from parser events; reports refused syntax and continues if that is safe."""

    file: str
    events: Iterator[_Event]
    max_nodes: int
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0

    def document(self, nothing: Node) -> Node:
        """Return the only document; `nothing` if there is none or its type is wrong."""
        try:
            return self._document(nothing)
        except _BoundError:
            return nothing
        except MarkedYAMLError as error:
            mistake = find_mistake(str(error.problem or ""), str(error.context or ""))
            marks = (error.problem_mark, error.context_mark)
            first, other = reversed(marks) if mistake.at_context else marks
            mark = first or other
            place = Place(self.file, mark.line + 1, mark.column + 1) if mark else nothing.place
            self._report_syntax(place, mistake)
        except Exception as error:  # noqa: BLE001 - a bad file can make the parser raise any exception
            self._report_syntax(nothing.place, find_mistake(type(error).__name__, ""))
        return nothing

    def _report_syntax(self, place: Place, mistake: Mistake) -> None:
        problem = Problem(code="syntax", place=place, message=mistake.message, advice=mistake.advice)
        self.problems.append(problem)

    def _document(self, nothing: Node) -> Node:
        root = nothing
        started = False
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                if started:
                    self._report("several-documents", event, "a second document", "keep one document in a file")
                    return root
                started = True
            elif isinstance(event, NodeEvent):
                root = self._node(event, 1)
                if type(root.value) is not type(nothing.value):
                    if isinstance(nothing.value, tuple):
                        self._report("not-a-list", event, "scenarios are a list", "begin each with `- name:`")
                    else:
                        message, advice = "a policy is a mapping of keys", "begin with `authguard: 1`"
                        self._report("not-a-mapping", event, message, advice)
                    root = nothing
        if not started:
            advice = "begin with `- name:`" if isinstance(nothing.value, tuple) else _BEGIN
            problem = Problem(code="empty-file", place=nothing.place, message="the file has no content", advice=advice)
            self.problems.append(problem)
        return Node(root.value, nothing.place, root.is_valid)

    def _report(self, code: str, event: _Event, message: str, advice: str = "") -> None:
        self._add(Problem(code=code, place=self._place(event), message=message, advice=advice))

    def _add(self, problem: Problem) -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            raise _BoundError
        self.problems.append(problem)

    def _place(self, event: _Event) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: _Event, depth: int, place: Place | None = None) -> Node:
        """Parse one node; the value of a key has the key's place."""
        self.nodes += 1
        if self.nodes > self.max_nodes:
            self._report("too-many-nodes", event, f"more than {MAX_NODES} values in the policy and its base policies")
            raise _BoundError
        if depth > MAX_DEPTH:
            self._report("too-deep", event, f"nested deeper than {MAX_DEPTH}")
            raise _BoundError
        place = place or self._place(event)
        is_valid = self._check_plain(event)
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, depth, place, is_valid=is_valid)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event, depth, place, is_valid=is_valid)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, place, is_valid=is_valid)
        return Node("", place, is_valid=False)

    def _check_plain(self, event: _Event) -> bool:
        if isinstance(event, AliasEvent):
            self._report("alias", event, f"the alias {quote('*' + event.anchor)}", "write the value out")
            return False
        if event.anchor is not None:
            self._report("anchor", event, f"the anchor {quote('&' + event.anchor)}", "remove it; write values out")
        if event.tag is not None:
            self._report("tag", event, f"the tag {quote(event.tag)}", "remove it; types come from the schema")
        return event.anchor is None and event.tag is None

    def _sequence(self, event: _Event, depth: int, place: Place, *, is_valid: bool) -> Node:
        items: list[Node] = []
        while not isinstance(inner := next(self.events), SequenceEndEvent):
            self._check_item_count(event, len(items))
            items.append(self._node(inner, depth + 1))
        return Node(tuple(items), place, is_valid=is_valid)

    def _mapping(self, event: _Event, depth: int, place: Place, *, is_valid: bool) -> Node:
        entries: dict[str, Node] = {}
        while not isinstance(inner := next(self.events), MappingEndEvent):
            self._check_item_count(event, len(entries))
            key = self._key(inner, depth)
            value = self._node(next(self.events), depth + 1, self._place(inner))
            if key is None:
                is_valid = False
            elif key in entries:
                first = entries[key].place
                self._report("duplicate-key", inner, f"{quote(key)} is already set in line {first.line}", "keep one")
            else:
                entries[key] = value
        return Node(entries, place, is_valid=is_valid)

    def _check_item_count(self, event: _Event, items: int) -> None:
        if items >= MAX_ITEMS:
            self._report("too-many-items", event, f"more than {MAX_ITEMS} items in one list or mapping")
            raise _BoundError

    def _key(self, event: _Event, depth: int) -> str | None:
        """Return a key as text, or ``None`` for a refused key, whose entry is dropped."""
        if not isinstance(event, ScalarEvent):
            if not isinstance(event, AliasEvent):
                self._report("key-not-text", event, "a key that is not plain text", "use a word as the key")
            self._node(event, depth + 1)
            return None
        plain = not event.style
        if plain and event.value == "<<":
            self._report("merge-key", event, "the merge key `<<`", "write the values out, or use `extends`")
            return None
        if plain and event.value == "on":  # a key of the policy language
            return "on"
        node = self._scalar(event, self._place(event), is_valid=self._check_plain(event), noun="key")
        # a boolean or a number is a key by its text, as the values of claims and statuses are
        return label_of(node.value) if node.is_valid and isinstance(node.value, str | int | float) else None

    def _scalar(self, event: _Event, place: Place, *, is_valid: bool, noun: str = "value") -> Node:
        text: str = event.value
        if found := REFUSED_CHARACTER.search(text):
            message = f"the character U+{ord(found[0]):04X} is not allowed in a policy, nor its escape"
            self._report("refused-character", event, message, "remove it")
            return Node("", place, is_valid=False)
        if event.style or not is_valid:
            return Node(text, place, is_valid=is_valid)
        if text in NULLS:
            blank = Problem(code="blank", place=place, message=f"a blank {noun}", advice=_BLANK_ADVICE)
            self._add(blank)  # at the key: the parser places an empty value at the next token
            return Node("", place, is_valid=False)
        if text.lower() in MAYBE_BOOLEAN:
            advice = f'write `true` or `false`, or quote it: `"{text}"`'
            self._report("ambiguous-boolean", event, f"the {noun} {quote(text)} is unquoted", advice)
            return Node(text, place, is_valid=False)
        if NO_NUMBER.fullmatch(text):
            self._report("not-a-number", event, f"{quote(text)} is not a finite number")
            return Node(text, place, is_valid=False)
        return Node(resolve_scalar(text), place)
