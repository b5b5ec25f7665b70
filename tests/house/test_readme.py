"""The README is executed: its SQL against a published sandbox, its commands against the command line."""

import re

import click
import duckdb
import pytest

from warehouse.database import published
from warehouse.home import PROJECT, Home

_README = PROJECT / "README.md"
_WRITTEN = pytest.mark.skipif(not _README.exists(), reason="the README is not written yet")


def sql_blocks(text: str) -> list[str]:
    """Every fenced sql block."""
    return re.findall(r"^```sql\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> set[str]:
    """Every apiledger command that fenced blocks and inline code name."""
    code = re.findall(r"^```(?:sh|bash|console|shell)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    code += re.findall(r"`([^`\n]+)`", text)
    return {match[1] for block in code for match in re.finditer(r"(?:^|[\s/$])apiledger\s+([a-z][a-z-]*)", block)}


def targets(text: str) -> set[str]:
    """Every make target that fenced blocks and inline code name."""
    return set(
        re.findall(
            r"(?:`|^|\s)make ([a-z]+)(?=[`\s]|$)", "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
        )
    )


def run(connection: duckdb.DuckDBPyConnection, block: str) -> int:
    """Execute a block's statements; the number of rows of the last."""
    return len(connection.execute(block).fetchall())


@_WRITTEN
def test_the_readme_has_a_cookbook(readme: str) -> None:
    """SQL and commands are in it, so that the tests beside this one have something to run."""
    assert sql_blocks(readme)
    assert {"run", "today", "sql"} <= commands(readme)
    assert {"up", "test"} <= targets(readme)


@_WRITTEN
@pytest.mark.parametrize("block", sql_blocks(_README.read_text()) if _README.exists() else [])
def test_the_readmes_sql_answers(block: str, sandbox_home: Home) -> None:
    """Every query of the cookbook runs as it stands and finds rows in the sandbox."""
    with published(sandbox_home) as connection:
        assert run(connection, block) > 0


@_WRITTEN
def test_the_readmes_commands_exist(readme: str) -> None:
    """Every `apiledger ...` and `make ...` of the README is there to be typed."""
    from pipelines.cli import cli

    assert isinstance(cli, click.Group)
    assert commands(readme) - set(cli.list_commands(click.Context(cli))) == set()
    assert targets(readme) - set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)) == set()


def test_sql_that_does_not_run_is_found() -> None:
    """A cookbook query on a column that is gone fails."""
    (block,) = sql_blocks("Spend:\n```sql\nSELECT cost_usd FROM (SELECT 1 AS requests)\n```\n")
    with duckdb.connect() as connection, pytest.raises(duckdb.BinderException, match="cost_usd"):
        run(connection, block)


def test_commands_are_read_from_code_alone() -> None:
    """Inline code, fenced blocks and paths count; prose does not."""
    text = "apiledger shows it. `apiledger today`\n```sh\n.venv/bin/apiledger sql 'SELECT 1'\nmake up\n```\nmake sure"
    assert commands(text) == {"today", "sql"}
    assert targets(text) == {"up"}
