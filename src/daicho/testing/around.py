"""A journal around another one: each call passes one place, and goes on to the journal inside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Self, TypeVar

from daicho.journal import (
    MAX_VERSION,
    PAGE_SIZE,
    Feature,
    HistoryRoot,
    Incarnation,
    Journal,
    Link,
    Loaded,
    Outcome,
    Parcel,
    Record,
    Reply,
    Snapshot,
    StoredReply,
    StreamInfo,
    Write,
)

T = TypeVar("T")


class JournalAround:
    """Keeps what the journal inside keeps, and promises what that promises.

    It has no ``append_now``, so each append passes ``append``.
    """

    def __init__(self, inner: Journal) -> None:
        self.inner = inner

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r})"

    async def _pass(self, method: str, work: Callable[[], Awaitable[T]]) -> T:  # noqa: ARG002
        """Where every call passes; reading does it once for each page."""
        return await work()

    @property
    def features(self) -> frozenset[Feature]:
        """Those of the journal inside."""
        return self.inner.features

    async def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """See :meth:`Journal.append`."""
        return await self._pass("append", lambda: self.inner.append(writes))

    def read(
        self,
        stream: str,
        *,
        from_version: int = 1,
        to_version: int = MAX_VERSION,
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[Sequence[Record]]:
        """See :meth:`Journal.read`."""
        pages = self.inner.read(
            stream, from_version=from_version, to_version=to_version, page_size=page_size
        )
        return self._pages("read", pages)

    def read_all(
        self,
        *,
        after_position: int = 0,
        page_size: int = PAGE_SIZE,
        type_names: Collection[str] | None = None,
    ) -> AsyncIterator[Sequence[Record]]:
        """See :meth:`Journal.read_all`."""
        pages = self.inner.read_all(
            after_position=after_position, page_size=page_size, type_names=type_names
        )
        return self._pages("read_all", pages)

    async def _pages(
        self, method: str, pages: AsyncIterator[Sequence[T]]
    ) -> AsyncIterator[Sequence[T]]:
        async def following() -> Sequence[T] | None:
            return await anext(pages, None)

        while (page := await self._pass(method, following)) is not None:
            yield page

    async def load(
        self, stream: str, *, max_snapshot: int = MAX_VERSION, page_size: int = PAGE_SIZE
    ) -> Loaded:
        """See :meth:`Journal.load`."""
        return await self._pass(
            "load",
            lambda: self.inner.load(stream, max_snapshot=max_snapshot, page_size=page_size),
        )

    async def last_position(self) -> int:
        """See :meth:`Journal.last_position`."""
        return await self._pass("last_position", self.inner.last_position)

    async def stream_info(self, stream: str) -> StreamInfo:
        """See :meth:`Journal.stream_info`."""
        return await self._pass("stream_info", lambda: self.inner.stream_info(stream))

    async def list_streams(
        self, prefix: str = "", *, after: str = "", limit: int = PAGE_SIZE
    ) -> list[StreamInfo]:
        """See :meth:`Journal.list_streams`."""
        return await self._pass(
            "list_streams", lambda: self.inner.list_streams(prefix, after=after, limit=limit)
        )

    async def load_snapshot(
        self, stream: str, *, max_version: int = MAX_VERSION
    ) -> Snapshot | None:
        """See :meth:`Journal.load_snapshot`."""
        return await self._pass(
            "load_snapshot", lambda: self.inner.load_snapshot(stream, max_version=max_version)
        )

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """See :meth:`Journal.save_snapshot`."""
        await self._pass("save_snapshot", lambda: self.inner.save_snapshot(snapshot))

    async def list_snapshots(self, stream: str) -> list[Snapshot]:
        """See :meth:`Journal.list_snapshots`."""
        return await self._pass("list_snapshots", lambda: self.inner.list_snapshots(stream))

    async def delete_snapshots(self, stream: str, *, max_version: int) -> int:
        """See :meth:`Journal.delete_snapshots`."""
        return await self._pass(
            "delete_snapshots",
            lambda: self.inner.delete_snapshots(stream, max_version=max_version),
        )

    async def truncate(self, stream: str, *, to_version: int) -> int:
        """See :meth:`Journal.truncate`."""
        return await self._pass(
            "truncate", lambda: self.inner.truncate(stream, to_version=to_version)
        )

    async def load_reply(self, stream: str, key: str) -> Reply | None:
        """See :meth:`Journal.load_reply`."""
        return await self._pass("load_reply", lambda: self.inner.load_reply(stream, key))

    async def prune_replies(
        self, *, before_us: int, limit: int = PAGE_SIZE, keep_prefix: str = ""
    ) -> int:
        """See :meth:`Journal.prune_replies`."""
        return await self._pass(
            "prune_replies",
            lambda: self.inner.prune_replies(
                before_us=before_us, limit=limit, keep_prefix=keep_prefix
            ),
        )

    async def list_all_snapshots(
        self, *, after: tuple[str, int] = ("", 0), limit: int = PAGE_SIZE
    ) -> list[Snapshot]:
        """See :meth:`Journal.list_all_snapshots`."""
        return await self._pass(
            "list_all_snapshots", lambda: self.inner.list_all_snapshots(after=after, limit=limit)
        )

    async def list_replies(
        self, *, after: tuple[str, str] = ("", ""), limit: int = PAGE_SIZE
    ) -> list[StoredReply]:
        """See :meth:`Journal.list_replies`."""
        return await self._pass(
            "list_replies", lambda: self.inner.list_replies(after=after, limit=limit)
        )

    async def restore(self, parcel: Parcel) -> None:
        """See :meth:`Journal.restore`."""
        await self._pass("restore", lambda: self.inner.restore(parcel))

    async def begin_chain(self, *, anew: bool = False) -> None:
        """See :meth:`Journal.begin_chain`."""
        await self._pass("begin_chain", lambda: self.inner.begin_chain(anew=anew))

    async def root(self) -> HistoryRoot | None:
        """See :meth:`Journal.root`."""
        return await self._pass("root", self.inner.root)

    def read_chain(
        self, *, after_position: int = 0, page_size: int = PAGE_SIZE
    ) -> AsyncIterator[Sequence[Link]]:
        """See :meth:`Journal.read_chain`."""
        pages = self.inner.read_chain(after_position=after_position, page_size=page_size)
        return self._pages("read_chain", pages)

    async def incarnations(self) -> list[Incarnation]:
        """See :meth:`Journal.incarnations`."""
        return await self._pass("incarnations", self.inner.incarnations)

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.inner.__aexit__(*exc_info)
