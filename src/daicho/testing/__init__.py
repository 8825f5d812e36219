"""For the tests of a team that writes entities.

``given(Wallet, …).when(command).then(event, …)`` decides with an entity alone, without loop and
journal; ``app(Wallet)`` is an application in memory, and ``Clock`` its time. ``FaultJournal`` is a
journal that goes wrong, by chance and on demand. pytest finds the fixtures ``daicho_app`` and
``daicho_clock`` by itself. Whoever writes a journal finds in ``daicho.testing.journal_contract``
what it has to keep, as tests.
"""

from daicho.testing.application import Apps, app
from daicho.testing.clock import START, Clock
from daicho.testing.fault_journal import FaultJournal
from daicho.testing.faults import Fault, Faults, Happened
from daicho.testing.leaving import Timer
from daicho.testing.scenario import Given, Outcome, given
from daicho.testing.simulation import Simulation

__all__ = [
    "START",
    "Apps",
    "Clock",
    "Fault",
    "FaultJournal",
    "Faults",
    "Given",
    "Happened",
    "Outcome",
    "Simulation",
    "Timer",
    "app",
    "given",
]
