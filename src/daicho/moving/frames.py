"""Frames: messages one behind the other, each with its length and a checksum.

How they follow each other is told in ``proto/daicho/moving/v1/moving.proto``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO

from google.protobuf.message import DecodeError

from daicho.errors import BadExport
from daicho.moving.v1 import Frame

MAGIC = b"\x89daicho\n"
"""As PNG begins: no text begins so, and it shows whether somebody has changed the ends of lines."""

_HEAD = Struct("<II")
_MAX_FRAME_BYTES = 256 * 1_024 * 1_024
"""More than a portion can have: a length beyond that is damage, and not to be waited for."""


class Writer:
    """Writes frames into a file that is open for bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._checksum = zlib.crc32(MAGIC)
        file.write(MAGIC)

    def write(self, frame: Frame) -> None:
        """Writes the next frame."""
        message = frame.SerializeToString()
        self._checksum = zlib.crc32(message, self._checksum)
        self._file.write(_HEAD.pack(len(message), self._checksum))
        self._file.write(message)


class Reader:
    """Reads frames from a file that is open for bytes.

    Args:
        file: The file.
        name: What it is called in errors.

    Raises:
        BadExport: It does not begin as such a file does.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self.at_byte = 0
        """Where the frame begins that is read or was read last."""
        self._file = file
        self._end = len(MAGIC)
        self._checksum = zlib.crc32(MAGIC)
        if self._read(len(MAGIC)) != MAGIC:
            raise self.bad("it is no export of a journal")

    def __iter__(self) -> Iterator[Frame]:
        """The frames, up to the end of the file.

        Raises:
            BadExport: A frame was changed, or the file ends inside it.
        """
        while frame := self._frame():
            yield frame

    def bad(self, reason: str) -> BadExport:
        """The error that says what is wrong with the frame at hand."""
        return BadExport(self.name, self.at_byte, reason)

    def _frame(self) -> Frame | None:
        self.at_byte = self._end
        head = self._read(_HEAD.size)
        if not head:
            return None
        if len(head) < _HEAD.size:
            raise self.bad("the file is cut short")
        size, checksum = _HEAD.unpack(head)
        if size > _MAX_FRAME_BYTES:
            raise self.bad("the file was changed: no part of it can be as long as it says")
        message = self._read(size)
        if len(message) < size:
            raise self.bad("the file is cut short")
        self._checksum = zlib.crc32(message, self._checksum)
        if checksum != self._checksum:
            raise self.bad("the file was changed: a checksum does not fit")
        self._end += _HEAD.size + size
        try:
            return Frame.FromString(message)
        except DecodeError as error:
            raise self.bad(f"a part of it cannot be understood: {error}") from error

    def _read(self, size: int) -> bytes:
        """So many bytes, fewer at the end of the file alone; a pipe may give them in pieces."""
        found = self._file.read(size)
        while len(found) < size and (more := self._file.read(size - len(found))):
            found += more
        return found
