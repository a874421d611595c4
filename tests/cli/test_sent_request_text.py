"""Tests of the text and the JSON of an explained request."""

from __future__ import annotations

import json

from authguard.cli.sent_request import Question
from authguard.cli.sent_request_text import format_json, format_text
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.policy.explain.sent_request import explain_sent
from tests.policy.explain.test_sent_request import AT, ask
from tests.support.harness import policy_of

POLICY = policy_of()


def question(refused: Reason = Reason.DECIDED) -> Question:
    return Question(
        line="POST /chat",
        method="POST",
        path="/chat",
        operation=None if refused is Reason.OPERATION_UNNAMED else ask("chat").access.operation,
        near=(),
        sent=None,
        refused=refused,
        unchecked="the signature was not checked",
    )


def test_the_first_lines_say_what_happens_and_what_was_not_checked() -> None:
    found = explain_sent(POLICY, ask("chat"))
    lines = list(format_text(POLICY, question(), found, command="", everything=False))
    assert lines[0].startswith("allow: POST /chat, under policy test-desk (")
    assert lines[1:3] == [
        "note: the signature was not checked",
        "note: supposed: it is the first request of its session",
    ]
    assert "It is the operation chat (routine read), which takes POST /chat." in lines


def test_a_rejected_credential_names_its_claim_and_the_command_that_says_more() -> None:
    rejected = NotProven("rejected", Reason.AUDIENCE_WRONG, claim="aud")
    found = explain_sent(POLICY, ask("chat", credential=rejected))
    lines = list(format_text(POLICY, question(), found, command="authguard token check p < t", everything=False))
    assert any(line.startswith("Reason: audience-wrong, claim `aud`: ") for line in lines)
    assert "  next: authguard token check p < t" in lines


def test_a_refusal_before_the_table_says_what_to_name() -> None:
    lines = list(format_text(POLICY, question(Reason.OPERATION_UNNAMED), None, command="", everything=False))
    assert lines[0].startswith("refused: POST /chat")
    assert "match: {path: /chat, method: POST}" in lines[-1]


def test_json_has_the_same_content() -> None:
    found = json.loads(format_json(POLICY, question(), explain_sent(POLICY, ask("chat")), AT))
    assert (found["outcome"], found["operation"], found["status"]) == ("allow", "chat", 0)
    assert found["at"].startswith("2023-11-14T22:13:20")
    assert [one["met"] for one in found["needs"]] == [True] * len(found["needs"])
    refused = json.loads(format_json(POLICY, question(Reason.OPERATION_UNNAMED), None, AT))
    assert (refused["outcome"], refused["reason"], refused["status"], refused["decision"]) == (
        "refused",
        "operation-unnamed",
        404,
        None,
    )
