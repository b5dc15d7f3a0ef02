from pathlib import Path

import pytest

import harness.language as T
from harness.errors import LanguageError
from harness.language.names.names import NAMES
from harness.language.names.table import TABLE, markdown

ROOT = Path(__file__).resolve().parents[4]


def test_the_document_is_the_table() -> None:
    """Keeps docs/language.md what the code says."""
    assert (ROOT / "docs/language.md").read_text(encoding="utf-8") == markdown(), (
        "run python -m harness.language docs/language.md"
    )


def test_every_name_of_tilelang_has_an_entry() -> None:
    """Leaves no public name of TileLang without a statement."""
    assert set(TABLE) >= NAMES


@pytest.mark.parametrize("status", ["works", "ignored"])
def test_accepted_names_are_there(status: str) -> None:
    """Finds every name the table says is accepted in the language itself."""
    for entry in TABLE.values():
        if entry.status == status:
            assert getattr(T, entry.name, None) is not None, entry.name


def test_refused_names_raise_and_say_what_instead() -> None:
    """Raises for every refused name, with the reason and what to write instead."""
    for entry in TABLE.values():
        if entry.status == "refused":
            with pytest.raises(LanguageError, match=rf"T\.{entry.name} is not supported") as info:
                getattr(T, entry.name)
            assert info.value.next_step, entry.name


def test_every_name_of_the_language_is_in_the_table() -> None:
    """Keeps names out of the language that the table does not speak of."""
    assert {n for n in T.__all__ if n != "DynamicKernel"} <= set(TABLE)


def test_an_unknown_name_is_refused_like_any_other() -> None:
    """Refuses a misspelt name instead of failing with an AttributeError."""
    with pytest.raises(LanguageError, match=r"T\.alloc_shard is no name .*write T.alloc_shared"):
        T.alloc_shard  # noqa: B018  (the look-up is what raises)
    with pytest.raises(LanguageError, match=r"T\.zzz is no name .*docs/language.md"):
        T.zzz  # noqa: B018  (as above)
