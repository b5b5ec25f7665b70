"""FOCUS files of any cloud: what they bill for AI services lands to the pico, whole or not at all."""

import csv
import gzip
import io
import json
import random
import resource
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pipelines.bill_folder import COLUMNS, Folder, as_csv, row, told_days
from warehouse import database
from warehouse.home import Home

SOAK = pytest.mark.soak
EVERY_SERVICE = '[[service]]\ncloud = "*"\nname = "*"\nprovider = "cloud"\n'
MONTH = [
    row(
        day,
        f"{day}.000001",
        ChargePeriodStart=f"2026-10-{day:02}T{hour}:00:00Z",
        ChargePeriodEnd=f"2026-10-{day:02}T{hour + 1}:00:00Z",
    )
    for day in range(1, 29)
    for hour in (13, 20)
]
TOTAL = sum((Decimal(one["BilledCost"]) for one in MONTH), Decimal(0))


@pytest.fixture
def inbox(home: Home, master_key: str) -> Folder:
    """An empty home."""
    assert master_key
    return Folder(home)


def quarantined(inbox: Folder) -> list[tuple[int, str]]:
    """What was held back."""
    with database.control(inbox.home) as control:
        return control.execute("SELECT line_no, reason FROM quarantine ORDER BY line_no").fetchall()


def oracle(content: bytes, column: str = "BilledCost") -> Decimal:
    """The sum of a column, by nothing but the csv module and Decimal."""
    return sum((Decimal(one[column]) for one in csv.DictReader(io.StringIO(content.decode()))), Decimal(0))


def test_the_real_sample_adds_up(inbox: Folder, shared: Path) -> None:
    """The 1,000 anonymised rows of three clouds are their BilledCost, as three bills."""
    content = gzip.decompress((shared / "data/focus_sample_1_0/focus_sample.csv.gz").read_bytes())
    (inbox.home.root / "services.toml").write_text(EVERY_SERVICE)
    inbox.drop("focus_sample.csv", content)
    inbox.pull()
    assert inbox.billed() == oracle(content)
    assert inbox.query("SELECT count(DISTINCT connection_no), min(amount_usd) < 0 FROM model.charges") == [(3, True)]
    ((spend,),) = inbox.query("SELECT sum(cost_usd) FROM mart.spend_daily")
    assert spend == oracle(content)


def test_a_bill_of_a_whole_cloud_keeps_its_ai_services_alone(inbox: Folder, shared: Path) -> None:
    """Without a wider list the sample has no AI service: every line is left out, counted and said."""
    inbox.drop("s.csv.gz", (shared / "data/focus_sample_1_0/focus_sample.csv.gz").read_bytes())
    pulled = inbox.pull()
    assert pulled.rows == 0
    assert pulled.notes == ["1,000 lines of services that are not listed as AI were left out"]


def test_the_specs_own_examples_add_up(inbox: Folder, shared: Path) -> None:
    """BOM, month/day/year, `$10,000.00 ` and charge periods of a year: every example is its BilledCost."""
    (inbox.home.root / "services.toml").write_text(EVERY_SERVICE)
    billed = Decimal(0)
    for file in sorted((shared / "data/focus_spec_examples").glob("*.csv")):
        content = file.read_bytes()
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
        billed += sum(
            (Decimal(one["BilledCost"].strip().replace("$", "").replace(",", "")) for one in rows), Decimal(0)
        )
        inbox.drop(file.name, content)
    inbox.pull()
    assert quarantined(inbox) == []
    assert inbox.billed() == billed


def test_twice_shuffled_and_split_is_the_same(inbox: Folder) -> None:
    """The same rows in another order, cut into three files, in other forms and told again are the same bill."""
    inbox.drop("october.csv", as_csv(MONTH))
    assert inbox.pull().rows == 28
    before = inbox.everything()
    assert inbox.billed() == TOTAL
    inbox.drop("again.csv", as_csv(MONTH))
    assert inbox.pull().rows == 0
    mixed = random.Random(1).sample(MONTH, len(MONTH))  # noqa: S311 (an order, no secret)
    inbox.drop("a.csv.gz", gzip.compress(as_csv(mixed[:20])))
    inbox.drop("b.csv.zst", pa.compress(as_csv(mixed[20:30]), codec="zstd", asbytes=True))
    pq.write_table(pa.Table.from_pylist(mixed[30:]), inbox.home.inbox / "focus" / "c.parquet")
    assert inbox.pull().rows == 0
    assert inbox.everything() == before
    assert list((inbox.home.inbox / "focus").iterdir()) == []


