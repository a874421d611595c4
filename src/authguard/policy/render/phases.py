"""What reaches each phase of a decision table: the values that its rules can meet, in all requests and by risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from authguard.core.decision_table import PHASES
from authguard.policy.table.boxes import GAP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from authguard.core.decision_table import Rule
    from authguard.policy.table.boxes import Box, Space
    from authguard.policy.table.coverage import TableCoverage

RISK: Final = "risk"


class PhaseReach(Struct, frozen=True, kw_only=True):
    """The cells that no rule of an earlier phase decides.

    Attributes:
        phase: name.
        rules: number of rules in the phase.
        cells: number of cells that reach it.
        box: for each dimension, the values of these cells.
        risks: for each risk that reaches it, the values of the cells with this risk.
    """

    phase: str
    rules: int
    cells: int
    box: Box
    risks: Mapping[str, Box]


def find_reaches(rules: Sequence[Rule], space: Space, proof: TableCoverage) -> tuple[PhaseReach, ...]:
    """Return what reaches each phase.

    Args:
        rules: of the table, in order.
        space: its cells.
        proof: which rule decides each cell.
    """
    found = []
    deciders = {(risk, name): _deciding(space, proof, risk, name) for risk in _risks(space) for name in space.values}
    for place, phase in enumerate(PHASES):
        later = frozenset(rule.index for rule in rules if PHASES.index(rule.phase) >= place) | {GAP}
        risks = {}
        for risk in _risks(space):
            box = tuple(
                sum(1 << bit for bit, known in enumerate(deciders[risk, name]) if known & later)
                for name in space.values
            )
            if all(box):
                risks[risk] = box
        found.append(
            PhaseReach(
                phase=phase,
                rules=sum(rule.phase == phase for rule in rules),
                cells=sum(proof.cells(index, space.whole) for index in later),
                box=tuple(_unite(masks) for masks in zip(*risks.values(), strict=True)) if risks else (),
                risks=risks,
            )
        )
    return tuple(found)


def _risks(space: Space) -> tuple[str, ...]:
    return space.values[RISK]


def _deciding(space: Space, proof: TableCoverage, risk: str, name: str) -> list[frozenset[int]]:
    """Return the rules that decide a cell of one risk, for each value of a dimension."""
    wanted = ({RISK: {risk}} | {name: {value}} if name != RISK or value == risk else {} for value in space.values[name])
    return [proof.deciders(space.box(when)) if when else frozenset() for when in wanted]


def _unite(masks: Sequence[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found


def format_reaches(reaches: Sequence[PhaseReach], space: Space) -> Iterator[str]:
    """Yield lines of text."""
    for one in reaches:
        yield f"{one.phase}: {one.rules} rule{'s' * (one.rules != 1)}, {one.cells:,} cells"
        if not one.cells:
            continue
        yield f"  {space.words(one.box)}"
        narrower: dict[str, list[str]] = {}
        for risk, box in one.risks.items():
            names = [name for name, mask, wide in zip(space.values, box, one.box, strict=True) if mask != wide]
            kept = {name for name in names if name != RISK}
            words = space.words(
                tuple(
                    mask if name in kept else full
                    for name, mask, full in zip(space.values, box, space.whole, strict=True)
                )
            )
            if kept:
                narrower.setdefault(words, []).append(f"`{risk}`")
        for words, risks in narrower.items():
            yield f"  with risk {' or '.join(risks)}: {words}"


def list_reaches(reaches: Sequence[PhaseReach], space: Space) -> list[dict[str, Any]]:
    """Return data with stable keys."""
    return [
        {
            "phase": one.phase,
            "rules": one.rules,
            "cells": one.cells,
            "values": _values(one.box, space),
            "risks": {risk: _values(box, space) for risk, box in one.risks.items()},
        }
        for one in reaches
    ]


def _values(box: Box, space: Space) -> dict[str, list[str]]:
    return {
        name: [value for bit, value in enumerate(known) if mask >> bit & 1]
        for mask, (name, known) in zip(box, space.values.items(), strict=False)
    }
