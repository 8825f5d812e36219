"""Somebody outside has journals tested by the contract: it passes the right ones, and no other.

The project is run once, with pytest as it is without any settings.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.coverage import unmeasured

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

PROJECT = """
import pytest
import wrong_journals
from daicho.journal import Feature
from daicho.testing.journal_contract import EVERYTHING, JournalContract

class OneStore(JournalContract):
    @pytest.fixture
    def store(self):
        journal = getattr(wrong_journals, type(self).__name__.removeprefix("Test"))()
        return lambda: journal

    # As a project may have tests of its own beside them.
    def test_it_has_a_name(self, store):
        assert repr(store())

class TestSaysLessThanItDoes(OneStore):
    features = EVERYTHING - {Feature.EPOCHS, Feature.TRUNCATE}

class TestNoStore(JournalContract):
    pass
"""

FOUND_BY = {
    "LosesAnEventBesideAConflict": "test_one_conflict_in_a_batch_hurts_no_other_write",
    "RaisesAConflict": "test_append_at_a_stale_version_is_refused",
    "StoresHalfOfACancelledAppend": "test_a_cancelled_append_is_stored_whole_or_not_at_all",
    "ComparesVersionsBeforeItStores": "test_of_many_appends_at_one_version_exactly_one_wins",
    "CutsNames": "test_streams_of_any_name_are_streams_of_their_own",
    "CutsPayloads": "test_payloads_come_back_as_they_were",
    "WrongAtOnce": "test_append_at_a_stale_version_is_refused[append_now]",
    "TellsTooSoon": "test_one_conflict_in_a_batch_hurts_no_other_write[append_soon]",
    "OrdersPositionsByStream": "test_positions_rise_in_the_order_of_the_writes",
    "UsesPositionsAgain": "test_a_position_is_not_used_again_after_truncation",
    "ReadsOnAndOn": ("test_reading_the_whole_journal_ends_at_what_was_stored_when_it_began"),
    "LeavesOutTheEndOfAPage": "test_pages_hold_the_events_in_order",
    "HasRoomForFewReaders": "test_a_reader_that_stops_half_way_holds_nothing_open",
    "LoadsWhatIsOfTwoMoments": "test_what_is_loaded_beside_a_writer_is_of_one_moment",
    "ForgetsVersionsThatWereTruncated": (
        "test_what_was_truncated_is_remembered_when_it_is_opened_again"
    ),
    "KeepsSnapshotsOfRefusedWrites": "test_a_refused_write_stores_no_snapshot",
    "ForgetsKeysWhenItIsClosed": "test_a_reply_comes_back_as_it_was",
    "StoresEventsUnderATakenKey": "test_a_key_that_is_taken_refuses_the_whole_write_and_no_other",
    "LinksEventsAnew": "test_links_outlive_their_events",
    "LinksWhatItRefused": "test_a_refused_write_leaves_no_link",
    "TakesWhatIsNotAsItsLinkSays": "test_what_is_not_as_its_link_says_is_not_restored",
    "IsAnotherOneEachTime": "test_a_journal_is_the_same_when_it_is_opened_again",
    "NeverEnds": "test_a_journal_that_is_not_open_refuses",
    "SaysLessThanItDoes": "test_truncation_is_refused_where_it_is_not_offered",
    "SaysMoreThanItDoes": "test_a_truncated_stream_keeps_its_version",
    "SaysNothingOfItsAppendNow": "test_it_appends_at_once_if_it_says_so",
    "ForgetsWhatIsThere": "test_a_truncated_stream_keeps_its_version",
}
"""The mistakes, each with the promise whose test has to name it."""

AT_ONCE = {"RightAtOnce", "WrongAtOnce"}
SOON = {"RightSoon", "TellsTooSoon"}

CHOSEN = " or ".join(
    [
        # All of it where nothing, or nothing else, may be found; the largest cases only take long.
        "TestRight",
        "TestWrongAtOnce and not (thousand or larger or 16777216)",
        "TestNoStore and test_append_at_a_stale_version_is_refused",
        *(f"Test{name} and {test.partition('[')[0]}" for name, test in FOUND_BY.items()),
    ]
)
"""What is run: of a journal with a mistake, the promise that it breaks."""


class Run(NamedTuple):
    """What pytest said of the project."""

    output: str
    failed: dict[str, set[str]]
    """By journal, the tests that failed."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "wrong_journals.py").write_text((HERE / "wrong_journals.py").read_text())
    classes = [
        f"class Test{name}(OneStore):\n    appends_now = {name in AT_ONCE}\n"
        f"    appends_soon = {name in SOON}\n"
        for name in ("Right", "RightAtOnce", "RightSoon", *FOUND_BY)
        if name != "SaysLessThanItDoes"
    ]
    (folder / "test_journals.py").write_text("\n".join([PROJECT, *classes]))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=short", "-p", "no:cacheprovider"),
            *("-k", CHOSEN),
        ],
        cwd=folder,
        env=unmeasured() | {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    failed: dict[str, set[str]] = defaultdict(set)
    for journal, test in re.findall(
        r"^(?:FAILED|ERROR) \S+::Test(\w+)::(\S+)", done.stdout, re.MULTILINE
    ):
        failed[journal].add(test)
    return Run(done.stdout + done.stderr, failed)


@pytest.mark.parametrize("name", ["Right", "RightAtOnce", "RightSoon"])
def test_a_right_journal_keeps_every_promise(run: Run, name: str) -> None:
    assert run.failed[name] == set(), run.output
    assert re.search(r"\d+ passed", run.output), run.output


@pytest.mark.parametrize("name", FOUND_BY)
def test_a_mistake_is_found_by_the_promise_that_it_breaks(run: Run, name: str) -> None:
    found = {test for test in run.failed[name] if test.startswith(FOUND_BY[name])}
    assert found, f"found by {sorted(run.failed[name])}"


def test_a_mistake_in_append_now_alone_is_not_found_in_append(run: Run) -> None:
    assert not {test for test in run.failed["WrongAtOnce"] if "append_now" not in test}


def test_a_failure_shows_the_values_that_it_compared(run: Run) -> None:
    assert "E   AssertionError: the journal has an append_now; say appends_now = True" in run.output
    assert re.search(r"E +assert 0 == 2", run.output), run.output


def test_whoever_gives_no_store_is_told_what_to_write(run: Run) -> None:
    assert run.failed["NoStore"]
    assert "TestNoStore has no fixture 'store'; write one that returns" in run.output
