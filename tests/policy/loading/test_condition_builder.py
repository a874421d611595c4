"""Conditions of one's own as core values, and what does not go together, each at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.core.own_conditions import UNAVAILABLE
from authguard.policy.loading.loader import load_draft

if TYPE_CHECKING:
    from authguard.core.own_conditions import OwnCondition

HEAD = "authguard: 1\nname: x\nextends: standard\nconditions:\n"
SECRET = "secret_header: X-Secret, secret_env: SEGMENT"


def read(*lines: str, more: str = "") -> tuple[dict[str, OwnCondition], list[str]]:
    """Return the conditions and the problems of a policy."""
    text = HEAD + "".join(f"  {line}\n" for line in lines) + more
    reading = load_draft("policy.yaml", text=text.encode())
    draft = reading.draft
    built = {} if draft is None else {one.name: one for one in draft.conditions}
    return built, [f"{one.place.line}:{one.code}: {one.message}" for one in reading.problems]


def test_values_are_in_order_then_the_default_then_what_could_not_be_asked() -> None:
    built, problems = read(
        "country: {from: {claim: country}, values: {home: [DE, AT], one: 1, sure: true}, default: abroad}",
        f"segment: {{from: {{header: X-Segment, {SECRET}}}, values: [vip], default: plain}}",
        "desk: {from: {time_zone: UTC}, values: {open: 'Mo 08:00-09:00'}, except: [2026-12-25], default: closed}",
        "tier: {from: {source: /tier}, values: [gold, tin], default: plain}",
        "sanctions: {from: {call: 'app.sanctions:screen', timeout: 300ms, max_age: 1h}, values: [clear, match]}",
        more="accounts: [{from: python, call: 'app.accounts:read', map: {ok: normal}}]\n",
    )
    assert problems == []
    assert {name: one.values for name, one in built.items()} == {
        "country": ("home", "one", "sure", "abroad"),
        "segment": ("vip", "plain"),
        "desk": ("open", "closed"),
        "tier": ("gold", "tin", "plain", UNAVAILABLE),
        "sanctions": ("clear", "match", UNAVAILABLE),
    }
    assert built["country"].labels == {"DE": "home", "AT": "home", "1": "one", "true": "sure"}
    assert (built["segment"].header, built["segment"].secret_header) == ("x-segment", "x-secret")
    assert (built["sanctions"].timeout, built["sanctions"].max_age) == (0.3, 3_600.0)
    hours = built["desk"].hours
    assert hours is not None
    assert len(hours.closed) == 1


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("a: {from: {claim: a, call: 'b:c'}, values: [x], default: w}", "condition-source", "comes from one of"),
        ("a: {from: {}, values: [x], default: w}", "condition-source", "comes from one of"),
        ("a: {from: {header: X-A}, values: [x], default: w}", "condition-source", "need each other"),
        (
            "a: {from: {header: X-A, secret_header: x-a, secret_env: A}, values: [x], default: w}",
            "condition-source",
            "anyone can send a header",
        ),
        ("a: {from: {source: /a}, values: [x], default: w}", "condition-source", "there are 0"),
        ("a: {from: {claim: a}, values: [x]}", "missing-key", "`default`"),
        ("a: {from: {claim: a}, values: [x], default: x}", "condition-values", "is a value already"),
        ("a: {from: {claim: a}, values: [x], default: unavailable}", "condition-values", "could not be asked"),
        ("a: {from: {call: 'b:c'}, values: [unavailable]}", "condition-values", "is a value already"),
        ("a: {from: {claim: a}, values: {x: [q], w: [q]}, default: z}", "condition-values", "for `w` and for `x`"),
        ("a: {from: {claim: a}, values: {x: [q, q]}, default: z}", "condition-values", "listed twice"),
        ("a: {from: {claim: a}, values: [x, x], default: z}", "condition-values", "not valid"),
        ("a: {from: {claim: a}, values: [], default: z}", "condition-values", "not valid"),
        ("a: {from: {claim: a}, values: {x: []}, default: z}", "condition-values", "not valid"),
        ("a: {from: {claim: a}, values: {x: [[q]]}, default: z}", "condition-values", "not valid"),
        ("a: {from: {claim: a}, values: {X: [q]}, default: z}", "condition-values", "not valid"),
        (f"a: {{from: {{claim: a}}, values: [{', '.join(f'v{n}' for n in range(17))}], default: z}}",
         "condition-values", "not valid"),
        ("a: {from: {claim: a, timeout: 1s}, values: [x], default: w}", "key-not-for-kind", "`timeout`"),
        ("a: {from: {call: 'b:c'}, values: [x], default: w}", "key-not-for-kind", "`default`"),
        ("a: {from: {claim: a}, values: [x], default: w, except: [2026-12-25]}", "key-not-for-kind", "`except`"),
        ("a: {from: {time_zone: Mars}, values: {x: 'Mo 08:00-09:00'}, default: w}", "time-zone", "`Mars`"),
        ("a: {from: {time_zone: UTC}, values: {x: 'Monday'}, default: w}", "opening-hours", "`Monday`"),
        ("a: {from: {time_zone: UTC}, values: {x: 'Mo 08:00-09:00'}, default: w, except: [25.12.]}", "opening-hours",
         "`25.12.`"),
        ("a: {from: {time_zone: UTC}, values: {x: 'Mo 08:00-09:00', w: 'Mo 08:30-10:00'}, default: z}",
         "condition-values", "Mo 08:30 is `w` and `x`"),
        ("a: {from: {header: X-A, trusted_peers: [10.0.0.0/8]}, values: [x], default: w}", "removed-key",
         "proves nothing"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_an_error_at_its_line(line: str, code: str, message: str) -> None:
    _, problems = read(line)
    assert [problem for problem in problems if problem.startswith(f"5:{code}: ") and message in problem], problems


def test_at_most_eight_conditions_are_taken() -> None:
    _, problems = read(*(f"c{n}: {{from: {{claim: c{n}}}, values: [x], default: w}}" for n in range(9)))
    assert [problem.partition(": ")[0] for problem in problems] == ["4:too-many-items"]


def test_a_base_may_leave_the_account_source_to_those_that_extend_it() -> None:
    _, problems = read("a: {from: {source: /a}, values: [x], default: w}", more="base: true\n")
    assert problems == []
