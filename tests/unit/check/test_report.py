"""A report is read by people, and by programs."""

from __future__ import annotations

import json

import pytest

from daicho.check import (
    FailingHandler,
    FieldDifference,
    Gap,
    NoBeginning,
    Problem,
    Report,
    SnapshotAhead,
    StateDiffers,
    UndecodableType,
    Undeliverable,
    UnhandledType,
    UnknownEntityType,
    UnreadableSnapshot,
    check,
)
from daicho.journal import MemoryJournal
from tests.support.journals import foreign_append
from tests.unit.check.shelves import Shelf

GAP = Gap(stream="shelf:a", version=3, to_version=4)
TYPE = UndecodableType(
    stream="shelf:a", version=7, count=12, type_name="shelf.gone", reason="it is unknown"
)
SNAPSHOT = UnreadableSnapshot(
    stream="shelf:b", version=2, entity="shelf", type_name="shelf.old", reason="it is unknown"
)
STATE = StateDiffers(
    stream="shelf:a",
    version=4,
    stored="Contents(weight=4)",
    replayed="Contents(weight=8)",
    fields=(FieldDifference("weight", "4", "8"),),
)


def report(*problems: Problem, left_out: int = 0) -> Report:
    return Report(
        problems=problems, left_out=left_out, streams=1, events=1_200, snapshots=3, compared=2
    )


def test_a_report_without_problems_says_what_was_read() -> None:
    assert str(report()) == (
        "all right; read: 1 stream, 1,200 events, 3 snapshots; compared: 2 snapshots"
    )


def test_a_problem_says_where_it_is_and_what_to_do() -> None:
    assert str(report(GAP, TYPE, STATE)) == (
        "problem: shelf:a@3: the events up to version 4 are missing\n"
        "    to do: the journal is damaged; restore it from a backup\n"
        "problem: shelf:a@7: 'shelf.gone' (12 events) cannot be decoded: it is unknown\n"
        "    to do: import its module, register it in the schema (an alias, too), or write an"
        " upcaster\n"
        "problem: shelf:a@4: the state is another one than the snapshot: weight was 4, is 8\n"
        "    stored:   Contents(weight=4)\n"
        "    replayed: Contents(weight=8)\n"
        "    to do: a handler does otherwise than before: make it a new event, or drop the"
        " snapshots\n"
        "3 problems; read: 1 stream, 1,200 events, 3 snapshots; compared: 2 snapshots"
    )
    assert not report(GAP).ok


def test_warnings_alone_are_all_right() -> None:
    assert report(SNAPSHOT).ok
    text = str(report(SNAPSHOT))
    assert text.startswith("warning: shelf:b@2: 'shelf.old' (1 snapshot of shelf) cannot be read")
    assert "\nall right; 1 warning; read:" in text


def test_what_was_left_out_is_counted_as_problems() -> None:
    assert not report(left_out=2).ok
    assert str(report(SNAPSHOT, left_out=2)).endswith(
        "and 2 findings more\n"
        "2 problems; 1 warning; read: 1 stream, 1,200 events, 3 snapshots; compared: 2 snapshots"
    )


def test_a_report_is_json_with_everything_in_it() -> None:
    content = json.loads(report(GAP, SNAPSHOT, STATE).to_json())
    assert content["ok"] is False
    assert (content["events"], content["compared"], content["left_out"]) == (1_200, 2, 0)
    gap, snapshot, state = content["problems"]
    assert gap == {
        "kind": "gap",
        "warning": False,
        "stream": "shelf:a",
        "version": 3,
        "to_version": 4,
        "text": GAP.text,
        "advice": GAP.advice,
    }
    assert snapshot["warning"] is True
    assert snapshot["count"] == 1
    assert state["fields"] == [{"path": "weight", "stored": "4", "replayed": "8"}]


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Gap(stream="s", version=3, to_version=3), "this event is missing"),
        (
            UnhandledType(
                stream="s", version=1, count=2, entity="shelf", type_name="a.b", event="Taken"
            ),
            "'a.b' (2 events) cannot be applied: shelf has no event handler for Taken",
        ),
        (
            FailingHandler(
                stream="s", version=1, count=2, entity="shelf", type_name="a.b", error="Oh()"
            ),
            "shelf (2 streams) cannot be folded: the handler of 'a.b' raised Oh()",
        ),
        (
            UnknownEntityType(stream="s", version=1, entity="shelf"),
            "no class is known for 'shelf' (1 stream)",
        ),
        (
            UnknownEntityType(stream="s", version=1, count=1_000, entity=""),
            "the name is no entity's (1,000 streams)",
        ),
        (
            NoBeginning(stream="s", version=1, reason="all is gone"),
            "the state cannot be rebuilt: all is gone",
        ),
        (
            SnapshotAhead(stream="s", version=9, stream_version=3),
            "there is a snapshot, but the stream is at version 3",
        ),
        (
            Undeliverable(
                stream="s", version=1, count=2, target="shelf", type_name="a.b", reason="why not"
            ),
            "'a.b' (2 commands to shelf) cannot be delivered: why not",
        ),
    ],
)
def test_every_sort_of_problem_is_a_sentence(problem: Problem, text: str) -> None:
    assert str(problem) == f"s@{problem.version}: {text}; {problem.advice}"


def test_a_stream_s_name_cannot_break_the_lines_of_a_report() -> None:
    assert str(Gap(stream="a\nproblem: b", version=1, to_version=1)).startswith(
        "'a\\nproblem: b'@1: this event is missing"
    )


async def test_different_problems_beyond_the_limit_are_only_counted() -> None:
    async with MemoryJournal() as journal:
        names = [f"gone.{number}" for number in range(5)]
        await foreign_append(journal, "shelf:a", *((name, b"") for name in names * 2))
        found = await check(journal, entities=[Shelf], max_problems=3)
    assert [
        (each.type_name, each.count) for each in found.problems if isinstance(each, UndecodableType)
    ] == [("gone.0", 2), ("gone.1", 2), ("gone.2", 2)]
    assert len(found.problems) == 3
    assert found.left_out == 4
    assert not found.ok
