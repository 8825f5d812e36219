"""What the documents show runs, and what they name exists."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.coverage import unmeasured

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
TEST = re.compile(r"`((?:src|tests)/[\w/]+\.py)::([\w:]+)`")
FENCE = re.compile(
    r"^(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
# Blocks of these pages stand alone; those of all others continue one another.
STAND_ALONE = {"docs/actors.md", "docs/journals.md"}
# Its program is looked at below, and most of its blocks are excerpts.
NOT_RUN = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}


def shown_pages() -> list[Path]:
    """Pages whose programs run; records of decisions show excerpts."""
    return [
        page
        for page in PAGES
        if str(page.relative_to(ROOT)) not in NOT_RUN and "decisions" not in page.parts
    ]


def is_story(page: Path) -> bool:
    """Whether a page tells what to type: it has commands, and files that they need."""
    return any(fence["kind"] == "console" for fence in FENCE.finditer(page.read_text()))


def programs() -> list[tuple[str, str]]:
    found = []
    for page in shown_pages():
        blocks = BLOCK.findall(page.read_text())
        if is_story(page) or not blocks:
            continue
        name = str(page.relative_to(ROOT))
        if name not in STAND_ALONE:
            blocks = ["\n".join(blocks)]
        found += [(f"{name}-{number}", block) for number, block in enumerate(blocks, 1)]
    assert found
    return found


def stories() -> list[Path]:
    return [page for page in shown_pages() if is_story(page)]


def run(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env=unmeasured(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def typed(block: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it is to print."""
    commands: list[tuple[str, str]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], ""))
        else:
            assert commands, f"what prints {line!r}?"
            command, printed = commands[-1]
            commands[-1] = command, f"{printed}{line}\n"
    return commands


def as_pattern(printed: str) -> str:
    """What a page says is printed; three dots stand for what differs from run to run."""
    return re.escape(printed).replace(r"\.\.\.", ".*?")


@pytest.mark.parametrize("page", stories(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_story_of_the_docs_goes_as_it_is_told(page: Path, tmp_path: Path) -> None:
    environment = unmeasured() | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    # With these set, pytest prints more than whoever reads the page will see.
    for name in ("CI", "BUILD_NUMBER"):
        environment.pop(name, None)
    for fence in FENCE.finditer(page.read_text()):
        if fence["file"]:
            (tmp_path / fence["file"]).write_text(fence["text"])
        elif fence["kind"] == "console":
            for command, printed in typed(fence["text"]):
                done = subprocess.run(
                    ["sh", "-c", command],
                    cwd=tmp_path,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=120,
                    check=False,
                )
                assert re.fullmatch(as_pattern(printed), done.stdout, re.DOTALL), (
                    f"$ {command}\n{done.stdout}"
                )


@pytest.mark.parametrize(
    "program", [program for _, program in programs()], ids=[name for name, _ in programs()]
)
def test_a_program_in_the_docs_runs_as_it_stands(program: str, tmp_path: Path) -> None:
    run(program, tmp_path)


def test_the_program_of_the_readme_prints_what_it_says(tmp_path: Path) -> None:
    program = BLOCK.findall((ROOT / "README.md").read_text())[0]
    assert [run(program, tmp_path), run(program, tmp_path)] == ["12000\n", "24000\n"]


@pytest.mark.parametrize("number", [1, 2])
def test_the_readme_shows_what_the_demo_prints(number: int) -> None:
    shown = re.search(
        rf"<!-- run {number} -->\n```\n(.*?)^```$",
        (ROOT / "README.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    expected = ROOT / f"tests/acceptance/expected/run-{number}.txt"
    assert shown is not None
    assert shown[1] == expected.read_text()


def test_the_readme_shows_the_wallet_as_it_is() -> None:
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    shown = next(block for block in blocks if block.startswith("class WalletActor"))
    actor = (ROOT / "src/wallet/actor.py").read_text()
    for excerpt in shown.split("        # …\n"):
        assert excerpt in actor


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_a_link_leads_to_a_file_that_exists(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not missing


def test_a_promise_names_tests_that_exist() -> None:
    named = TEST.findall((ROOT / "docs/semantics.md").read_text())
    assert len(named) >= 12
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).exists()
        or any(
            not re.search(rf"(def|class) {part}\b|\b{part} = ", (ROOT / path).read_text())
            for part in name.split("::")
        )
    ]
    assert not missing
