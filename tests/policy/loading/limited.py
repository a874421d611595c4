"""A process with little memory and little time, in which bad policies are checked; it prints what came of each.

Run by `test_bad_input.py` as ``limited.py NAME EXAMPLES FOLDER``. Whatever raises ends it with a traceback; too much
memory is a `MemoryError`, too much time a signal. It counts what it did, so that a test that checked nothing fails.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from authguard.policy import check, load
from authguard.policy.loading import locator
from authguard.policy.testing.parser import parse_scenarios
from authguard.policy.testing.scenario import run_scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.policy.problem import Problem

MEMORY: Final = 768 * 1_048_576
SECONDS: Final = 120
HEAD: Final = "authguard: 1\nname: x\nextends: support-desk\n"
#: what a mangled file is made of: words of the language, and what YAML and readers trip over
PIECES: Final = (
    *(
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\t",
        b"\r",
        b"{",
        b"}",
        b"[",
        b"]",
        b"*",
        b"&a ",
        b"!!x ",
        b"<<: ",
        b"---\n",
    ),
    *(b"'", b'"', b"- ", b": ", b"? ", b"|\n", b">\n", b"%", b"\n", b"  ", b"yes", b".nan", b"~", b"-1", b"1e9", b"0s"),
    *(b"allow", b"decisions:\n", b"machines:\n", b"session", b"risk", b"high", b"'*'", b"'='", b"extends: standard\n"),
    *(b"machines.session", b"raises: session.idled", b"then: step_up", b"___", "\u202e".encode(), b"\xed\xa0\x80"),
)


def rules(amount: int) -> str:
    """Write rules that overlap in every way."""
    accounts = ("normal", "dormant", "minor", "locked", "suspended", "merged", "closed")
    checks = ("unverified", "pending", "verified", "ambiguous", "failed")
    risks, do = ("routine", "sensitive", "high"), "do: refuse"
    return "decisions:\n" + "".join(
        f"  - {do}\n    when: {{account: {accounts[n % 7]}, verification: {checks[n % 5]}, risk: {risks[n % 3]}}}\n"
        for n in range(amount)
    )


def chain(amount: int) -> str:
    """Write fallbacks that lead to one another, and in the end back."""
    each = "  f{}: {{kind: retry, after: 1s, attempts: 1, per: 1m, then: f{}}}\n"
    return "fallbacks:\n" + "".join(each.format(n, (n + 1) % amount) for n in range(amount))


#: name -> a file that is made to exhaust or to mislead
POLICIES: Final = {
    "ten mebibytes": HEAD + "# " + "x" * 10_485_760,
    "a hundred thousand rules": HEAD + "decisions:\n" + "  - {when: {risk: high}, do: refuse}\n" * 100_000,
    "a hundred thousand short rules": HEAD + "decisions: [" + "{do: a}," * 100_000 + "]\n",
    "more rules than are taken": HEAD + rules(2_001),
    "many rules that overlap": HEAD + rules(210),
    "fallbacks in one long circle": HEAD + chain(300),
    "deep flow nesting": HEAD + "agents: " + "[" * 100_000,
    "deep block nesting": HEAD + "".join(f"{' ' * n}a:\n" for n in range(900)),
    "a billion laughs": "a: &a [x,x]\n" + "".join(f"k{n}: &b{n} [*b{n - 1},*b{n - 1}]\n" for n in range(24)),
    "code in a tag": HEAD + "agents: !!python/object/apply:os.system ['touch ran']\n",
    "code in a name": HEAD + "accounts: [{from: python, call: 'os:system'}]\n"
    "verifiers: {v: {type: python, call: 'os:abort', pass_at: 1, fail_at: 0}}\n",
    "events that raise one another": HEAD + "machines:\n  session:\n    transitions:\n"
    "      - {trigger: idled, source: '*', dest: idle, raises: verification.moved}\n"
    "  verification:\n    transitions:\n"
    "      - {trigger: moved, source: '*', dest: unverified, raises: session.idled}\n",
    "itself": "authguard: 1\nname: x\nextends: ./policy.yaml\n",
    "one that extends a device": "authguard: 1\nname: x\nextends: ./zero.yaml\n",
    "one that extends a file outside": "authguard: 1\nname: x\nextends: ./outside.yaml\n",
    "one that extends a pipe": "authguard: 1\nname: x\nextends: ./pipe.yaml\n",
}
SCENARIO: Final = "- {{name: {}, given: {}, ask: {{operation: chat}}, then: {{outcome: allow}}}}\n"
SCENARIOS: Final = {
    "ten mebibytes": "# " + "x" * 10_485_760,
    "ten thousand and one": "".join(SCENARIO.format(f"s{n}", "{}") for n in range(10_001)),
    "a billion laughs": "- &a [x,x]\n- &b [*a,*a]\n- &c [*b,*b]\n",
    "deep nesting": "- " + "[" * 100_000,
    "a product of lists": SCENARIO.format(
        "s", "{account: [" + "normal, " * 5_000 + "], session: [" + "active, " * 4_000 + "]}"
    ),
    "code in a tag": "- !!python/object/apply:os.system ['touch ran']\n",
    "no list": "name: x\n",
    "YAML 1.1": "- {name: no, ask: {operation: chat}, then: {outcome: allow}}\n",
    "tabs": "-\tname: x\n",
    "a key twice": "- {name: x, name: x, ask: {operation: chat}, then: {outcome: allow}}\n",
    "another version of YAML": "%YAML 1.1\n---\n- {name: x}\n",
    "control characters": "- {name: x\x00}\n",
    "half a character": b"- {name: \xed\xa0\x80}\n".decode("latin-1"),
    "a step that is no mapping": "- {name: x, steps: [1, [2], {after: 1}]}\n",
}
ODD: Final = ("a device", "a folder", "a pipe", "a loop", "outside")


def told(problems: Sequence[Problem]) -> dict[str, object]:
    """Say what came of one file, with the longest thing that was said."""
    errors = [problem for problem in problems if problem.severity == "error"]
    return {
        "codes": sorted({problem.code for problem in errors}),
        "lines": min((problem.place.line for problem in errors), default=0),
        "longest": max((len(str(problem)) for problem in problems), default=0),
        "count": len(problems),
    }


def policies(folder: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Check every bad policy."""
    path = folder / "policy.yaml"
    for name, text in POLICIES.items():
        path.write_text(text, "utf-8")
        yield name, told(check(path).problems)
    for name in ODD:
        yield name, told(check(folder / f"{name}.yaml").problems)


