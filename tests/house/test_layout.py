"""The top level is fixed, and the README's layout tree is the tree there is."""

import re
from pathlib import Path

import pytest

from warehouse.home import PROJECT

PACKAGES = {"pipelines", "warehouse", "dashboards", "retention"}
TOP_FOLDERS = PACKAGES | {"tests", ".ci"}
TOP_FILES = {
    ".gitattributes",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "dagster.yaml",
    "pyproject.toml",
    "requirements.lock",
}
_ENTRY = re.compile(r"^(?P<indent>[ │├└─|`+-]*)(?P<names>[\w.<][^#]*?)(?:\s{2,}\S.*|\s+#.*)?$")


def tree(readme: str) -> str:
    """The text block under the heading "Layout"."""
    block = re.search(r"^#+ Layout\n.*?^```text\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert block, "README.md needs a section 'Layout' with a ```text tree"
    return block[1]


def paths(block: str) -> list[str]:
    """Every path of a tree: an entry of several names stands for each; deeper indents lie in the folder above."""
    found: list[str] = []
    above: list[tuple[int, str]] = []
    for line in filter(str.strip, block.splitlines()):
        entry = _ENTRY.match(line)
        assert entry, f"a line of the layout that names no path: {line!r}"
        depth = len(entry["indent"])
        while above and above[-1][0] >= depth:
            above.pop()
        folder = above[-1][1] if above else ""
        names = entry["names"].split()
        found.extend(folder + name for name in names)
        if names[0].endswith("/"):
            above.append((depth, folder + names[0]))
    return found


def missing(block: str, project: Path) -> list[str]:
    """What of a tree is not in the project: paths that match nothing, packages it leaves out."""
    named = paths(block)
    absent = [path for path in named if not list(project.glob(re.sub(r"<\w+>", "*", path.rstrip("/"))))]
    return absent + sorted(PACKAGES - {path.rstrip("/") for path in named})


def test_the_top_level_is_fixed(tracked_files: list[Path]) -> None:
    """A new folder or file at the top is a decision, not an accident."""
    assert {file.parts[0] for file in tracked_files if len(file.parts) > 1} - TOP_FOLDERS == set()
    assert {file.name for file in tracked_files if len(file.parts) == 1} - TOP_FILES == set()


@pytest.mark.skipif(not (PROJECT / "README.md").exists(), reason="the README is not written yet")
def test_the_layout_in_the_readme_is_the_one_there_is(readme: str) -> None:
    """Every path of the README's tree exists, and all four packages are in it."""
    assert missing(tree(readme), PROJECT) == []


def test_a_layout_with_something_else_is_found(tmp_path: Path) -> None:
    """Comments and rules around names are read past; what is not there and what is left out is named."""
    block = (
        "pipelines/            what runs by itself\n"
        "├── cli.py gone.py    the command line\n"
        "└── providers/\n"
        "    └── <provider>.py  one file each\n"
        "warehouse/   # what is known\n"
        "  money.py\n"
        "retention/\n"
    )
    for file in ("pipelines/cli.py", "pipelines/providers/openai.py", "warehouse/money.py", "retention/seal.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert missing(block, tmp_path) == ["pipelines/gone.py", "dashboards"]


def test_a_readme_without_a_layout_is_found() -> None:
    """The section cannot be dropped unseen."""
    with pytest.raises(AssertionError, match="Layout"):
        tree("# apiledger\n")
