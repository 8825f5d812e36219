"""Any text is the URL of a journal, or refused by an error that says what to write."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daicho.app import journal_of
from daicho.errors import BadUrl
from daicho.journal import MemoryJournal, SqliteJournal
from daicho.journal.postgres import PostgresJournal
from tests.support.hostile import refusal, texts

BEGINNINGS = ["", "sqlite:", "sqlite:///", "sqlite:////", "sqlite:///j.db?", "memory:", "//[",
    "sqlite:///j.db?busy_timeout_s=", "sqlite:///j.db?synchronous=", "http://", "postgresql://",
    "postgresql://host/db?", "postgresql://host/db?schema=", "postgres://u:p@"]  # fmt: skip


@given(st.builds(str.__add__, st.sampled_from(BEGINNINGS), texts(20)))
@example("//[")
@example("sqlite://[::1/x")
@example("sqlite:///%ff")
@example("sqlite:///\ud800")
@example("postgresql://u:p@one,[::1]:5432/db?schema=a&sslmode=disable")
@example("postgresql://\ud800")
@example("postgresql://host/db?schema=%ff")
def test_any_text_is_the_url_of_a_journal_or_refused(url: str) -> None:
    error = refusal(BadUrl, lambda: journal_of(url))
    if error is None:
        assert isinstance(journal_of(url), SqliteJournal | MemoryJournal | PostgresJournal)
    else:
        assert error.url == url
        assert error.reason
        assert str(error).encode()


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
@example("a?b#c%d/e f")
@example("\n")
@example("é\ufffd")
def test_any_name_of_a_file_has_a_url(name: str) -> None:
    journal = journal_of(f"sqlite:////{quote(name, safe='')}")
    assert isinstance(journal, SqliteJournal)
    assert journal.path == Path(f"/{name}")


@pytest.mark.parametrize("url", ["sqlite:///%ff", "sqlite:///a\nb", "sqlite:///a\tb", "//["])
def test_a_url_that_would_name_another_file_is_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        journal_of(url)