def test_a_restated_month_replaces_what_was_said(inbox: Folder) -> None:
    """Days that cost less, more or nothing now: the newer file is the month, and the older never comes back."""
    old = as_csv(MONTH)
    inbox.drop("october.csv", old)
    inbox.pull()
    inbox.drop("restated.csv", as_csv([row(day, "0.5") for day in range(1, 29) if day != 7]))
    inbox.pull()
    assert inbox.billed() == Decimal("13.5")
    inbox.drop("october.csv", old)
    inbox.pull()
    assert inbox.billed() == Decimal("13.5")


@pytest.mark.soak
def test_a_day_by_itself_leaves_the_other_days(inbox: Folder) -> None:
    """A file of one day says nothing of the days before it."""
    inbox.drop("1.csv", as_csv([row(1, "1")]))
    inbox.pull()
    inbox.drop("2.csv", as_csv([row(2, "2")]))
    inbox.pull()
    assert inbox.days() == {"2026-10-01": Decimal(1), "2026-10-02": Decimal(2)}


@pytest.mark.soak
def test_a_day_of_two_months_keeps_both_bills_parts(inbox: Folder) -> None:
    """Months that begin off midnight UTC share a day: each bill's part of it is told by its own file."""
    pacific = {"BillingPeriodStart": "2026-10-01T07:00:00Z", "BillingPeriodEnd": "2026-11-01T07:00:00Z"}
    edge = {"ChargePeriodStart": "2026-11-01T03:00:00Z", "ChargePeriodEnd": "2026-11-01T04:00:00Z"}
    after = {"BillingPeriodStart": "2026-11-01T07:00:00Z", "BillingPeriodEnd": "2026-12-01T08:00:00Z"}
    later = {"ChargePeriodStart": "2026-11-01T09:00:00Z", "ChargePeriodEnd": "2026-11-01T10:00:00Z"}
    inbox.drop("october.csv", as_csv([row(1, "1", **pacific, **edge)]))
    inbox.pull()
    inbox.drop("november.csv", as_csv([row(1, "2", **after, **later)]))
    inbox.pull()
    assert inbox.days() == {"2026-11-01": Decimal(3)}
    inbox.drop("restated.csv", as_csv([row(1, "5", **after, **later)]))
    inbox.pull()
    assert inbox.days() == {"2026-11-01": Decimal(6)}


def test_a_correction_stands_in_the_month_that_bills_it(inbox: Folder) -> None:
    """An August row in October's bill counts on October's first day: August keeps what counted there."""
    correction = row(1, "-4.25", ChargeClass="Correction", ChargePeriodStart="2026-08-05T00:00:00Z",
                     ChargePeriodEnd="2026-08-06T00:00:00Z")  # fmt: skip
    inbox.drop("october.csv", as_csv([correction, row(2, "10")]))
    inbox.pull()
    assert inbox.days() == {"2026-10-01": Decimal("-4.25"), "2026-10-02": Decimal(10)}


def test_a_month_of_usage_in_one_row_is_spread_to_the_pico(inbox: Folder) -> None:
    """31 days of 10 dollars add up to 10 dollars, each day a 31st of it; a purchase counts on its first day."""
    whole = {"ChargePeriodStart": "2026-10-01T00:00:00Z", "ChargePeriodEnd": "2026-11-01T00:00:00Z"}
    inbox.drop("o.csv", as_csv([row(1, "10", **whole), row(1, "500", **whole, ChargeCategory="Purchase")]))
    inbox.pull()
    days = inbox.days()
    assert len(days) == 31
    assert inbox.billed() == sum(days.values()) == Decimal(510)
    assert days["2026-10-01"] == 500 + days["2026-10-02"] + (days["2026-10-01"] - 500 - days["2026-10-02"])
    assert all(abs(days[f"2026-10-{day:02}"] - Decimal(10) / 31) < Decimal("1e-11") for day in range(2, 32))


