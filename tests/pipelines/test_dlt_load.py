"""What dlt is told: by this process alone, whatever settings lie where somebody stands; and what it holds: nothing."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import MASTER_KEY
from tests.pipelines.gateway_log import line, put
from warehouse.home import Home

_ROOT = Path(__file__).resolve().parents[2]
_PASS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pipelines.passage import run_pass
from warehouse.home import Home
report = run_pass(Home(Path(sys.argv[1])), datetime(2026, 11, 21, tzinfo=UTC), lambda *_: None)
print(report.version, sum(one.rows for one in report.ingested), sorted({"streamlit"} & sys.modules.keys()))
"""

_LOAD = """
import gc, sys, weakref
from pathlib import Path
import duckdb
import polars as pl
from pipelines.materialization import dlt_load
from warehouse.tables import Column, Table

class Told:
    pass

def load(folder, build):
    told = Told()
    part = folder / "part.parquet"
    pl.DataFrame({"n": [1, 2]}).write_parquet(part)
    table = Table("raw_any", "calls", "Any.", (Column("n", "BIGINT", "A number."),))
    dlt_load.load_tables(build, folder / "dlt", "any", [(table, [(part, 2)])])
    return weakref.ref(told)

with duckdb.connect() as build:
    refs = [load(Path(sys.argv[1]), build) for _ in range(2)]
    gc.collect()
    print(build.execute("SELECT count(*) FROM raw_any.calls").fetchall()[0][0], [ref() is None for ref in refs])
"""


def _printed(script: str, folder: Path, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        cwd=cwd,
        env={"PYTHONPATH": str(_ROOT), "APILEDGER_MASTER_KEY": MASTER_KEY, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_settings_of_somebody_are_not_read(home: Home, tmp_path: Path) -> None:
    """A `.dlt` folder that would break every load breaks none; nor is Streamlit asked for its secrets."""
    put(home, "a.jsonl", [line(request_id="1"), line(request_id="2")])
    settings = tmp_path / "elsewhere" / ".dlt"
    settings.mkdir(parents=True)
    for name in ("config.toml", "secrets.toml"):
        (settings / name).write_text("this is [no TOML")
    assert _printed(_PASS, home.root, settings.parent) == "1 2 []"


def test_whoever_loads_is_not_held_by_dlt(tmp_path: Path) -> None:
    """Neither by the first load, which imports it, nor by the last: a pull of many connections held what they told."""
    assert _printed(_LOAD, tmp_path, tmp_path) == "4 [True, True]"
