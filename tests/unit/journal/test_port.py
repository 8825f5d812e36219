from __future__ import annotations

from datetime import UTC, datetime

import daicho.journal
from daicho.journal import NewEvent, Record, Snapshot, slice_of


def test_the_public_face_is_sorted_and_complete() -> None:
    names = daicho.journal.__all__
    assert list(names) == sorted(names, key=lambda name: (not name.isupper(), name.islower(), name))
    assert all(hasattr(daicho.journal, name) for name in names)


def test_a_slice_never_changes() -> None:
    assert [slice_of(name) for name in ("", "a", "wallet-1", "台帳")] == [0, 579, 180, 646]


def test_names_are_spread_over_all_slices() -> None:
    assert {slice_of(f"stream-{number}") for number in range(20_000)} == set(range(1_024))


def test_a_time_keeps_its_microseconds() -> None:
    expected = datetime(2023, 11, 14, 22, 13, 20, 123_456, tzinfo=UTC)
    time_us = 1_700_000_000_123_456
    event = NewEvent("t", b"", bytes(16), time_us)
    assert event.time == expected
    assert Record("s", 1, 1, *event).time == expected
    snapshot = Snapshot(stream="s", version=1, type_name="t", payload=b"", time_us=time_us)
    assert snapshot.time == expected