def test_another_currency_keeps_its_amount_and_no_dollars(inbox: Folder) -> None:
    """Without a rate euros are no dollars: the amount stays in euros, and the day's bill is not 0."""
    inbox.drop("o.csv", as_csv([row(3, "12.50", BillingCurrency="EUR")]))
    inbox.pull()
    found = inbox.query("SELECT amount_usd, billed_amount, billing_currency FROM model.charges")
    assert found == [(None, Decimal("12.5"), "EUR")]
    assert inbox.days() == {}


@pytest.mark.parametrize(
    "wrong", ["NaN", "1,5", *(pytest.param(one, marks=SOAK) for one in ("abc", "", "Infinity", "1e400", "٣", "1_0"))]
)
def test_a_wrong_amount_is_held_back_and_the_rest_lands(wrong: str, inbox: Folder) -> None:
    """One row goes into quarantine by its line and reason, never its text; the others count."""
    inbox.drop("o.csv", as_csv([row(1, "1"), row(2, wrong), row(3, "3")]))
    pulled = inbox.pull()
    assert inbox.billed() == 4
    ((line, reason),) = quarantined(inbox)
    assert line == 3
    assert not wrong or wrong not in reason
    odd, counted = pulled.notes
    assert odd.startswith(f"1 row of raw_focus.cost of 2026-10-02 cannot be read ({reason})")
    assert counted == "1 lines are in quarantine"
    assert not wrong or wrong not in odd
    settled = inbox.query("SELECT day::VARCHAR, settlement FROM model.bill_day ORDER BY day")
    # The day in between has no other line: what it was billed is not known, and not 0.
    assert settled == [("2026-10-01", "settled"), ("2026-10-03", "settled")]


def test_a_day_lacks_a_row_until_a_delivery_tells_it_whole(inbox: Folder) -> None:
    """What was told whole is not replaced by less; a row that says no day may be of any day of its bill."""
    whole = [row(1, "1"), row(2, "2", SkuId="a"), row(2, "3", SkuId="b")]
    inbox.drop("a.csv", as_csv([whole[0], whole[1], row(2, "many", SkuId="b")]))
    assert told_days(inbox) == {"01": (1, 0), "02": (1, 1)}
    inbox.drop("b.csv", as_csv(whole))
    assert told_days(inbox) == {"01": (1, 0), "02": (2, 0)}
    inbox.drop("c.csv", as_csv([whole[0], row(2, "many")]))
    assert told_days(inbox) == {"01": (1, 0), "02": (2, 1)}
    inbox.drop("d.csv", as_csv([*whole, row(1, "7", ChargePeriodStart="some day")]))
    assert told_days(inbox) == {"01": (1, 1), "02": (2, 1)}
    # A bill with nothing but such a row is no bill of anything.
    inbox.drop("e.csv", as_csv([row(1, "7", ChargePeriodStart="some day", BillingAccountId="999")]))
    assert told_days(inbox) == {"01": (1, 1), "02": (2, 1)}
    inbox.drop("f.csv", as_csv([*whole, row(3, "1")]))
    assert told_days(inbox) == {"01": (1, 0), "02": (2, 0), "03": (1, 0)}


def test_a_line_that_lacks_fields_or_ends_in_no_year_stops_no_other(inbox: Folder) -> None:
    """Each line of JSON has its own keys, and a time no bill is of is none."""
    named = {name: value for name, value in row(1, "7").items() if name != "ProviderName"}
    odd = [
        row(2, "many", ChargePeriodEnd="9999-12-31T00:00:00Z"),
        row(3, "5", ChargePeriodStart="0001-01-01T00:00:00Z"),
    ]
    rows = [named, row(1, "1"), *odd, row(2, "2")]
    inbox.drop("a.jsonl", "\n".join(json.dumps(one) for one in rows).encode())
    # Both are counted on the first day that they may be of.
    assert told_days(inbox) == {"01": (1, 2), "02": (1, 1)}
    endless = {"ChargePeriodStart": "2020-01-01T00:00:00Z", "BillingPeriodStart": "2020-01-01T00:00:00Z"}
    inbox.drop("b.jsonl", "\n".join(json.dumps(one) for one in [row(1, "1"), row(3, "5", **endless)]).encode())
    told_days(inbox)
    assert (2, "a charge period longer than three years") in quarantined(inbox)


