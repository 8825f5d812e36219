"""So that a failure in the suite shows the values that it compared."""

import pytest

pytest.register_assert_rewrite("tests.contract.journal_suite")
