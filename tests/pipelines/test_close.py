"""A closed month stays what it was: frozen, hashed, chained; a later change is a correction in the open month."""

import csv
import json
import stat
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipelines.cli import cli
from pipelines.errors import PipelineError
from pipelines.exports import amounts, close, export
from pipelines.exports.close import CloseError
from retention import hunter, policy
from tests.pipelines.billed_world import LATER, World, world
from tests.pipelines.gateway_log import line, one, put, query, take_in
from tests.templates import Templates
from warehouse import closed_month, database, publication
from warehouse.home import Home

NOW = datetime(2026, 11, 21, 22, tzinfo=UTC)
OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)


def _filled(home: Home) -> None:
    days = ("2026-10-01", "2026-10-03", "2026-10-31", "2026-11-02")
    put(home, "a.jsonl", [line(request_id=day, ts=f"{day}T10:00:00Z", input_tokens=400_000) for day in days])
    take_in(home, NOW)


@pytest.fixture
def filled(templates: Templates, home: Home, master_key: str) -> Home:
    """A home with a call on three days of October and one of November, and nothing that tells of a bill."""
    assert master_key
    return templates.once(home, _filled)


def exported(home: Home, folder: Path, now: datetime = NOW, version: str = "1.2") -> dict[str, list[dict[str, str]]]:
    """A FOCUS export's rows by month, whose sum is that of spend."""
    made = export.focus(home, str(folder), now, version)
    assert made.cost_usd == one(home, "SELECT sum(cost_usd) FROM mart.spend_daily")
    found = {}
    for path in sorted(folder.rglob("focus.csv")):
        with path.open(newline="", encoding="utf-8") as handle:
            found[path.parent.name.removeprefix("billing_period=")] = list(csv.DictReader(handle))
    return found


def later(home: Home, name: str, day: str, now: datetime = NOW, **fields: object) -> None:
    """A call of a past day lands late."""
    put(home, f"{name}.jsonl", [line(request_id=name, ts=f"{day}T11:00:00Z", **fields)])
    take_in(home, now)


def test_a_month_is_frozen_into_one_folder(filled: Home) -> None:
    """Every file with its hash, for its owner alone, and nothing that has no clause."""
    made = close.close(filled, OCTOBER, NOW)
    assert made.cost_usd == one(filled, "SELECT sum(cost_usd) FROM mart.spend_daily WHERE day < '2026-11-01'")
    manifest = json.loads((made.folder / export.MANIFEST).read_text())
    assert {file["path"] for file in manifest["files"]} >= {
        "focus_1_2.csv",
        "focus_1_4.parquet",
        "invoice_tie_out.csv",
        "reconciliation.csv",
        "changes.csv",
    }
    assert manifest["previous"] is None
    assert {name: one["failed"] for name, one in manifest["judged"].items()} == {
        "focus_1_2_rules.csv": [],
        "focus_1_4_rules.csv": [],
    }
    assert manifest["judged"]["focus_1_2_rules.csv"]["passed"] > 60
    told = (made.folder / "focus_1_2_rules.csv").read_text()
    assert "x-ChargePeriod-length,A charge period ends after it begins,3,0," in told
    assert "x-Rounding-month" in told
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert close.wrong(filled) == []
    assert hunter.offences(filled, policy.load()) == []


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_what_changes_later_is_a_correction_in_the_open_month(filled: Home, tmp_path: Path, version: str) -> None:
    """A late call of the 3rd of October: October leaves byte for byte as before, November holds the difference."""
    close.close(filled, OCTOBER, NOW)
    before = exported(filled, tmp_path, version=version)
    file = tmp_path / "billing_period=2026-10" / "focus.csv"
    frozen = file.read_bytes()
    assert not [row for row in before["2026-11"] if row["ChargeClass"]]
    later(filled, "late", "2026-10-03", input_tokens=800_000)
    after = exported(filled, tmp_path, version=version)
    assert file.read_bytes() == frozen
    (correction,) = [row for row in after["2026-11"] if row["ChargeClass"] == "Correction"]
    assert correction["ChargePeriodStart"] == "2026-10-03T00:00:00Z"
    assert correction["BillingPeriodStart"] == "2026-11-01T00:00:00Z"
    assert (Decimal(correction["BilledCost"]), correction["x_Requests"]) > (Decimal(2), "1")
    assert correction["InvoiceId"].endswith("2026-11")


