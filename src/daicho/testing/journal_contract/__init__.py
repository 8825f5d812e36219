"""What every journal promises, as a suite that the tests of an engine subclass.

Here a journal is tested that keeps everything but the replies of commands::

    class TestMyJournal(JournalContract):
        features = EVERYTHING - {Feature.REPLIES}

        @pytest.fixture
        def store(self, tmp_path):
            return partial(MyJournal, tmp_path / "journal")

Each test is named for the promise that it keeps. A part that ``features`` leaves out is not tested;
instead, asking for it has to be refused with ``Unsupported``. An engine that takes only certain
streams, events or snapshots replaces ``stream``, ``event`` and ``snapshot``.

It needs pytest with pytest-asyncio, in either of its modes.
"""

from __future__ import annotations

from daicho.testing.journal_contract.appending import AppendingTests
from daicho.testing.journal_contract.chaining import ChainingTests
from daicho.testing.journal_contract.ending import EndingTests
from daicho.testing.journal_contract.engine import EVERYTHING, Store, records_of
from daicho.testing.journal_contract.keeping import KeepingTests
from daicho.testing.journal_contract.loading import LoadingTests
from daicho.testing.journal_contract.moving import MovingTests
from daicho.testing.journal_contract.reading import ReadingTests
from daicho.testing.journal_contract.refusing import RefusingTests
from daicho.testing.journal_contract.replies import RepliesTests

__all__ = ["EVERYTHING", "JournalContract", "Store", "records_of"]


class JournalContract(
    AppendingTests,
    EndingTests,
    ReadingTests,
    LoadingTests,
    KeepingTests,
    RepliesTests,
    MovingTests,
    ChainingTests,
    RefusingTests,
):
    """Every promise of the port: subclass it as ``Test…``, once for each engine.

    A subclass gives the fixture ``store``, and in ``features`` what its engine offers. With
    ``appends_now`` every promise is kept twice: by ``append``, and by ``append_now`` wherever that
    takes the writes. With ``appends_soon`` likewise by ``append_soon``.
    """
