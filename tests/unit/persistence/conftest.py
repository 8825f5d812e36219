from __future__ import annotations

import pytest

from tests.support.journals import FaultJournal


@pytest.fixture(autouse=True, params=["by a task", "at once", "told"])
def appends(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every promise holds with journals that wait, that can append without, and that tell."""
    way: str = request.param
    if way == "at once":
        append_now = FaultJournal.append_at_once
        monkeypatch.setattr(FaultJournal, "append_now", append_now, raising=False)
    elif way == "told":
        append_soon = FaultJournal.append_and_tell
        monkeypatch.setattr(FaultJournal, "append_soon", append_soon, raising=False)
    return way
