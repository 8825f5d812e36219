"""What every journal promises, as a suite that an engine's tests subclass.

A subclass gives the fixture ``store`` and says in ``features`` what the engine offers. An engine
that takes only certain streams, events or snapshots replaces ``stream``, ``event`` and
``snapshot``. Tests of a part that is not offered are skipped; instead, asking for that part has to
be refused.
"""

from __future__ import annotations

from tests.contract.journal_suite.appending import AppendingTests
from tests.contract.journal_suite.engine import EVERYTHING, Store, records_of
from tests.contract.journal_suite.keeping import KeepingTests
from tests.contract.journal_suite.loading import LoadingTests
from tests.contract.journal_suite.reading import ReadingTests
from tests.contract.journal_suite.refusing import RefusingTests
from tests.contract.journal_suite.replies import RepliesTests

__all__ = ["EVERYTHING", "JournalContract", "Store", "records_of"]


class JournalContract(
    AppendingTests, ReadingTests, LoadingTests, KeepingTests, RepliesTests, RefusingTests
):
    """Subclass it as ``Test…``, once for each engine."""