@pytest.mark.soak
def test_a_month_of_one_odd_row_lacks_all_of_its_days(inbox: Folder) -> None:
    """Usage of many days would have been spread over them."""
    long = {"ChargePeriodEnd": "2026-10-05T00:00:00Z"}
    inbox.drop("a.csv", as_csv([row(day, "1") for day in range(1, 7)] + [row(2, "1e24", **long)]))
    assert {day: held for day, (_, held) in told_days(inbox).items()} == {
        "01": 0, "02": 1, "03": 1, "04": 1, "05": 0, "06": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    "exact", ["1e-7", "$1,000.25 ", *(pytest.param(one, marks=SOAK) for one in ("-3", "0.000000000001", "+5"))]
)
def test_an_amount_in_any_plain_form_is_exact(exact: str, inbox: Folder) -> None:
    """Exponents, signs, groups of thousands with a dollar sign."""
    inbox.drop("o.csv", as_csv([row(1, exact)]))
    inbox.pull()
    assert inbox.billed() == Decimal(exact.replace("$", "").replace(",", ""))


def test_a_double_of_parquet_is_what_its_writer_printed(inbox: Folder) -> None:
    """0.1 + 0.2 as doubles is 0.3, and a NaN is held back."""
    rows = [{**row(day, "0"), "BilledCost": cost} for day, cost in ((1, 0.1), (1, 0.2), (2, float("nan")))]
    pq.write_table(pa.Table.from_pylist(rows), inbox.drop("o.parquet", b""))
    inbox.pull()
    assert inbox.billed() == Decimal("0.3")
    assert quarantined(inbox) == [(3, "an amount that is no number")]


def broken(kind: str) -> tuple[str, bytes]:
    """A file that is none."""
    whole = as_csv(MONTH)
    return {
        "cut gzip": ("o.csv.gz", gzip.compress(whole)[:-30]),
        "cut zstd": ("o.csv.zst", pa.compress(whole, codec="zstd", asbytes=True)[:-30]),
        "no gzip": ("o.csv.gz", whole),
        "no parquet": ("o.parquet", whole),
        "no cost": ("o.csv", as_csv(MONTH, COLUMNS[1:])),
        "empty": ("o.csv", b""),
        "latin": ("o.csv", whole.replace(b"research", b"recherch\xe9")),
        "other": ("o.pdf", whole),
        "one line": ("o.csv", b"BilledCost," + b"x" * 9_000_000),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "cut gzip",
        "no parquet",
        "no cost",
        *(pytest.param(kind, marks=SOAK) for kind in ("cut zstd", "no gzip", "empty", "latin", "other", "one line")),
    ],
)
def test_a_file_that_is_none_is_set_aside_and_nothing_of_it_lands(kind: str, inbox: Folder) -> None:
    """A truncated archive, another form, a missing column: not one row, and the file's name says so."""
    name, content = broken(kind)
    inbox.drop(name, content)
    (note,) = inbox.pull().notes
    assert note.startswith("set aside: ")
    assert inbox.billed() == 0
    assert [path.name for path in (inbox.home.inbox / "focus").iterdir()] == [f"{name}.refused"]


