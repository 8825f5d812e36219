"""What stands beside the events: snapshots, and replies under their keys."""

from __future__ import annotations

from typing import cast

from daicho.journal import checks
from daicho.journal.port import (
    MAX_VERSION,
    PAGE_SIZE,
    Reply,
    Snapshot,
    StoredReply,
)
from daicho.journal.postgres._asking import Asking
from daicho.journal.postgres._pages import snapshot_of


class Aids(Asking):
    """The part of the journal that has them."""

    async def load_snapshot(
        self, stream: str, *, max_version: int = MAX_VERSION
    ) -> Snapshot | None:
        """The newest snapshot at or below a version; see :meth:`Journal.load_snapshot`."""
        self._connections()
        checks.name(stream)
        checks.number(max_version, "max_version")
        row = await self._first("load_snapshot", stream, max_version)
        return None if row is None else snapshot_of(*row)

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Stores a snapshot; see :meth:`Journal.save_snapshot`."""
        self._writer()
        checks.snapshot(snapshot)
        await self._change(
            "save_snapshots",
            [snapshot.stream],
            [snapshot.version],
            [snapshot.type_name],
            [snapshot.payload],
            [snapshot.time_us],
        )

    async def list_snapshots(self, stream: str) -> list[Snapshot]:
        """The stream's snapshots, newest first; see :meth:`Journal.list_snapshots`."""
        self._connections()
        checks.name(stream)
        return [snapshot_of(*row) for row in await self._rows("list_snapshots", stream)]

    async def delete_snapshots(self, stream: str, *, max_version: int) -> int:
        """Deletes old snapshots and returns how many; see :meth:`Journal.delete_snapshots`."""
        self._writer()
        checks.name(stream)
        checks.number(max_version, "max_version")
        return cast("int", await self._changed("delete_snapshots", stream, max_version))

    async def load_reply(self, stream: str, key: str) -> Reply | None:
        """The reply under a key of the stream; see :meth:`Journal.load_reply`."""
        self._connections()
        checks.name(stream)
        checks.key(key)
        row = await self._first("load_reply", stream, key)
        return None if row is None else Reply(*row)

    async def prune_replies(
        self, *, before_us: int, limit: int = PAGE_SIZE, keep_prefix: str = ""
    ) -> int:
        """Deletes old replies and returns how many; see :meth:`Journal.prune_replies`."""
        self._writer()
        checks.pruning(before_us, limit, keep_prefix)
        return cast("int", await self._changed("prune_replies", before_us, limit, keep_prefix))

    async def list_all_snapshots(
        self, *, after: tuple[str, int] = ("", 0), limit: int = PAGE_SIZE
    ) -> list[Snapshot]:
        """A page of all snapshots; see :meth:`Journal.list_all_snapshots`.

        Those that rest on an event which ``read_all`` does not give yet are left out.
        """
        self._connections()
        checks.all_snapshots(after, limit)
        await self.last_position()  # which is patient
        return [snapshot_of(*row) for row in await self._rows("list_all_snapshots", *after, limit)]

    async def list_replies(
        self, *, after: tuple[str, str] = ("", ""), limit: int = PAGE_SIZE
    ) -> list[StoredReply]:
        """A page of all replies; see :meth:`Journal.list_replies`.

        Those that rest on an event which ``read_all`` does not give yet are left out.
        """
        self._connections()
        checks.all_replies(after, limit)
        await self.last_position()  # which is patient
        rows = await self._rows("list_replies", *after, limit)
        return [StoredReply(row[0], Reply(*row[1:])) for row in rows]
