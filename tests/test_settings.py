"""Settings: the argument, else the variable, else the embedded default."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from authguard import AuthGuard
from authguard.cli import main
from authguard.cli.output import INVALID, USAGE
from authguard.errors import SettingsError
from authguard.settings import DEFAULT_LOG, DEFAULT_STORE, Settings


def test_an_argument_wins_over_its_variable_and_a_variable_over_the_default() -> None:
    environ = {
        "AUTHGUARD_POLICY": "p.yaml",
        "AUTHGUARD_STORE": "s.db",
        "AUTHGUARD_AUDIT_LOG": "l.jsonl",
        "AUTHGUARD_PSEUDONYM_KEY": "ab" * 32,
        "AUTHGUARD_TOKEN_CACHE_SIZE": "1000",
    }
    here = Path.cwd()
    default = Settings.resolve("x", environ={})
    assert (default.store, default.audit_log, default.pseudonym_key) == (
        str(here / DEFAULT_STORE),
        str(here / DEFAULT_LOG),
        b"",
    )
    told = Settings.resolve(environ=environ)
    assert (told.policy, told.store, told.audit_log, told.pseudonym_key) == (
        "p.yaml",
        str(here / "s.db"),
        str(here / "l.jsonl"),
        b"\xab" * 32,
    )
    given = Settings.resolve("q", store="memory", audit_log="m", pseudonym_key=b"k" * 32, environ=environ)
    assert (given.policy, given.store, given.audit_log, given.pseudonym_key) == (
        "q",
        "memory",
        str(here / "m"),
        b"k" * 32,
    )


def test_the_public_address_is_one_that_no_caller_could_have_sent() -> None:
    environ = {"AUTHGUARD_PUBLIC_URL": "https://a.example/app"}
    assert Settings.resolve("x", environ=environ).public_url == "https://a.example/app"
    assert Settings.resolve("x", public_url="http://127.0.0.1:80", environ=environ).public_url == "http://127.0.0.1:80"
    for bad in (
        "a.example",
        "ftp://a",
        "https://",
        "https://u@a",
        "https://a?b",
        "https://a#b",
        "https://a b",
        "https://[x",
    ):
        with pytest.raises(SettingsError, match="AUTHGUARD_PUBLIC_URL"):
            Settings.resolve("x", public_url=bad, environ={})


@pytest.mark.parametrize("prefix", ["guard", "/guard/", "/{x}", ""])
def test_a_prefix_is_a_path(prefix: str) -> None:
    with pytest.raises(SettingsError, match="prefix"):
        Settings.resolve("x", prefix=prefix, environ={})


@pytest.mark.parametrize("key", ["zz" * 32, "ab" * 31])
def test_a_key_that_is_none_is_refused_and_not_told(key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.resolve("x", environ={"AUTHGUARD_PSEUDONYM_KEY": key})
    assert key not in str(refused.value)


def test_how_many_credentials_are_remembered_is_a_number_within_bounds() -> None:
    assert Settings.resolve("x", environ={}).token_cache_size == 65_536
    assert Settings.resolve("x", environ={"AUTHGUARD_TOKEN_CACHE_SIZE": "7"}).token_cache_size == 7
    assert Settings.resolve("x", token_cache_size=0, environ={"AUTHGUARD_TOKEN_CACHE_SIZE": "7"}).token_cache_size == 0
    for given, variable in (
        (-1, ""),
        (10_000_001, ""),
        (None, "many"),
        (None, "-1"),
        (None, "\u0661"),
        (None, "9" * 99),
    ):
        with pytest.raises(SettingsError, match=r"token_cache_size|TOKEN_CACHE_SIZE"):
            Settings.resolve("x", token_cache_size=given, environ={"AUTHGUARD_TOKEN_CACHE_SIZE": variable})


URLS = (
    "postgres://app:hunter2@db/guard",
    "redis://localhost",
    "sqlite:///guard.db",
    "sqlite:guard.db",
    "file:///var/guard",
    "s3://bucket/guard",
    "memory:x",
)


@pytest.mark.parametrize("url", [*URLS, ":memory:", "memory:", "Memory", "MEMORY"])
def test_a_store_is_memory_or_a_path(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given, environ in (({"store": url}, {}), ({}, {"AUTHGUARD_STORE": url})):
        with pytest.raises(SettingsError, match="memory") as error:
            Settings.resolve("x", environ=environ, **given)
        assert "hunter2" not in str(error.value)
    with pytest.raises(SettingsError):
        AuthGuard(None, policy="standard", store=url)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    assert Settings.resolve("x", store=f"./{url}", environ={}).store == str(tmp_path / url)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("name", ["audit_log", "signing_key", "anchors"])
def test_a_url_is_no_path_of_the_log_the_key_or_an_anchor(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match="begins a URL") as error:
        Settings.resolve("x", environ={}, **{name: [url] if name == "anchors" else url})
    assert "hunter2" not in str(error.value)
    with pytest.raises(SettingsError, match="begins a URL"):
        Settings.resolve("x", environ={f"AUTHGUARD_{name.upper()}": url})


@pytest.mark.parametrize(
    "command",
    [
        "audit tail --log URL",
        "audit verify --log URL",
        "audit query --log URL",
        "audit keys show --store URL",
        "audit keys show --file URL",
        "audit keys generate --file URL",
        "audit export --output URL",
        "transactions list --policy standard --store URL",
        "rollback engage --policy standard --log URL --by Ines --reason why",
        "policy init URL --yes",
        "policy check URL",
        "policy show URL",
        "policy test URL",
        "policy graph URL",
        "token check URL",
    ],
)
def test_a_command_takes_no_url_in_place_of_a_path(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("x"))
    with pytest.raises(SystemExit) as end:
        main(command.replace("URL", URLS[0]).split())
    said = capsys.readouterr()
    assert end.value.code in {USAGE, INVALID}
    assert "begins a URL" in " ".join((said.out + said.err).replace("│", " ").split())
    # a policy is named in each line as it was typed
    assert command.startswith(("policy", "token")) or "hunter2" not in said.out + said.err
    assert list(tmp_path.iterdir()) == []
