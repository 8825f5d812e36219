"""How a batch is laid out for the statement that stores it."""

from __future__ import annotations

import pytest

from daicho.journal import NewEvent, Reply, Snapshot, Write
from daicho.journal.postgres._plan import Answer, Plan
from tests.support.postgres_by_hand import appended

EVENT = NewEvent("t", b"payload", bytes(16), 5)
ONE = Write("s", 3, [EVENT])
SNAPSHOT = Snapshot(stream="s", version=4, type_name="t", payload=b"", time_us=5)
REPLY = Reply("key", b"digest", "t", b"", 4, 5)


def test_one_event_of_a_stream_that_exists_is_laid_out_as_it_is() -> None:
    plan = Plan([[ONE]])
    assert plan.lay_out() == ("append_one", ("s", 3, "t", b"payload", bytes(16), 5))
    [[outcome]] = plan.outcomes(Answer(stored=True, base=100))
    assert appended(outcome) == (4, 101)


@pytest.mark.parametrize(
    ("appends", "name"),
    [
        ([[Write("s", 0, [EVENT])]], "append_plain"),
        ([[Write("s", 3, [EVENT, EVENT])]], "append_plain"),
        ([[ONE, Write("t", 3, [EVENT])]], "append_plain"),
        ([[ONE], [Write("t", 3, [EVENT])]], "append_plain"),
        ([[ONE._replace(events=[EVENT._replace(correlation_id="c")])]], "append"),
        ([[ONE._replace(events=[EVENT._replace(causation_id="c")])]], "append"),
        ([[ONE._replace(events=[EVENT._replace(command_id="c")])]], "append"),
        ([[ONE._replace(epoch=0)]], "append"),
        ([[ONE._replace(replies=[REPLY])]], "append"),
        ([[ONE._replace(events=[], replies=[REPLY])]], "append"),
        ([[ONE._replace(snapshot=SNAPSHOT)]], "append"),
        ([[ONE, ONE]], "append"),
    ],
)
def test_what_is_more_than_that_is_laid_out_in_columns(
    appends: list[list[Write]], name: str
) -> None:
    laid_out = Plan(appends).lay_out()
    assert laid_out is not None
    assert laid_out[0] == name


def test_what_the_short_function_did_not_store_is_laid_out_in_columns() -> None:
    plan = Plan([[ONE]])
    plan.lay_out()
    plan.learn(Answer(stored=False, base=None))
    laid_out = plan.lay_out()
    assert laid_out is not None
    assert laid_out[0] == "append_plain"
    laid_out = Plan([[ONE]], may_be_short=False).lay_out()
    assert laid_out is not None
    assert laid_out[0] == "append_plain"