@pytest.mark.soak
def test_a_correction_that_is_closed_is_not_made_again(filled: Home, tmp_path: Path) -> None:
    """November is closed with October's correction in it; December has only what came after, and all stay one sum."""
    close.close(filled, OCTOBER, NOW)
    later(filled, "late", "2026-10-03", input_tokens=800_000)
    close.close(filled, NOVEMBER, datetime(2026, 12, 10, tzinfo=UTC))
    assert "2026-12" not in exported(filled, tmp_path)
    later(filled, "later", "2026-11-02", input_tokens=100_000)
    months = exported(filled, tmp_path)
    assert [row["ChargePeriodStart"][:10] for row in months["2026-12"]] == ["2026-11-02"]
    assert {row["ChargeClass"] for row in months["2026-12"]} == {"Correction"}


def test_a_month_that_was_frozen_before_classes_were_told_is_not_corrected(filled: Home, tmp_path: Path) -> None:
    """What an earlier release froze has no classes: nothing of it moved; a late call is a correction without them."""
    made = close.close(filled, OCTOBER, NOW)
    file = made.folder / "focus_1_2.parquet"
    table = pq.read_table(file)
    added = [name for name in (*amounts.CLASSES, *amounts.OF_BILL) if name in table.column_names]
    assert len(added) == 12
    file.chmod(0o600)
    pq.write_table(table.drop_columns(added), file)
    months = exported(filled, tmp_path)
    assert not [row for rows in months.values() for row in rows if row["ChargeClass"]]
    later(filled, "late", "2026-10-03", input_tokens=800_000)
    (row,) = [row for row in exported(filled, tmp_path)["2026-11"] if row["ChargeClass"]]
    assert (row["x_InputTokens"], row["x_UncachedInputTokens"], row["ListCost"]) == ("800000", "", row["BilledCost"])


def test_a_key_that_is_forgotten_corrects_no_month(filled: Home, tmp_path: Path) -> None:
    """Old days lose their keys by the policy; amounts are what they were, so nothing is corrected."""
    close.close(filled, OCTOBER, NOW)
    with database.held(filled.build_lock), database.build(filled) as build:
        build.execute("UPDATE model.usage_daily SET key_no = NULL WHERE day < '2026-11-01'")
        publication.changed(build)
    take_in(filled, NOW)
    assert query(filled, "SELECT count(key_label) FROM mart.spend_daily WHERE day < '2026-11-01'") == [(0,)]
    months = exported(filled, tmp_path)
    assert not [row for rows in months.values() for row in rows if row["ChargeClass"]]


def test_months_are_closed_once_and_in_order(filled: Home) -> None:
    """No overwriting, no gap; each names the one before it by its hash."""
    close.close(filled, OCTOBER, NOW)
    with pytest.raises(CloseError, match="2026-10 is closed"):
        close.close(filled, OCTOBER, NOW)
    with pytest.raises(CloseError, match="the month to close is 2026-11"):
        close.close(filled, DECEMBER, datetime(2027, 1, 10, tzinfo=UTC))
    made = close.close(filled, NOVEMBER, datetime(2026, 12, 10, tzinfo=UTC))
    assert json.loads((made.folder / export.MANIFEST).read_text())["previous"]["month"] == "2026-10"
    assert close.wrong(filled) == []


@pytest.mark.parametrize(
    ("now", "said"), [(NOW, "it is not over"), (datetime(2026, 12, 2, tzinfo=UTC), "late lines of gateways' logs")]
)
def test_a_month_that_may_change_is_not_closed(filled: Home, now: datetime, said: str) -> None:
    """It says why and writes nothing; --provisional closes it and keeps the reason."""
    with pytest.raises(CloseError, match=said):
        close.close(filled, NOVEMBER, now)
    assert not closed_month.folder(filled, "2026-11").exists()
    made = close.close(filled, NOVEMBER, now, provisional=True)
    assert said in json.loads((made.folder / export.MANIFEST).read_text())["provisional"][0]


