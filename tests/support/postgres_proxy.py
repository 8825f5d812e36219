"""What is between a client and its server: it cuts, holds back, and may lead to another server.

So tests show what a network and a failover do, at the byte where they want it.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

Way = Literal["requests", "answers"]


class Proxy:
    """Connections to whatever server it leads to, from when it is entered.

    Args:
        target: The URL of the server.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        """Where new connections lead to."""
        self.keeps_ends = False
        """Whether clients do not learn that the server has closed a connection."""
        self.kept_ends = 0
        """How often they did not."""
        self.cuts = 0
        self.refused = 0
        """How often somebody came and there was no server."""
        self._answers = _set()
        self._cut_after: tuple[Way, int] | None = None
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The way through it."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(self.target)
        user, _, _ = parts.netloc.rpartition("@")
        options = {name: last for name, [*_, last] in parse_qs(parts.query).items()}
        query = urlencode(options | {"host": "127.0.0.1", "port": port, "sslmode": "disable"})
        return urlunsplit(parts._replace(netloc=f"{user}@", query=query))

    def cut(self) -> None:
        """Ends all connections now."""
        self.cuts += 1
        self._cut_after = None
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()

    def cut_after(self, way: Way, count: int) -> None:
        """Ends all connections when so many more bytes have passed one way."""
        self._cut_after = way, count

    def spare(self) -> None:
        """Nothing is cut after all."""
        self._cut_after = None

    def fall_silent(self) -> None:
        """No answer comes any more on the connections that there are."""
        self._answers.clear()
        self._answers = _set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, requests = await self._reach()
        except OSError:  # there is no server
            self.refused += 1
            writer.transport.abort()
            return
        pair = writer, requests
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as pumps:
                asking = pumps.create_task(self._pump("requests", reader, requests))
                await self._pump("answers", answers, writer)
                if self.keeps_ends:
                    self.kept_ends += 1
                else:
                    asking.cancel()
        except* OSError:
            pass  # it was cut
        finally:
            self._pairs.discard(pair)
            for each in pair:
                each.close()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.target)
        host = parse_qs(parts.query).get("host", [parts.hostname or "localhost"])[-1]
        port = parts.port or 5432
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _pump(
        self, way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        answers = self._answers
        while data := await source.read(65_536):
            if way == "answers":
                await answers.wait()
            if self._cut_after is not None and self._cut_after[0] == way:
                left = self._cut_after[1] - len(data)
                if left < 0:
                    sink.write(data[:left])
                    await sink.drain()
                    # What was written leaves before the connection ends.
                    await asyncio.sleep(0.001)
                    self.cut()
                    return
                self._cut_after = way, left
            sink.write(data)
            await sink.drain()


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event
