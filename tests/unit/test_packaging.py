"""What an installation brings: no more than was promised, and parts that fit each other."""

import ast
import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z0-9, -]+\])?==([^ ]+)", re.MULTILINE)


def imported(source: Path) -> Iterator[str]:
    """The outermost names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]


def pins(name: str) -> dict[str, str]:
    """The exact versions in a lock file."""
    return dict(PIN.findall((ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")))


EXTRAS = {
    "src/daicho/cli": {"cyclopts", "rich"},
    "src/daicho/events/json_form.py": {"msgspec"},
    "src/daicho/journal/postgres": {"asyncpg"},
    "src/daicho/pytest_plugin.py": {"pytest", "pytest_asyncio"},
    "src/daicho/testing/journal_contract": {"pytest", "pytest_asyncio"},
    "src/daicho/testing/journal_machine.py": {"hypothesis", "pytest"},
}
"""What only these places import, each of them only when it is used."""


def extras_of(source: Path) -> set[str]:
    name = str(source.relative_to(ROOT))
    return {each for place, names in EXTRAS.items() if name.startswith(place) for each in names}


def test_the_library_needs_protobuf_and_apsw_alone() -> None:
    declared = {re.split("[<>=]", each)[0] for each in PROJECT["dependencies"]}
    assert declared == {"apsw", "protobuf"}
    sources = list((ROOT / "src" / "daicho").rglob("*.py"))
    assert sources
    foreign = {
        f"{source.relative_to(ROOT)}: {name}"
        for source in sources
        for name in imported(source)
        if name not in sys.stdlib_module_names | {"apsw", "daicho", "google"} | extras_of(source)
    }
    assert foreign == set()


def test_the_oldest_protobuf_that_is_allowed_runs_the_generated_code() -> None:
    allowed = next(each for each in PROJECT["dependencies"] if each.startswith("protobuf"))
    oldest = re.search(r">=(\d+)\.(\d+)\.(\d+)", allowed)
    limit = re.search(r"<(\d+)", allowed)
    assert oldest
    assert limit
    generated = list((ROOT / "src").rglob("*_pb2.py"))
    assert generated
    for source in generated:
        made_by = re.search(
            r"^# Protobuf Python Version: (\d+)\.(\d+)\.(\d+)$",
            source.read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        assert made_by
        version = tuple(map(int, made_by.groups()))
        assert version <= tuple(map(int, oldest.groups()))
        assert version[0] == int(limit[1]) - 1


@pytest.mark.parametrize(
    ("name", "among"),
    [
        ("run", {"apsw", "protobuf"}),
        ("dev", {"apsw", "protobuf", "pytest"}),
        ("lock", {"apsw", "protobuf", "uv"}),
        ("peers", {"async-pykka", "eventsourcing", "pykka", "thespian"}),
        ("peers-build", {"setuptools"}),
        ("plots", {"matplotlib"}),
    ],
)
def test_every_pin_has_hashes_and_no_lock_file_says_where_packages_are(
    name: str, among: set[str]
) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert pins(name).keys() >= among
    for requirement in text.replace("\\\n", "").splitlines():
        assert PIN.match(requirement)
        assert "--hash=sha256:" in requirement
    assert "://" not in text
    assert not re.search(r"^-|--(?!hash=)", text, re.MULTILINE)


def test_one_environment_can_hold_what_every_lock_file_pins() -> None:
    development = pins("dev")
    assert pins("run").items() <= development.items()
    both = pins("lock").keys() & development.keys()
    assert {each: pins("lock")[each] for each in both} == {each: development[each] for each in both}


def test_an_environment_that_cannot_be_made_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("install", ROOT / "scripts/lib/install.py")
    assert spec
    assert spec.loader
    install = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(install)
    (tmp_path / "file").touch()
    # Refused to every user, the superuser too.
    monkeypatch.setattr(install, "ROOT", tmp_path)
    impossible = tmp_path / "file" / ".venv"
    assert install.main("file/.venv", "run=pins", "project=project") == 1
    _, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{impossible}: Not a directory; ")
    assert "work in a checkout that you may write" in line
