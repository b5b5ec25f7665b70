"""Every text that is kept of anybody, and which of them carries no word of an account: ours, or nobody's.

A column that is new, and that no account has a word in, is missing from these lists.
"""

import re
import sqlite3

from pipelines.providers import gateway_jsonl
from tests.attacks.canary_accounts import Accounts, moment
from warehouse import database
from warehouse.control import credential
from warehouse.control.vault import Vault
from warehouse.errors import KeyUnavailableError

_WHOSE = re.compile(r"zq(\d{3})|203\.0\.(\d+)\.")
# Moments, days and amounts, by how they are named; and numbers, hashes and keys that are ours.
_BY_NAME = re.compile(
    r"\w*(_at|_on|_usd|_until|_day|_since|_to|_from|_start|_end|_utc|_version|sha256|lookup|chain|digest)|"
    r"at|day|month|since|version|wrapped|message_id|tx_id|table_name|edition|used_key|refused_key|sealed_data_key|"
    # As FOCUS names its own.
    r"x_\w+|\w*(Category|Class|Frequency|Currency|Unit|Subcategory|Name|Description)"
)
# Words of our own, of which a person chooses at most.
_OURS = frozenset({
    "act", "kind", "state", "class", "role", "ground", "book", "gateway", "source", "basis", "settlement", "outcome",
    "status", "report", "operation", "charge_category", "token_class", "token_type", "context_band", "policy_version",
    "thresholds", "zone", "factor", "cause", "reason", "split", "told_by", "tier", "next_tier", "topic", "note", "home",
    "dialect", "hint", "beyond", "purpose", "kept_rule", "region", "currency", "billing_currency", "password_hash",
    "skipped", "subject", "why", "billed_amount", "billed_tax", "billed_credits", "status_code",
})  # fmt: skip
# Of nobody who has an account: of the installation, of files, of what was erased or held, or a cloud's alone.
_NOBODYS = frozenset({
    "control.setting.name", "control.setting.value", "control.sqlite_sequence.name", "control.sqlite_sequence.seq",
    "control.migration.name", "control.look.sealed_reason", "control.erasure.step", "control.erasure.counts",
    "control.erasure.sealed", "control.erasure_receipt.receipt", "control.expiry.clause", "control.expiry.place",
    "control.bill_cursor.place", "control.watched.place", "control.watched.tail", "control.watched.carried",
    "control.odd_key.name", "control.policy_text.changed", "control.policy_text.in_force", "control.self_audit.name",
    "control.told_apart.label", "control.told_apart.part", "control.connection.provider",
    "control.credential.provider", "control.credit_tx.provider", "control.credit_tx.model",
    "control.credit_tx.payment", "control.held_entry.number", "control.held_entry.provider",
    "control.held_request.provider", "control.held_request.model", "control.held_request.service_tier",
    "control.reprice_wish.model", "told.service", "told.contract", "told.form",
})  # fmt: skip
_KEYED = "SELECT connection_no FROM credential WHERE sealed_key NOT NULL"


def without(accounts: Accounts) -> set[str]:
    """Texts of the control store, of raw rows and of models in which no account has a word, and should."""
    found = {name for name, words in _texts(accounts).items() if not words}
    return {name for name in found - _NOBODYS if not is_ours(name.rpartition(".")[2])}


def is_ours(column: str) -> bool:
    """Whether a column of this name says no word of anybody's: a moment, a number, a hash, a word of our own."""
    return column in _OURS or _BY_NAME.fullmatch(column) is not None


def contract() -> set[str]:
    """What a line of the contract may say in words."""
    return {*gateway_jsonl._TEXTS, "tags"}


def _texts(accounts: Accounts) -> dict[str, set[int]]:
    """The accounts that have a word in each text column of the control store, or of that name in any other table."""
    found: dict[str, set[int]] = {}
    with database.control(accounts.home) as control:
        vault = Vault(control, moment())
        for (table,) in control.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, kind, *_ in control.execute(f"PRAGMA table_info({table})").fetchall():
                if kind in {"TEXT", "BLOB", ""}:
                    found[f"control.{table}.{column}"] = of_control(control, vault, table, column)
    # Marts say what models say.
    with database.build(accounts.home) as connection:
        listed = connection.execute(
            r"""SELECT schema_name, table_name, column_name FROM duckdb_columns()
                WHERE data_type LIKE '%VARCHAR%' AND NOT internal AND schema_name <> 'mart'
                  AND table_name NOT LIKE '\_dlt%' ESCAPE '\' """
        ).fetchall()
        for schema, table, column in listed:
            rows = connection.execute(f'SELECT DISTINCT "{column}"::VARCHAR FROM "{schema}"."{table}"').fetchall()
            found.setdefault(f"told.{column}", set()).update(numbers(row for (row,) in rows))
    return found


def of_control(control: sqlite3.Connection, vault: Vault, table: str, column: str) -> set[int]:
    """As it lies there, and opened where it is sealed."""
    names = {row[1] for row in control.execute(f"PRAGMA table_info({table})")}
    if "sealed" not in column or "account_no" not in names:
        return numbers(text for (text,) in control.execute(f'SELECT "{column}" FROM {table}'))
    if (table, column) == ("credential", "sealed_key"):
        opened = (credential.opened(control, vault, number) for (number,) in control.execute(_KEYED).fetchall())
        return numbers(found[1] for found in opened if found is not None)
    rows = control.execute(f"SELECT account_no, {column} FROM {table} WHERE {column} NOT NULL").fetchall()
    return numbers(_opened(vault, account_no, f"{table}.{column}", sealed) for account_no, sealed in rows)


def _opened(vault: Vault, account_no: int, where: str, sealed: str) -> str:
    try:
        return vault.open(account_no, where, sealed)
    except KeyUnavailableError:
        return ""


def numbers(texts: object) -> set[int]:
    """The accounts whose words are in these texts."""
    joined = " ".join(text.decode("latin-1") if isinstance(text, bytes) else str(text) for text in texts)  # type: ignore[attr-defined] # any rows
    return {int(a or b) for a, b in _WHOSE.findall(joined)}
