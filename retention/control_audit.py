"""What the self-audit asks of the stores beyond clauses, chains and seals: passwords, consent, accounts apart, answers.

Each says what is wrong by counts and numbers of our own, never by a value.
"""

import re
import sqlite3
from collections.abc import Iterator
from datetime import date

import duckdb

from warehouse import conservation

# As warehouse/control/password.py makes them: memory in KiB and passes.
_LEAST_MEMORY_KIB, _LEAST_PASSES = 19_456, 2
_HASH = re.compile(r"\$argon2id\$v=\d+\$m=(\d+),t=(\d+),p=\d+\$\S+")


def sums(build: duckdb.DuckDBPyConnection) -> list[str]:
    """Roll-ups that do not hold what their rows hold."""
    return [f"{one.table} {one.month} differs in {', '.join(one.columns)}" for one in conservation.differences(build)]


def passwords(control: sqlite3.Connection) -> list[str]:
    """How many passwords rest as anything but an argon2id hash of today's cost."""
    hashes = [each for (each,) in control.execute("SELECT password_hash FROM member WHERE password_hash IS NOT NULL")]
    weak = sum(not _is_strong(each) for each in hashes)
    return [f"{weak} passwords rest as less than an argon2id hash of today's cost"] if weak else []


def _is_strong(told: str) -> bool:
    found = _HASH.fullmatch(told)
    return found is not None and int(found[1]) >= _LEAST_MEMORY_KIB and int(found[2]) >= _LEAST_PASSES


def agreed(control: sqlite3.Connection) -> list[str]:
    """Members who signed up without a policy that they accepted, or without saying that they are of age."""
    query = """SELECT member_no FROM member WHERE password_hash IS NOT NULL AND (is_of_age <> 1
        OR NOT EXISTS (SELECT 1 FROM acceptance WHERE acceptance.member_no = member.member_no)) ORDER BY 1"""
    return [f"member {number} signed up without what has to be agreed to" for (number,) in control.execute(query)]


def apart(build: duckdb.DuckDBPyConnection, control: sqlite3.Connection) -> list[str]:
    """Keys, projects, teams and connections that stand under an account which is not theirs."""
    return [*mixed_keys(control), *_mixed_figures(build)]


def mixed_keys(control: sqlite3.Connection) -> Iterator[str]:
    """Connections whose key is another account's than they are."""
    query = """SELECT connection_no FROM credential JOIN connection USING (connection_no)
        WHERE credential.account_no <> connection.account_no ORDER BY 1"""
    for (number,) in control.execute(query).fetchall():
        yield f"the key of connection {number} is another account's"


def _mixed_figures(build: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for what in ("key", "project", "team"):
        query = f"""SELECT count(*) FROM (SELECT DISTINCT account_no, {what}_no FROM model.usage_daily) AS used
            JOIN (SELECT DISTINCT account_no, {what}_no FROM model.{what}) AS named USING ({what}_no)
            WHERE used.account_no <> named.account_no"""
        ((count,),) = build.execute(query).fetchall()
        if count:
            yield f"model.usage_daily has {count} {what}s under an account that is not theirs"


def withdrawn(control: sqlite3.Connection) -> list[str]:
    """Connections whose consent was withdrawn and whose key is still there."""
    query = """SELECT connection_no FROM consent JOIN credential USING (connection_no)
        WHERE withdrawn_at IS NOT NULL AND sealed_key IS NOT NULL ORDER BY 1"""
    return [
        f"consent for connection {number} was withdrawn and its key is there" for (number,) in control.execute(query)
    ]


def answers(control: sqlite3.Connection, today: date) -> list[str]:
    """Requests about rights that nobody answered in their time."""
    query = "SELECT request_no, due_on FROM rights_request WHERE state = 'open' AND due_on < ? ORDER BY 1"
    found = control.execute(query, (today.isoformat(),)).fetchall()
    return [f"request {number} was due on {due_on}" for number, due_on in found]


def told(control: sqlite3.Connection) -> list[str]:
    """How many mails were given up, so that somebody was not told."""
    ((count,),) = control.execute("SELECT count(*) FROM mail WHERE state = 'dead'").fetchall()
    return [f"{count} mails were given up; `apiledger doctor` says why"] if count else []
