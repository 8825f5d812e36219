"""Contents in a file, or in anything else that takes and gives bytes in their order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import BinaryIO

from daicho.errors import SourceTruncated
from daicho.journal import Incarnation, Parcel, Record, StreamInfo
from daicho.journal.chain import GENESIS, links_of
from daicho.moving import v1
from daicho.moving.contents import JournalContents
from daicho.moving.frames import Reader, Writer
from daicho.moving.messages import event_of, incarnation_of, parcel_of, portion_of, record_of
from daicho.moving.tally import Moved, Show, Tally
from daicho.moving.v1 import Frame, Header, Trailer

_HASH_BYTES = 32

FORMAT = 1
"""The number of the format that is written, and the largest that can be read."""


async def write(contents: JournalContents, file: BinaryIO, *, show: Show | None = None) -> Moved:
    """Writes contents into a file that is open for bytes.

    Raises:
        ChainBroken: An event is not what its link says.
        SourceTruncated: Streams were truncated meanwhile, and what was written is of no use.
        OSError: What the file said.
        StoreError: What the journal said.
    """
    writer = Writer(file)
    header = Header(
        format=FORMAT,
        last_position=contents.last_position,
        beginning=map(event_of, contents.beginning),
        chained=contents.is_chained,
        incarnations=[v1.Incarnation(**each._asdict()) for each in contents.incarnations],
    )
    writer.write(Frame(header=header))
    tally = Tally(contents.last_position, show)
    chain = _Chain(contents.name) if contents.is_chained else None
    async for parcel in contents.parcels():
        if chain is not None:
            chain.linked(parcel)
        writer.write(Frame(portion=portion_of(parcel)))
        tally.add(parcel)
    if contents.was_truncated:
        raise SourceTruncated(contents.name)
    writer.write(Frame(trailer=_trailer(tally)))
    file.flush()
    return tally.moved(is_all=contents.is_all)


class Export:
    """The contents that a file holds; they can be read once.

    Args:
        file: It is open for bytes and at its beginning; it need not be able to go back.
        name: What it is called in errors.

    Raises:
        BadExport: It is no export, or of a later format.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._reader = Reader(file, name)
        self._frames = iter(self._reader)
        header = self._header()
        self.name = name
        self.last_position = header.last_position
        self.beginning: Sequence[Record] = [record_of(event) for event in header.beginning]
        self.is_chained = header.chained
        self.incarnations: Sequence[Incarnation] = [
            incarnation_of(each) for each in header.incarnations
        ]
        self.moved: Moved | None = None
        """What all of it has come to, when it was read to its end and found whole."""

    @property
    def is_all(self) -> bool:
        """Yes: where the journal has come to since, the file does not know."""
        return True

    async def truncated_to(self, stream: str) -> int:  # noqa: ARG002
        """Nothing, because a file does not change."""
        return 0

    @property
    def was_truncated(self) -> bool:
        """No, for the same reason."""
        return False

    async def late_truncations(self) -> AsyncIterator[tuple[StreamInfo, bool]]:
        """None."""
        none: list[tuple[StreamInfo, bool]] = []
        for each in none:
            yield each

    async def parcels(self) -> AsyncIterator[Parcel]:
        """See :class:`~daicho.moving.contents.Contents`.

        Raises:
            BadExport: It is cut short or was changed.
            ChainBroken: An event is not what its link says.
        """
        for parcel in self.read():
            yield parcel

    def read(self, *, show: Show | None = None) -> Iterator[Parcel]:
        """The same, for whoever does not wait."""
        tally = Tally(self.last_position, show)
        chain = _Chain(self.name) if self.is_chained else None
        for frame in self._frames:
            match frame.WhichOneof("content"):
                case "portion":
                    if any(len(link.hash) != _HASH_BYTES for link in frame.portion.links):
                        raise self._reader.bad("a hash has not its length")
                    parcel = parcel_of(frame.portion)
                    if chain is not None:
                        parcel = chain.linked(parcel)
                    tally.add(parcel)
                    yield parcel
                case "trailer":
                    self._end(frame.trailer, tally)
                    return
                case _:
                    raise self._reader.bad("this does not belong here")
        raise self._reader.bad("the file is cut short")

    def _header(self) -> Header:
        frame = next(self._frames, None)
        if frame is None or frame.WhichOneof("content") != "header":
            raise self._reader.bad("the file has no header")
        if frame.header.format > FORMAT:
            raise self._reader.bad(
                f"it is of format {frame.header.format}, this Daicho knows up to {FORMAT};"
                " upgrade Daicho"
            )
        return frame.header

    def _end(self, trailer: Trailer, tally: Tally) -> None:
        if trailer != _trailer(tally):
            raise self._reader.bad("what was read is not what was written")
        if next(self._frames, None) is not None:
            raise self._reader.bad("something follows its end")
        self.moved = tally.moved(is_all=True)


def look_over(file: BinaryIO, name: str, *, show: Show | None = None) -> Moved:
    """Reads an export to its end, and finds it whole.

    Raises:
        BadExport: It is not.
        ChainBroken: It is; but an event is not what its link says, and was not when it was written.
    """
    contents = Export(file, name)
    for _ in contents.read(show=show):
        pass
    assert contents.moved, "an export was read to its end and is not known to be whole"
    return contents.moved


class _Chain:
    """Makes the links anew from what is read, to find what is not as they say."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._root = GENESIS
        self._hashes: dict[str, bytes] = {}

    def linked(self, parcel: Parcel) -> Parcel:
        """The parcel with whole links."""
        if not (parcel.records or parcel.links):
            return parcel
        links = links_of(self._name, self._root, self._hashes, parcel.records, parcel.links)
        self._root = links[-1].root
        self._hashes |= {link.stream: link.hash for link in links}
        return parcel._replace(links=links)


def _trailer(tally: Tally) -> Trailer:
    counts = tally.counts
    return Trailer(
        truncations=counts.truncated,
        events=counts.events,
        snapshots=counts.snapshots,
        replies=counts.replies,
        digest=tally.digest(),
        root=b"" if tally.root is None else tally.root.digest,
    )
