"""Batch verification accepts exactly the lines that line-by-line verification accepts."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from authguard.records.batch_verify import verify_batch
from authguard.records.chain import GENESIS, MAX_LINE_BYTES, ChainedLine, format_line, iter_chain
from authguard.records.entries import ActEntry, DecisionEntry, Entry
from authguard.records.merkle import leaf
from tests.audit.logs import acted, decided, faulted, moved, refused, withdrawn

MADE = (
    decided,
    lambda name, at: decided(name, at, "deny", operation='chat","outcome":"allow'),
    lambda name, at: moved(name, at, "session.idled: active -> idle"),
    refused,
    faulted,
    lambda name, at: withdrawn(name, at, "a", "b"),
    lambda name, at: acted(name, at, "rollback.engaged", by="anna", note='"hash":"'),
    lambda name, at: acted(name, at, "key.rotated", by="audit", note="x"),
)
entries = st.lists(
    st.tuples(st.sampled_from(MADE), st.floats(-50, 50, allow_nan=False).map(lambda at: round(at, 3))), max_size=12
).map(lambda chosen: [make(f"r{number}", at) for number, (make, at) in enumerate(chosen)])


def chained(made: list[Entry]) -> list[bytes]:
    lines, head = [], GENESIS
    for seq, entry in enumerate(made):
        line, head = format_line(entry, seq, head)
        lines.append(line)
    return lines


def one_by_one(lines: list[bytes]) -> list[ChainedLine]:
    return [one for one in iter_chain(lines) if isinstance(one, ChainedLine)]


@given(entries)
def test_a_batch_equals_its_lines_one_by_one_up_to_an_entry_about_the_log(made: list[Entry]) -> None:
    lines = chained(made)
    own = [place for place, one in enumerate(made) if isinstance(one, ActEntry) and one.by == "audit"]
    plain = one_by_one(lines[: own[0] if own else None])
    found = verify_batch(lines, 0, GENESIS, tree=True)
    if not plain:
        assert found is None
        return
    assert found is not None
    assert (found.lines, found.head, found.size) == (len(plain), plain[-1].hash, sum(map(len, lines[: len(plain)])))
    assert list(found.leaves) == [leaf(line[:-1]) for line in lines[: len(plain)]]
    assert found.kinds == Counter(str(type(one.entry).__struct_config__.tag) for one in plain)
    assert found.outcomes == Counter(one.entry.outcome for one in plain if isinstance(one.entry, DecisionEntry))
    assert (found.first, found.last) == (min(one.entry.at for one in plain), max(one.entry.at for one in plain))


@given(entries.filter(bool), st.data())
def test_nothing_is_taken_of_lines_that_do_not_all_follow(made: list[Entry], data: st.DataObject) -> None:
    lines = chained([one for one in made if not isinstance(one, ActEntry)] or [decided("a")])
    place = data.draw(st.integers(0, len(lines) - 1), "line")
    match data.draw(st.sampled_from(("edit", "drop", "swap", "twice", "cut", "empty", "prev", "seq")), "how"):
        case "edit":
            spot = data.draw(st.integers(0, len(lines[place]) - 1), "byte")
            bits = data.draw(st.integers(1, 255), "bits")
            lines[place] = lines[place][:spot] + bytes([lines[place][spot] ^ bits]) + lines[place][spot + 1 :]
        case "drop":
            del lines[place]
            lines.append(decided_line(len(lines) + 9))
        case "swap":
            lines = lines[place:] + lines[:place]
        case "twice":
            lines.insert(place, lines[place])
        case "cut":
            lines[-1] = lines[-1][:-1]
        case "empty":
            lines.insert(place, b"\n")
        case "prev":
            assert verify_batch(lines, 0, "1" * 64, tree=False) is None
            return
        case _:
            assert verify_batch(lines, 1, GENESIS, tree=False) is None
            return
    if len(one_by_one(lines)) < len(lines):
        assert verify_batch(lines, 0, GENESIS, tree=False) is None


def decided_line(seq: int) -> bytes:
    return format_line(decided("z"), seq, GENESIS)[0]


def test_what_is_no_record_or_longer_than_a_line_may_be_is_left_alone() -> None:
    whole, _ = format_line(decided("a", operation="x" * MAX_LINE_BYTES), 0, GENESIS)
    assert verify_batch([whole], 0, GENESIS, tree=False) is None
    for record in (b'{"kind":"strange","at":1}', b'{"kind":"decision","at":"noon","outcome":"allow"}', b"[1]", b"{"):
        assert verify_batch([linked(record)], 0, GENESIS, tree=False) is None


def linked(record: bytes) -> bytes:
    """Chain bytes that are no record, as a forger would."""
    hashed = record[:-1] + f',"v":2,"seq":0,"prev":"{GENESIS}"'.encode()
    return hashed + f',"hash":"{sha256(hashed).hexdigest()}"}}\n'.encode()


def test_nothing_comes_of_nothing() -> None:
    assert verify_batch([], 0, GENESIS, tree=True) is None
