"""A page of reading that makes no record before somebody asks for one.

Recovery and replay need of an event its version, its type and its payload, and they need it a
million times. A :class:`Record` of each, with ids, time and position, would cost more than reading
it did. So an engine may answer with a :class:`Page`, which holds the columns, and whoever needs
just these three asks :func:`facts`, which takes a page of any engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import overload

from daicho.journal.port import Record

Fact = tuple[int, str, bytes]
"""The version, the type's name and the payload of an event."""

_FACT_OF_RECORD: Callable[[Record], Fact] = itemgetter(1, 3, 4)


class Page(Sequence[Record]):
    """Events as columns, and as a sequence of records for whoever wants them.

    Args:
        versions: The version of each event.
        type_names: The name of each event's type.
        payloads: The payload of each event.
        make_records: Makes the records of all. It is called once, at the first use of one.
    """

    __slots__ = ("_make_records", "_records", "payloads", "type_names", "versions")

    def __init__(
        self,
        versions: Sequence[int],
        type_names: Sequence[str],
        payloads: Sequence[bytes],
        make_records: Callable[[], list[Record]],
    ) -> None:
        self.versions = versions
        self.type_names = type_names
        self.payloads = payloads
        self._make_records: Callable[[], list[Record]] | None = make_records
        self._records: list[Record] = []

    def __repr__(self) -> str:
        return f"<Page of {len(self)} events>"

    def __len__(self) -> int:
        return len(self.payloads)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        return self._all()[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._all())

    def _all(self) -> list[Record]:
        if self._make_records is not None:
            self._records = self._make_records()
            # It holds what the records were made of, which nobody needs any more.
            self._make_records = None
        return self._records


def facts(page: Sequence[Record]) -> Iterable[Fact]:
    """The version, type name and payload of each event of a page, in order."""
    if isinstance(page, Page):
        return zip(page.versions, page.type_names, page.payloads, strict=True)
    return map(_FACT_OF_RECORD, page)


def columns(page: Sequence[Record]) -> tuple[Sequence[int], Sequence[str], Sequence[bytes]]:
    """The versions, type names and payloads of a page, each in a sequence."""
    if isinstance(page, Page):
        return page.versions, page.type_names, page.payloads
    if not page:
        return (), (), ()
    versions, type_names, payloads = zip(*facts(page), strict=True)
    return versions, type_names, payloads
