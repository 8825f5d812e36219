"""What the documents show runs, and what they name exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")
# Blocks of these pages continue one another; those of others stand alone.
CONTINUED = {"persistence.md"}


def programs() -> list[tuple[str, str]]:
    found = []
    for page in ("actors.md", "persistence.md", "journals.md"):
        blocks = BLOCK.findall((ROOT / "docs" / page).read_text())
        assert blocks, f"{page} shows no program"
        if page in CONTINUED:
            blocks = ["\n".join(blocks)]
        found += [(f"{page}-{number}", block) for number, block in enumerate(blocks, 1)]
    return found


def run(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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