def test_a_folder_is_read_in_place(inbox: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a setting names is read, never moved; a month written anew in its own folder is read again."""
    export = tmp_path / "export"
    for month, cost in (("2026-09", "7"), ("2026-10", "1")):
        (export / f"BILLING_PERIOD={month}").mkdir(parents=True)
        starts = {"ChargePeriodStart": f"{month}-02T00:00:00Z", "ChargePeriodEnd": f"{month}-02T01:00:00Z"}
        file = export / f"BILLING_PERIOD={month}" / "data-00001.csv.gz"
        file.write_bytes(gzip.compress(as_csv([row(2, cost, **starts, BillingPeriodStart=f"{month}-01",
                                                   BillingPeriodEnd="")])))  # fmt: skip
    monkeypatch.setenv("APILEDGER_FOCUS", str(export))
    inbox.pull()
    assert inbox.days() == {"2026-09-02": Decimal(7), "2026-10-02": Decimal(1)}
    assert inbox.pull().days == 0
    file.write_bytes(gzip.compress(as_csv([row(2, "1.5"), row(3, "2")])))
    assert inbox.pull().new_days == 2
    assert inbox.days() == {"2026-09-02": Decimal(7), "2026-10-02": Decimal("1.5"), "2026-10-03": Decimal(2)}
    file.write_bytes(b"half a file")
    assert "nothing of its folder was taken" in inbox.pull().notes[0]
    assert inbox.billed() == Decimal("10.5")
    assert len(list(export.rglob("*.gz"))) == 2


def test_a_sandbox_reads_no_folder_of_yours(tmp_path: Path, master_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting of real bills leaves made-up ones alone."""
    assert master_key
    sandbox = Folder(Home(tmp_path / "made-up").make(("focus",), sandbox=True))
    (tmp_path / "o.csv").write_bytes(as_csv(MONTH))
    monkeypatch.setenv("APILEDGER_FOCUS", str(tmp_path))
    assert sandbox.pull().days == 0


def test_names_of_1_3_are_read_and_what_is_personal_is_not(inbox: Folder) -> None:
    """ServiceProviderName in place of ProviderName; tags and resources never reach a file of the home."""
    newer = {**row(1, "2"), "ServiceProviderName": "AWS", "Tags": '{"owner": "canary@example.test"}'}
    inbox.drop("o.csv", as_csv([newer], [*(c for c in COLUMNS if c != "ProviderName"), "ServiceProviderName", "Tags"]))
    inbox.pull()
    assert inbox.query("SELECT model, token_type FROM model.charges") == [("Claude4.6Opus", "uncached_tokens")]
    assert inbox.query("SELECT label FROM model.project") == [("research",)]
    assert inbox.query("SELECT source, provider FROM model.connection") == [("focus", "bedrock")]
    files = [path for path in inbox.home.root.rglob("*") if path.is_file() and not path.is_symlink()]
    for canary in (b"canary@example", b"111122223333", b"444455556666"):
        assert [path for path in files if canary in path.read_bytes()] == []


@pytest.mark.soak
def test_bills_that_were_lost_are_read_again(inbox: Folder) -> None:
    """Rows that are gone from the build make a file that comes again a new one."""
    inbox.drop("o.csv", as_csv(MONTH))
    inbox.pull()
    with database.held(inbox.home.build_lock), database.build(inbox.home) as connection:
        connection.execute("DELETE FROM raw_focus.cost WHERE day > '2026-10-10'")
    inbox.drop("o.csv", as_csv(MONTH))
    assert inbox.pull().rows == 18
    assert inbox.billed() == TOTAL


def test_a_day_settles_a_month_after_it(inbox: Folder) -> None:
    """Until then the cloud may restate it."""
    inbox.drop("o.csv", as_csv([row(1, "1"), row(28, "1")]))
    inbox.pull(datetime(2026, 11, 2, 12, tzinfo=UTC))
    states = dict(inbox.query("SELECT day, settlement FROM model.bill_day"))
    assert states[date(2026, 10, 1)] == "settled"
    assert states[date(2026, 10, 28)] == "provisional"


@pytest.mark.soak
def test_memory_stays_flat_over_a_million_rows(inbox: Folder) -> None:
    """What grows with a bill is its days, accounts and SKUs, never its rows."""
    rows = as_csv(row(number % 28 + 1, f"0.{number:06}", SubAccountId=f"a{number % 50}") for number in range(1_000))
    header, _, body = rows.partition(b"\r\n")
    peaks = []
    for thousands in (10, 1_000):
        with inbox.drop("big.csv", header + b"\r\n").open("ab") as file:
            for _ in range(thousands):
                file.write(body)
        inbox.pull()
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    assert inbox.billed() == Decimal("0.4995") * 1_000
    assert peaks[1] - peaks[0] < 64


def test_made_up_rows_are_summed_without_floats(inbox: Folder) -> None:
    """Ten thousand amounts of twelve places equal Polars' own sum of exact decimals."""
    drawn = random.Random(7)  # noqa: S311 (amounts, no secret)
    costs = [f"{drawn.randrange(-(10**6), 10**9)}.{drawn.randrange(10**12):012}" for _ in range(10_000)]
    inbox.drop("o.csv", as_csv(row(drawn.randrange(1, 29), cost) for cost in costs))
    inbox.pull()
    assert inbox.billed() == pl.Series(costs).cast(pl.Decimal(38, 12)).sum()