@pytest.mark.soak
def test_a_month_waits_for_its_bills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master_key: str) -> None:
    """Read within the provider's window, June's days are provisional; read later, June is closed, causes and all."""
    assert master_key
    early = datetime(2026, 7, 4, 12, tzinfo=UTC)
    made: World
    with world(tmp_path, monkeypatch) as made:
        made.pull("openai", early)
        made.take_in(early)
        with pytest.raises(CloseError, match="of anthropic's bill are provisional"):
            close.close(made.home, date(2026, 6, 1), early)
        made.pull("openai", LATER)
        made.take_in(LATER)
        done = close.close(made.home, date(2026, 6, 1), LATER)
        assert "cancelled_streams" in (done.folder / "difference_cause.csv").read_text()
        assert made.billed("openai") < done.cost_usd


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("focus_1_2.csv", "focus_1_2.csv is not what was frozen"),
        ("manifest.json", "its manifest is not the one that was written"),
        ("-changes.csv", "changes.csv is gone"),
        ("+more.csv", "more.csv was put there later"),
    ],
)
def test_what_is_done_to_a_close_is_found(filled: Home, harm: str, said: str) -> None:
    """A byte more, a file less, a file more, and the command ends with 1."""
    place = close.close(filled, OCTOBER, NOW).folder
    if harm.startswith("-"):
        (place / harm[1:]).unlink()
    else:
        with (place / harm.removeprefix("+")).open("a", encoding="utf-8") as handle:
            handle.write(" ")
    assert close.wrong(filled) == [f"2026-10: {said}"]
    done = CliRunner().invoke(cli, ["close", "verify", "--home", str(filled.root)])
    assert (done.exit_code, said in done.output) == (1, True)


_JUDGE = """#!/bin/sh
# It runs in a folder of its own, told nothing of ours, and reads the file that is frozen.
case "$(pwd)" in *2026-10.part*) ;; *) exit 3 ;; esac
env | grep -q "^APILEDGER_" && exit 4
grep -q "^BillingAccountId," "$2" || exit 5
for told; do :; done
echo '<a><testcase name="A-C-001-M :: x"/><testcase name="B-C-002-C :: x"><failure/></testcase>' > "$told"
echo '<testcase name="C-C-001-M :: x"><skipped/></testcase></a>' >> "$told"
"""


def test_a_validator_that_is_installed_judges_the_month(
    filled: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own report lies among the files, hashed; it gets no setting of ours, and nothing of its folder stays."""
    judge = tmp_path / "focus-validator"
    judge.write_text(_JUDGE)
    judge.chmod(0o700)
    monkeypatch.setenv("APILEDGER_FOCUS_VALIDATOR", str(judge))
    made = close.close(filled, OCTOBER, NOW)
    assert "focus_validator.xml: 1 rules passed, 1 failed B-C-002-C" in made.judged
    manifest = json.loads((made.folder / export.MANIFEST).read_text())
    assert "focus_validator.xml" in {file["path"] for file in manifest["files"]}
    assert [path for path in made.folder.iterdir() if path.is_dir()] == []
    assert close.wrong(filled) == []


@pytest.mark.parametrize("judge", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\nexit 0\n", ""])
def test_a_validator_that_does_not_judge_closes_nothing(
    judge: str, filled: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that breaks off, one without a report, and one that is not there: the month stays open, and it says why."""
    program = tmp_path / "judge"
    if judge:
        program.write_text(judge)
        program.chmod(0o700)
    monkeypatch.setenv("APILEDGER_FOCUS_VALIDATOR", str(program))
    with pytest.raises(PipelineError, match="did not judge focus_1_2.csv" if judge else "names no program"):
        close.close(filled, OCTOBER, NOW)
    assert not closed_month.folder(filled, "2026-10").exists()
    monkeypatch.delenv("APILEDGER_FOCUS_VALIDATOR")
    close.close(filled, OCTOBER, NOW)


def test_the_command_line_closes(filled: Home) -> None:
    """`apiledger close MONTH`; a month in another form is refused."""
    home = ("--home", str(filled.root))
    done = CliRunner().invoke(cli, ["close", "2026-10", *home])
    assert done.exit_code == 0, done.output
    assert "2026-10 is closed: 3 rows" in done.output
    assert "focus_1_2_rules.csv: " in done.output
    assert CliRunner().invoke(cli, ["close", "October", *home]).exit_code == 2
    assert CliRunner().invoke(cli, ["close", "verify", *home]).exit_code == 0
