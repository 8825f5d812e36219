"""For the tests of a team that writes entities.

``given(Wallet, …).when(command).then(event, …)`` decides with an entity alone, without loop and
journal; ``app(Wallet)`` is an application in memory, and ``Clock`` its time. pytest finds the
fixtures ``daicho_app`` and ``daicho_clock`` by itself.
"""

from daicho.testing.application import Apps, app
from daicho.testing.clock import START, Clock
from daicho.testing.leaving import Timer
from daicho.testing.scenario import Given, Outcome, given

__all__ = ["START", "Apps", "Clock", "Given", "Outcome", "Timer", "app", "given"]
