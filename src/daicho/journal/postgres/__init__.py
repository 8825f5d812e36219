"""The journal in a schema of a PostgreSQL database; it needs the extra ``postgres``."""

from importlib.util import find_spec

from daicho.errors import MissingExtra

if find_spec("asyncpg") is None:
    raise MissingExtra("the journal on PostgreSQL", "postgres")

from daicho.journal.postgres._health import Health, OldestTransaction
from daicho.journal.postgres._journal import PostgresJournal
from daicho.journal.postgres._url import from_url

__all__ = [
    "Health",
    "OldestTransaction",
    "PostgresJournal",
    "from_url",
]
