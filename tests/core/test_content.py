"""A draft and a compiled policy have the same content, under the same names."""

from __future__ import annotations

from authguard.core.content import Content
from authguard.core.sections import SECTIONS
from authguard.policy.compiler import compile_draft
from authguard.policy.loading.loader import load_draft


def test_a_compiled_policy_has_the_content_of_its_draft() -> None:
    draft = load_draft("support-desk").draft
    assert draft is not None
    compiled = compile_draft(draft)
    for name in Content.__struct_fields__:
        assert getattr(compiled, name) == getattr(draft, name), name


def test_each_section_is_content() -> None:
    assert set(SECTIONS) <= set(Content.__struct_fields__)
