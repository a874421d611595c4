"""Reading a policy with what it extends: every way that it can go wrong, and that nothing whatever raises."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import authguard.policy
from authguard.policy.loading import locator
from authguard.policy.loading.loader import CODES, MAX_EXTENDS_DEPTH, LoadedDraft, load_draft
from authguard.policy.loading.yaml_scalar import MAX_PROBLEMS
from authguard.policy.schema import reserved_key
from tests.support.hypothesis_profile import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = Path(authguard.policy.__file__).parent
STANDARD = (SOURCES / "standard.yaml").read_bytes()


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def policy(extends: str = "", rest: str = "") -> str:
    return "authguard: 1\nname: x\n" + (f"extends: {extends}\n" if extends else "") + rest


def codes(reading: LoadedDraft) -> list[tuple[str, int]]:
    return [(problem.code, problem.place.line) for problem in reading.problems]


def test_a_policy_extends_a_shipped_one_by_name_and_another_by_path(tmp_path: Path) -> None:
    write(tmp_path, "base/common.yaml", policy("standard", "on_fault: refuse\nbase: true\n"))
    reading = load_draft(write(tmp_path, "policy.yaml", policy("base/common.yaml", "accounts: none\n")))
    assert reading.problems == ()
    assert reading.draft is not None
    assert (reading.draft.on_fault, reading.draft.base, len(reading.draft.machines)) == ("refuse", False, 5)
    assert reading.draft.place("on_fault").file == str(tmp_path / "base/common.yaml")


def test_a_place_names_the_file_as_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "mine/policy.yaml", policy("./base.yaml"))
    write(tmp_path, "mine/base.yaml", policy("standard", "budget: {request: 2}\n"))
    problems = load_draft("mine/policy.yaml").problems
    assert [str(problem.place) for problem in problems] == ["mine/base.yaml:4:10"]
    assert {place.file for place in load_draft("standard").draft.places.values()} == {"standard.yaml"}  # type: ignore[union-attr]  # fails as it should where there is none


@pytest.mark.parametrize("name", sorted(locator.shipped_policies()))
def test_every_shipped_policy_reads_by_its_name_without_a_path_of_this_machine(name: str) -> None:
    reading = load_draft(name)
    assert reading.draft is not None
    assert all(problem.severity == "note" for problem in reading.problems)
    assert not any(place.file.startswith("/") for place in reading.draft.places.values())


def test_what_ships_is_the_standard_policy_and_every_worked_one() -> None:
    folder = SOURCES.parents[2] / "policies"
    assert set(locator.shipped_policies()) == {"standard", *(path.parent.name for path in folder.glob("*/policy.yaml"))}


#: what `extends` says; the code
NOWHERE = {
    "a name that does not ship": ("standrad", "extends-missing"),
    "a file that is not there": ("other.yaml", "extends-missing"),
    "a folder": ("./", "extends-missing"),
    "a file above": ("../../etc/passwd", "extends-outside"),
    "a file beside the folder": ("../beside.yaml", "extends-outside"),
    "a folder whose name begins alike": ("../policy-2/policy.yaml", "extends-outside"),
    "an absolute path": ("/etc/passwd", "extends-outside"),
    "a path inside, written absolutely": ("{folder}/policy.yaml", "extends-outside"),
    "a symlink that leads out": ("link.yaml", "extends-outside"),
    "a folder that leads out": ("linked/policy.yaml", "extends-outside"),
    "a path of another system": ("'..\\..\\x.yaml'", "extends-outside"),
    "itself": ("./policy.yaml", "extends-cycle"),
    "itself by symlink": ("self.yaml", "extends-cycle"),
    "itself by way of another": ("back.yaml", "extends-cycle"),
    "a loop of symlinks": ("loop.yaml", "extends-missing"),
    "a pipe": ("pipe.yaml", "extends-missing"),
    "a name that no file can have": ("a" * 300 + ".yaml", "extends-missing"),
    "an address": ("https://evil.example/policy.yaml", "extends-missing"),
}


@pytest.mark.parametrize(("extends", "code"), NOWHERE.values(), ids=NOWHERE)
def test_a_policy_extends_nothing_outside_of_its_folder_nor_itself(tmp_path: Path, extends: str, code: str) -> None:
    folder = tmp_path / "policy"
    path = write(folder, "policy.yaml", policy(extends.format(folder=folder)))
    write(tmp_path, "beside.yaml", policy())
    write(tmp_path, "policy-2/policy.yaml", policy())
    write(folder, "back.yaml", policy("./policy.yaml"))
    (folder / "link.yaml").symlink_to(tmp_path / "beside.yaml")
    (folder / "linked").symlink_to(tmp_path / "policy-2")
    (folder / "self.yaml").symlink_to(path)
    (folder / "loop.yaml").symlink_to(folder / "loop.yaml")
    os.mkfifo(folder / "pipe.yaml")
    reading = load_draft(path)
    assert reading.draft is None
    assert codes(reading) == [(code, 3)]


def test_a_name_that_does_not_ship_comes_with_the_nearest_that_does() -> None:
    problem = load_draft("f", text=policy("standrad").encode()).problems[0]
    assert problem.advice == "did you mean `standard`?"


def test_policies_extend_one_another_so_deep_and_no_deeper(tmp_path: Path) -> None:
    for depth in range(12):
        write(tmp_path, f"p{depth}.yaml", policy(f"p{depth + 1}.yaml" if depth < 11 else ""))
    assert load_draft(tmp_path / f"p{11 - MAX_EXTENDS_DEPTH}.yaml").problems == ()
    deeper = load_draft(tmp_path / f"p{10 - MAX_EXTENDS_DEPTH}.yaml")
    assert [problem.code for problem in deeper.problems] == ["extends-too-deep"]
    assert deeper.problems[0].place.file == str(tmp_path / "p10.yaml")


def test_values_are_bounded_over_all_that_is_extended(tmp_path: Path) -> None:
    many = "agents: [" + "x," * 9_000 + "]\n" + "".join(f"k{n}: [{'x,' * 9_000}]\n" for n in range(5))
    write(tmp_path, "base.yaml", policy("", many))
    reading = load_draft(write(tmp_path, "policy.yaml", policy("base.yaml", many)))
    assert "too-many-nodes" in {problem.code for problem in reading.problems}


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("", "missing-key"),
        ("authguard: 2\n", "unknown-version"),
        ("authguard: '1'\n", "unknown-version"),
        ("authguard: true\n", "unknown-version"),
    ],
)
def test_only_one_version_of_the_language_is_read_in_every_file(tmp_path: Path, version: str, code: str) -> None:
    base = write(tmp_path, "base.yaml", f"{version}name: x\n")
    assert codes(load_draft(base)) == [(code, 1)]
    assert codes(load_draft(write(tmp_path, "policy.yaml", policy("base.yaml")))) == [(code, 1)]


def test_problems_of_every_file_and_of_every_kind_come_at_once(tmp_path: Path) -> None:
    write(tmp_path, "a-base.yaml", policy("standard", "budgt: {}\nbase: yes\n"))
    write(tmp_path, "policy.yaml", policy("a-base.yaml", "on_falt: x\nstreams: {}\nagents: [b, *c]\n"))
    reading = load_draft(tmp_path / "policy.yaml")
    assert [(Path(problem.place.file).name, problem.place.line, problem.code) for problem in reading.problems] == [
        ("a-base.yaml", 4, "unknown-key"),
        ("a-base.yaml", 5, "ambiguous-boolean"),
        ("policy.yaml", 4, "unknown-key"),
        ("policy.yaml", 5, "not-in-this-release"),
        ("policy.yaml", 6, "alias"),
    ]


@pytest.mark.parametrize("network", ["0.0.0.0/0", "10.0.0.0/8", "host"])
def test_a_key_of_an_earlier_release_is_refused_with_what_to_write_instead(tmp_path: Path, network: str) -> None:
    channels = f"channels:\n  from: {{header: X-A, trusted_peers: [{network}]}}\n  trusts: {{}}\n"
    reading = load_draft(write(tmp_path, "policy.yaml", policy("standard", channels)))
    (problem,) = reading.problems
    assert (problem.code, problem.place.line, reading.draft) == ("removed-key", 5, None)
    assert "secret_env: CHANNEL_SECRET" in problem.advice


@pytest.mark.parametrize(
    "source", ["", ".", "/", "nope.yaml", "stand ard", "\0", "a" * 5_000, "/dev/zero", "/dev/stdin"]
)
def test_a_policy_that_is_not_there_is_a_problem(source: str) -> None:
    reading = load_draft(source)
    assert reading.draft is None
    assert [problem.code for problem in reading.problems] == ["file-missing"]


def test_a_file_of_ten_mebibytes_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"a: b\n" * 2_097_152)
    assert [problem.code for problem in load_draft(path).problems] == ["file-too-large"]
    assert len(locator.read_file(locator.resolve_source(path))) == 1_048_577


def test_more_problems_than_anybody_reads_are_cut_short_and_it_is_said() -> None:
    text = policy("", "".join(f"k{n}: {{}}\n" for n in range(500)))
    reading = load_draft("f", text=text.encode())
    assert len(reading.problems) == MAX_PROBLEMS + 1
    assert reading.problems[-1].code == "too-many-problems"
    assert [problem.code for problem in reading.problems[:-1]] == ["unknown-key"] * MAX_PROBLEMS


@pytest.mark.parametrize(
    "rest", ["{long}: 1\n", "on_fault: {long}\n", "fallbacks: {{? {long}\n : {{kind: {long}}}}}\n", "signals: {long}\n"]
)
def test_what_was_typed_at_length_is_quoted_in_brief(rest: str) -> None:
    reading = load_draft("f", text=policy("", rest.format(long="Z" * 900_000)).encode())
    assert reading.problems
    assert all(len(str(problem)) < 500 for problem in reading.problems)


def test_every_code_that_reading_gives_is_in_the_table_and_the_other_way_round() -> None:
    given_codes: set[str] = set()
    files = [*(SOURCES / "loading").glob("*.py"), *(SOURCES / "schema").glob("*.py")]
    for path in files:
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"CODES: Final.*?\n}\n", "", text, flags=re.DOTALL)
        given_codes |= set(re.findall(r'"([a-z0-9]+(?:-[a-z0-9]+)*)"', text)) & set(CODES)
        given_codes |= set(re.findall(r'code="([a-z0-9-]+)"', text))
    assert given_codes == set(CODES)


#: a policy with an old key, by key and line
OLD_KEYS = {
    ("say", 4): "fallbacks:\n  refuse: {kind: deny, say: No.}\n",
    ("keep", 4): "audit:\n  keep: 10d\n",
    ("or", 3): "audit: {rotate: {or: 1d}, checkpoint: {every: 5}}\n",
    ("or", 5): "audit:\n  checkpoint:\n    or: 5s\n",
    ("answers", 3): "transactions: {answers: 2m}\n",
    ("carry", 5): "channels:\n  from: {claim: channel}\n  carry: {web: [chat]}\n",
    ("channel", 4): "decisions:\n  - {when: {channel: switched}, do: refuse}\n",
    ("sender", 4): "issuers:\n  - {issuer: a, audience: b, algorithms: [ES256], keys: discovery, sender: dpop}\n",
    ("mandates", 4): "accounts:\n  - {from: claim, claim: status, mandates: /may_act}\n",
    ("at_once", 4): "accounts:\n  - {from: python, call: 'a:b', at_once: 5}\n",
    ("asks", 4): "verifiers:\n  it: {type: http, url: 'https://it.example', asks: false}\n",
}


@pytest.mark.parametrize(("key", "line"), OLD_KEYS)
def test_an_old_key_is_refused_with_its_new_name_and_place_and_nothing_else_is(key: str, line: int) -> None:
    (problem,) = load_draft("f", text=policy("", OLD_KEYS[key, line]).encode()).problems
    assert (problem.code, problem.place.file, problem.place.line) == ("renamed-key", "f", line)
    assert re.fullmatch(rf"`{key}` is now `[a-z_]+`", problem.message)
    assert problem.advice == f"write `{problem.message.split('`')[3]}: ...`"


def test_of_an_old_key_and_its_new_one_the_new_one_counts() -> None:
    rest = "fallbacks: {refuse: {kind: deny, say: 5, message: No.}}\n"
    (problem,) = load_draft("f", text=policy("", rest).encode()).problems
    assert problem.code == "renamed-key"


def test_what_waits_for_a_later_release_is_seven_rows() -> None:
    assert len(reserved_key.RESERVED_KEYS) == 7  # one goes with each change that enforces its key


def harmless(data: bytes) -> None:
    """Whatever the bytes: a draft or errors, nothing raised, little said."""
    reading = load_draft("policy.yaml", text=data)
    assert (reading.draft is None) <= any(problem.severity == "error" for problem in reading.problems)
    assert len(reading.problems) <= MAX_PROBLEMS + 1
    for problem in reading.problems:
        assert problem.code in CODES
        assert problem.place.line >= 0
        assert len(str(problem)) < 2_000
        assert "\n" not in str(problem)


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_never_raise(data: bytes) -> None:
    harmless(data)


@settings(max_examples=examples(200), deadline=None)
@given(st.text(alphabet="ab:-?[]{},#&*!|>'\"%@` \n\t.0<=~ynNo", max_size=200))
def test_random_yaml_never_raises(text: str) -> None:
    harmless(text.encode())


LINES = STANDARD.splitlines(keepends=True)
SPLICES = [
    b"&a ",
    b"*a",
    b"!!x ",
    b"<<: ",
    b"yes",
    b"null",
    b"~",
    b"[",
    b"]",
    b"{",
    b"}",
    b":",
    b"- ",
    b"\t",
    b"\xff",
    b"\0",
    b"'",
    b'"',
    b"%Y 1\n",
    b"---\n",
    b"...\n",
    b"? ",
    b"|",
    b">",
    b"#",
    b".nan",
    b"0",
    b"99999999999999999999",
    b"1e5",
    b"extends: policy.yaml\n",
    b"\xe2\x80\xae",
]


def mutations() -> st.SearchStrategy[tuple[tuple[str, int, bytes], ...]]:
    one = st.tuples(
        st.sampled_from(["insert", "replace", "drop line", "double line", "cut"]),
        st.integers(min_value=0, max_value=len(STANDARD)),
        st.one_of(st.sampled_from(SPLICES), st.binary(min_size=1, max_size=4)),
    )
    return st.lists(one, min_size=1, max_size=4).map(tuple)


def mutated(data: bytes, changes: tuple[tuple[str, int, bytes], ...]) -> bytes:
    for change, position, splice in changes:
        at = min(position, len(data))
        line = data.count(b"\n", 0, at)
        lines = data.splitlines(keepends=True)
        if change == "insert":
            data = data[:at] + splice + data[at:]
        elif change == "replace":
            data = data[:at] + splice + data[at + len(splice) :]
        elif change == "drop line":
            data = b"".join(lines[:line] + lines[line + 1 :])
        elif change == "double line":
            data = b"".join(lines[: line + 1] + lines[line:])
        else:
            data = data[:at]
    return data


@settings(max_examples=examples(80), deadline=None)
@given(mutations())
def test_a_mutated_standard_policy_never_raises(changes: tuple[tuple[str, int, bytes], ...]) -> None:
    harmless(mutated(STANDARD, changes))


def words() -> Iterator[bytes]:
    seen = set(re.findall(rb"[a-z_]{3,}", b"".join(line.partition(b"#")[0] for line in LINES)))
    yield from sorted(seen)


@settings(max_examples=examples(50), deadline=None)
@given(
    st.sampled_from(list(words())),
    st.sampled_from([b"yes", b"1", b"[]", b"{}", b"''", b"zz", b"Aa", b"1.5", b"[a, {b: c}]"]),
)
def test_a_standard_policy_with_a_word_exchanged_everywhere_never_raises(word: bytes, other: bytes) -> None:
    harmless(re.sub(rb"\b" + word + rb"\b", other, STANDARD))
