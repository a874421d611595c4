"""Names and paths of policies: one meaning wherever they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.checks.checker import check_all
from authguard.policy.loading import locator

if TYPE_CHECKING:
    from pathlib import Path


def test_a_name_that_is_also_a_folder_is_refused_wherever_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "banking").mkdir()
    monkeypatch.chdir(tmp_path)
    assert locator.resolve_source("banking").is_shipped, "a folder without a policy is no policy"
    (tmp_path / "banking" / "policy.yaml").write_text("authguard: 1\nname: mine\n", "utf-8")
    with pytest.raises(locator.PolicyNotFoundError, match=r"write `\./banking` for the folder"):
        locator.resolve_source(locator.resolve_folder("banking"))
    (checked,) = check_all("banking")
    assert "shipped policy and a folder" in str(checked.problems[0])
    assert not locator.resolve_source("./banking").is_shipped
