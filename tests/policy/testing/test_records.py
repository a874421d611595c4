"""Records of a scenario are loaded and saved as in a store, and every line that an event takes is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.snapshot import Keys
from authguard.policy.testing.records import CountedIds, PlainCipher, Records

if TYPE_CHECKING:
    from authguard.core.policy import Policy

KEYS = Keys(account=b"a", session=b"s")


def test_a_changed_record_is_a_version_later_and_an_unknown_one_is_blank(support_desk: Policy) -> None:
    records = Records(support_desk)
    records.change(KEYS, 5.0, lambda evaluation: evaluation.send("account.locked", "app"))
    found = records.load(KEYS)
    assert (found.account.state, found.account.version, found.session.version) == ("locked", 1, 0)
    assert records.load(Keys(account=b"b")).account.state == "unknown"


def test_a_change_of_no_records_key_is_not_kept(support_desk: Policy) -> None:
    records = Records(support_desk)
    records.change(Keys(), 5.0, lambda evaluation: evaluation.send("account.locked", "app"))
    assert records.load(Keys()).account.state == "unknown"


def test_a_line_is_noted_with_the_lines_of_what_it_raises(support_desk: Policy) -> None:
    records = Records(support_desk)
    records.change(KEYS, 5.0, lambda evaluation: evaluation.send("session.accepted", "credential"))
    records.edges.clear()
    records.change(KEYS, 6.0, lambda evaluation: evaluation.send("session.revoked", "person"))
    assert {(machine, source) for machine, _, source in records.edges} == {
        ("session", "active"),
        ("verification", "unverified"),
    }


def test_stored_requests_are_plain_and_ids_are_counted() -> None:
    cipher, ids = PlainCipher(), CountedIds()
    assert cipher.decrypt(cipher.encrypt(b"x", b"y"), b"y") == b"x"
    assert cipher.keyed_digest(b"x") != cipher.keyed_digest(b"y")
    assert ids.secret() != ids.record(1.0)
