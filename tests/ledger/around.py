"""What it takes that a held transaction cannot be talked around: one request, one operation, whatever it is called."""

from __future__ import annotations

from typing import Final

from tests.requirements import Requirement

_WAYS: Final = "tests/bypass/test_request_variants.py::test_every_way_of_saying_it_meets_its_limit_or_moves_nothing"
_APPROVED: Final = "tests/bypass/test_approved_request.py::"
_CRASHES: Final = "tests/faults/test_crashes.py::"

REQUIREMENTS: Final = (
    Requirement(
        "RFC 3986 6.2.2, same operation",
        "A path in another spelling is what the app's router takes it for, or nothing that moves money: encoded once "
        "or twice, in too many bytes, with dots, slashes, capitals, parameters.",
        (_WAYS,),
    ),
    Requirement(
        "RFC 9110 7.1",
        "A target that names the whole address, another host or the root path is what the app's router takes it for.",
        (_WAYS,),
    ),
    Requirement(
        "RFC 9110 9.2, override",
        "No header and no query changes the method that was judged, not even where the app lets it (CWE-436, CWE-650).",
        (_WAYS, "tests/fuzz/test_raw.py::test_no_bytes_break_the_guard_or_get_around_it"),
    ),
    Requirement(
        "Fetch 4.8, pre-flight",
        "A pre-flight is decided like any other request, or answered outside of the app: it never runs it.",
        (_WAYS,),
    ),
    Requirement(
        "RFC 6455 4.1, same path",
        "A WebSocket on an operation's path is not that operation; one whose limits nobody can measure is refused.",
        (_WAYS, f"{_APPROVED}test_no_other_request_runs_on_an_approval_nor_leaves_it_standing"),
    ),
    Requirement(
        "DESIGN 6, bound",
        "An approval is for that request of that person in that session by that actor, and for no other.",
        (
            f"{_APPROVED}test_no_other_request_runs_on_an_approval_nor_leaves_it_standing",
            f"{_APPROVED}test_somebody_elses_id_moves_nothing_and_takes_nothing_from_whose_it_is",
            f"{_APPROVED}test_another_transaction_of_ones_own_does_not_lend_its_approval",
            f"{_APPROVED}test_a_name_and_a_key_that_mean_two_transactions_run_neither_unapproved",
        ),
    ),
    Requirement(
        "ASVS 8.3.1, foreign",
        "A foreign transaction and an unknown one get the same bytes (CWE-204).",
        (f"{_APPROVED}test_a_foreign_transaction_is_an_unknown_one_byte_by_byte",),
    ),
    Requirement(
        "draft-ietf-httpapi-idempotency-key-header 2.6, once",
        "What was approved runs once and is answered again from the first, however often, at once and over crashes.",
        (
            f"{_APPROVED}test_what_was_approved_runs_once_when_it_is_asked_for_as_it_was",
            "tests/model/test_approvals.py::test_what_is_held_is_as_the_book_says",
            f"{_CRASHES}test_killed_anywhere_it_leaves_nothing_half_done_and_admitted_nothing_unrecorded",
        ),
    ),
)
