"""Any arguments of ``daicho`` and ``wallet`` end in an exit code and a line that says why."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import daicho.cli
import wallet.cli
from tests.support.hostile import texts
from wallet.cli.commands import COMMANDS

HERE = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

URLS = st.one_of(
    st.sampled_from(
        [
            "sqlite:///wallet.db", "sqlite:///other.txt", "sqlite:////", "sqlite:///.", "memory:",
            "sqlite:////dev/null", "sqlite:///" + "a" * 300, "sqlite:///" + "a/" * 3_000,
            "sqlite:///a%00b", "sqlite:///%ff", "sqlite:///a?busy_timeout_s=1e308", "wallet.db",
        ]
    ),
    texts().map("sqlite:///{}".format),
    texts().map("sqlite:///a?{}".format),
    texts(),
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(
        [
            "tests.unit.check.shelves:Shelf", "os:path", "os:nobody", ".os:path", "a..b:c",
            "os:path..x", "builtins:str", "os:getcwd", "daicho:Entity", "daicho:Schema", "a\0:b",
        ]
    ),
    st.builds("{}:{}".format, texts(), texts()),
    texts(),
)  # fmt: skip
VALUES = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["9" * 5_000, "²", "1_0", "90d", "1e9d", "9" * 30 + "d", "-1d", "2030-13-01", "1.5h",
         "9999-12-31T23:59:59-23:59", "0001-01-01T00:00+23:59", "2030-01-01"]
    ),
    texts(),
)  # fmt: skip


def options(*names: str) -> st.SearchStrategy[list[str]]:
    """Some options with something behind each, some without, and what is none."""
    one = st.one_of(
        st.tuples(st.sampled_from(names), VALUES | NAMES | URLS).map(list),
        st.sampled_from([*names, "--json", "--help", "--version", "--", "-x"]).map(lambda x: [x]),
        texts().map(lambda text: [text]),
    )
    return st.lists(one, max_size=3).map(lambda found: [word for each in found for word in each])


DAICHO = st.one_of(
    st.tuples(
        st.just("check"), URLS, st.just("--entities"), NAMES,
        options("--schema", "--replay", "--sample", "--seed", "--since", "--entities"),
    ),
    st.tuples(st.just("prune-keys"), URLS, st.just("--older-than"), VALUES, options("--json")),
    st.tuples(texts(), options("check", "prune-keys", "--entities")),
)  # fmt: skip
WALLET = st.tuples(
    st.sampled_from([*COMMANDS]) | texts(),
    st.lists(st.sampled_from(["alice", "bob", "", "\0", "\ud800", "5"]) | VALUES, max_size=4),
    options("--db", "--url", "--key", "--as-of", "--version", "--note", "--json"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "other.txt").write_text("something else\n" * 500)
    yield tmp_path
    assert (tmp_path / "other.txt").read_text() == "something else\n" * 500


def flat(words: Sequence[object]) -> list[str]:
    found: list[object] = []
    for word in words:
        found += cast("list[object]", word) if isinstance(word, list) else [word]
    return [str(word) for word in found]


def ends_well(main: Callable[[Sequence[str]], int], arguments: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    assert code in (0, 1, 2)
    said = err.getvalue()
    assert "Traceback (most recent call last)" not in said
    if code:
        assert said or out.getvalue()
    if code == 2:
        assert len(said.splitlines()) == 1


@HERE
@given(DAICHO)
@example(("check", ["\ud800/"], "--entities", "a:b"))
@example(("check", "//[", "--entities", "a:b"))
@example(("check", "sqlite://[", "--entities", "a:b"))
def test_any_arguments_of_daicho_end_in_a_code_and_a_line(words: tuple[object, ...]) -> None:
    ends_well(daicho.cli.main, flat(words))


@HERE
@given(WALLET)
def test_any_arguments_of_wallet_end_in_a_code_and_a_line(words: tuple[object, ...]) -> None:
    ends_well(wallet.cli.main, flat(words))
