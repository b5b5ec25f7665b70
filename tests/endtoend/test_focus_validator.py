"""FOCUS's own validator on the sandbox's export: nothing fails but one of two rules that exclude one another."""

import fcntl
import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.exports import close, export
from warehouse.home import PROJECT, Home

# 2.x needs Python 3.12; with a newer pyarrow it does not start.
REQUIREMENTS = ("focus-validator==2.2.1", "pyarrow<20")
# "InvoiceId MUST be null when ..." and "MUST NOT be null when ..." are checked without their conditions: whatever a
# file says, one of them fails; their composite InvoiceId-C-003-C has to pass.
EITHER = {"InvoiceId-C-004-C", "InvoiceId-C-005-C"}
LEAST_PASSED = 136

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def validator() -> Path:
    """The validator's own virtual environment under build/, made once; its folder of packages."""
    python = shutil.which("python3.12")
    if python is None:
        pytest.skip("no python3.12, which FOCUS's validator needs")
    folder = PROJECT / "build" / "focus-venv"
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "bin" / "focus-validator").exists():
            subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
    return next(folder.glob("lib/python3.12/site-packages"))


def judged(validator: Path, file: Path, result: Path) -> tuple[set[str], int]:
    """The rules that failed, and how many passed; it exits 0 in either case."""
    subprocess.run(
        [
            validator.parents[2] / "bin" / "focus-validator",
            *("--data-file", file, "--validate-version", "1.2.0.1", "--block-download"),
            *("--output-type", "unittest", "--output-destination", result),
        ],
        check=True,
        # It opens its list of currencies by a relative path.
        cwd=validator,
        capture_output=True,
    )
    cases = list(ET.parse(result).getroot().iter("testcase"))  # noqa: S314 (written here by the validator)
    failed = {str(case.get("name")).split(" ")[0] for case in cases if case.find("failure") is not None}
    skipped = sum(case.find("skipped") is not None for case in cases)
    return failed, len(cases) - skipped - len(failed)


def test_focus_own_validator_finds_nothing(validator: Path, sandbox_home: Home, tmp_path: Path) -> None:
    """Every rule that the validator checks, but the pair that cannot both hold."""
    export.focus(sandbox_home, str(tmp_path), datetime(2026, 11, 22, tzinfo=UTC))
    for number, file in enumerate(sorted(tmp_path.rglob("focus.csv"))):
        failed, passed = judged(validator, file, tmp_path / f"{number}.xml")
        assert failed < EITHER
        assert passed >= LEAST_PASSED


def test_a_closed_month_has_its_report(
    validator: Path, sandbox_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The validator's report lies among the frozen files beside ours, and says what it says by itself."""
    copied = Home(shutil.copytree(sandbox_home.root, tmp_path / "sandbox", symlinks=True))
    monkeypatch.setenv("APILEDGER_FOCUS_VALIDATOR", str(validator.parents[2] / "bin" / "focus-validator"))
    made = close.close(copied, date(2026, 6, 1), datetime(2026, 11, 22, tzinfo=UTC), provisional=True)
    judged = json.loads((made.folder / export.MANIFEST).read_text())["judged"]
    assert {*judged["focus_validator.xml"]["failed"]} < EITHER
    assert judged["focus_validator.xml"]["passed"] >= LEAST_PASSED
    assert judged["focus_1_2_rules.csv"]["failed"] == judged["focus_1_4_rules.csv"]["failed"] == []
    assert {path.name for path in made.folder.iterdir()} >= {"focus_validator.xml", "focus_1_2_rules.csv"}


def test_the_validator_would_have_found_a_fault(validator: Path, sandbox_home: Home, tmp_path: Path) -> None:
    """The positive control: a currency in small letters is found."""
    export.focus(sandbox_home, str(tmp_path), datetime(2026, 11, 22, tzinfo=UTC))
    file = next(tmp_path.rglob("focus.csv"))
    file.write_text(file.read_text().replace(",USD,", ",usd,"))
    failed, _ = judged(validator, file, tmp_path / "wrong.xml")
    assert any(rule.startswith("BillingCurrency") for rule in failed)