def scenarios(folder: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Read every bad file of scenarios."""
    policy, own = load("support-desk"), folder / "scenarios"
    for name, text in SCENARIOS.items():
        path = own / "one.yaml"
        path.write_text(text, "latin-1")
        yield name, told(parse_scenarios([path], policy)[1])
        path.unlink()
    for name in ODD:
        yield name, told(parse_scenarios([own / f"{name}.yaml"], policy)[1])


def mangled(examples: int) -> Iterator[tuple[str, dict[str, object]]]:
    """Check shipped files after hypothesis has cut, moved and strewn into them; count files, and those refused."""
    policy = load("support-desk")
    shipped = [path.read_bytes() for path in locator.shipped_policies().values()]
    beside = [path.read_bytes() for path in locator.shipped_policies()["support-desk"].parent.glob("scenarios/*.yaml")]
    cuts = st.lists(
        st.tuples(st.integers(0, 40_000), st.integers(0, 40), st.sampled_from(PIECES)), min_size=1, max_size=4
    )
    counts = {"checked": 0, "refused": 0, "run": 0}

    def mangle(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
        for at, length, piece in changes:
            place = at % (len(data) + 1)
            data = data[:place] + piece + data[place + length :]
        return data

    @seed(20_261_122)
    @settings(max_examples=examples, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(shipped), st.sampled_from(beside), cuts)
    def each(policy_file: bytes, scenario_file: bytes, changes: list[tuple[int, int, bytes]]) -> None:
        found = check("mangled.yaml", text=mangle(policy_file, changes))
        counts["checked"] += 1
        counts["refused"] += bool(found.errors)
        assert found.is_usable is not bool(found.errors)
        assert all(problem.place.line > 0 for problem in found.errors)
        assert len(found.problems) < 210
        path = Path("scenarios/mangled.yaml")
        path.write_bytes(mangle(scenario_file, changes))
        read, problems = parse_scenarios([path], policy)
        assert all(problem.place.line > 0 for problem in problems)
        counts["run"] += len(run_scenarios(policy, read[:3]).results)

    each()
    yield "counts", dict(counts)


def main() -> None:
    """Limit this process, do what is asked for and print it."""
    name, examples, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    asked = {"policies": policies(folder), "scenarios": scenarios(folder), "mangled": mangled(examples)}
    sys.stdout.write(json.dumps(dict(asked[name])))


if __name__ == "__main__":
    main()
