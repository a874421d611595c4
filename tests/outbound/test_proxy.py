"""One word allows the proxies of the environment, and no other."""

from __future__ import annotations

import pytest

from authguard.errors import SettingsError
from authguard.outbound.proxy import uses_environment_proxies


@pytest.mark.parametrize(("environ", "used"), [({}, False), ({"AUTHGUARD_PROXIES": ""}, False)])
def test_without_the_variable_no_proxy_is_used(environ: dict[str, str], *, used: bool) -> None:
    assert uses_environment_proxies(environ) == used


def test_one_word_allows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert uses_environment_proxies({"AUTHGUARD_PROXIES": "environment"})
    monkeypatch.setenv("AUTHGUARD_PROXIES", "environment")
    assert uses_environment_proxies()


def test_another_word_is_refused() -> None:
    with pytest.raises(SettingsError, match="AUTHGUARD_PROXIES has to be `environment`"):
        uses_environment_proxies({"AUTHGUARD_PROXIES": "yes"})
