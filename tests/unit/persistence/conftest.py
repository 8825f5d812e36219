from __future__ import annotations

import pytest

from tests.support.journals import FaultJournal


@pytest.fixture(autouse=True, params=["by a task", "at once"])
def appends(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every promise holds with journals that wait and with those that can append without."""
    if request.param == "at once":
        append_now = FaultJournal.append_at_once
        monkeypatch.setattr(FaultJournal, "append_now", append_now, raising=False)
