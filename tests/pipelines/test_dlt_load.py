"""What dlt is told: by this process alone, whatever settings lie where somebody stands."""

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


def test_settings_of_somebody_are_not_read(home: Home, tmp_path: Path) -> None:
    """A `.dlt` folder that would break every load breaks none; nor is Streamlit asked for its secrets."""
    put(home, "a.jsonl", [line(request_id="1"), line(request_id="2")])
    settings = tmp_path / "elsewhere" / ".dlt"
    settings.mkdir(parents=True)
    for name in ("config.toml", "secrets.toml"):
        (settings / name).write_text("this is [no TOML")
    done = subprocess.run(
        [sys.executable, "-c", _PASS, str(home.root)],
        cwd=settings.parent,
        env={"PYTHONPATH": str(_ROOT), "APILEDGER_MASTER_KEY": MASTER_KEY, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["1", "2", "[]"], done.stderr
