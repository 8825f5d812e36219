"""What every test shares: how hypothesis searches."""

import pytest
from hypothesis import HealthCheck, settings

# Each run draws anew, so the suite keeps searching, and a failure prints how to draw it again. No
# judgement depends on how fast the machine happens to be.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")


@pytest.fixture
def snapshots_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots are stored after their events, as large ones are."""
    monkeypatch.setattr("daicho.persistence.pipeline.TRAVELS_BYTES", -1)
