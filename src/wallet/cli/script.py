"""The lines of a script, read while the wallets go on with what they have to do."""

from __future__ import annotations

import asyncio
import codecs
import os
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

_CHUNK_BYTES = 65_536


async def lines_of(descriptor: int) -> AsyncIterator[str]:
    """The lines that can be read from a file, a pipe or a terminal, without their ends.

    What is not UTF-8 is in them as lone surrogates.

    Raises:
        OSError: It cannot be read.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    rest = ""
    while chunk := await _read(descriptor):
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        for line in lines:
            yield line.removesuffix("\r")
    if last := rest + decoder.decode(b"", final=True):
        yield last


async def _read(descriptor: int) -> bytes:
    """Some bytes, as soon as there are any; none at the end.

    In a thread of its own, which nobody waits for when the program is interrupted meanwhile. It
    reads from the descriptor, because Python cannot exit while a thread is in ``sys.stdin``.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def give(chunk: bytes | OSError) -> None:
        if done.done():
            return
        if isinstance(chunk, OSError):
            done.set_exception(chunk)
        else:
            done.set_result(chunk)

    def read() -> None:
        chunk: bytes | OSError
        try:
            chunk = os.read(descriptor, _CHUNK_BYTES)
        except OSError as error:
            chunk = error
        # A loop that is closed belongs to a program that was interrupted, and wants no more lines.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(give, chunk)

    threading.Thread(target=read, name="wallet-script", daemon=True).start()
    return await done
