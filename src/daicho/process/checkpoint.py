"""How far a courier has come, stored beside the journal's streams, so that it need not begin anew.

A checkpoint is an aid: without it all is read from the journal's beginning, and what was done
already is found to be done, by its key. So one that cannot be read is passed over, for the one
before it or for none. Programs with other entity types may share a courier's name, such as two
versions of one program; each leaves in place what it does not know.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from google.protobuf.message import DecodeError

from daicho.journal import Feature, Journal, Snapshot
from daicho.process.v1 import Checkpoint

log = logging.getLogger("daicho.process")

_TYPE_NAME = Checkpoint.DESCRIPTOR.full_name


class Checkpoints:
    """The checkpoints of one courier in a journal.

    Args:
        journal: Where they are stored, as snapshots of the stream ``daicho.courier:<name>``.
        name: The courier's name.
    """

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal = journal
        self._stream = f"daicho.courier:{name}"
        self._before = 0

    async def load(self) -> Checkpoint:
        """The newest one that can be used; an empty one if there is none."""
        usable = Checkpoint()
        newest = found = await self._journal.load_snapshot(self._stream)
        while found is not None:
            try:
                usable = await self._read(found)
                break
            except ValueError as error:
                log.warning(
                    "checkpoint %d of %r cannot be used, one before it is tried, or none: %s",
                    found.version, self._stream, error,
                )  # fmt: skip
            found = await self._journal.load_snapshot(self._stream, max_version=found.version - 1)
        if newest is not None and found is not newest:
            await self._start_over_with(found, newest.version)
        self._before = 0 if found is None else found.version
        return usable

    async def _read(self, found: Snapshot) -> Checkpoint:
        try:
            checkpoint = Checkpoint.FromString(found.payload)
        except DecodeError as error:
            raise ValueError(str(error)) from error
        last = await self._journal.last_position()
        if found.version > last:
            raise ValueError(f"the journal has come to position {last} only")
        return checkpoint

    async def _start_over_with(self, found: Snapshot | None, newest: int) -> None:
        """Deletes what cannot be used, so that the journal does not grow until it seems to fit."""
        if Feature.DELETE_SNAPSHOTS in self._journal.features:
            await self._journal.delete_snapshots(self._stream, max_version=newest)
            if found is not None:
                await self._journal.save_snapshot(found)

    async def save(
        self, checkpoint: Checkpoint, known: Collection[tuple[str, str]], time_us: int
    ) -> None:
        """Stores one, and deletes all but the one before it.

        Args:
            checkpoint: How far this program has come.
            known: The reactions that this program has: process types and type names.
            time_us: When that is.
        """
        await self._keep_unknown(checkpoint, known)
        version = checkpoint.position
        await self._journal.save_snapshot(
            Snapshot(
                stream=self._stream,
                version=version,
                type_name=_TYPE_NAME,
                payload=checkpoint.SerializeToString(),
                time_us=time_us,
            )
        )
        if self._before < version:
            if self._before > 1 and Feature.DELETE_SNAPSHOTS in self._journal.features:
                await self._journal.delete_snapshots(self._stream, max_version=self._before - 1)
            self._before = version

    async def _keep_unknown(
        self, checkpoint: Checkpoint, known: Collection[tuple[str, str]]
    ) -> None:
        """Copies what a program with other processes has stored of them."""
        newest = await self._journal.load_snapshot(self._stream)
        if newest is None:
            return
        try:
            other = Checkpoint.FromString(newest.payload)
        except DecodeError:
            return  # that was said when it was loaded
        checkpoint.following.extend(
            each for each in other.following if (each.process, each.type_name) not in known
        )
        checkpoint.unreacted.extend(
            each for each in other.unreacted if (each.process, each.type_name) not in known
        )
