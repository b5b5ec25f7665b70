"""A Postgres of its own on loopback, with LiteLLM's tables by LiteLLM's own migrations, or by the columns they make."""

import csv
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from warehouse.home import PROJECT

PASSWORD = "canary-password-7Zq81L"
_BINARIES = Path("/usr/lib/postgresql")
_TABLE = "LiteLLM_SpendLogs"


def program(name: str) -> str | None:
    """A program of Postgres: on the path, or where Debian puts it."""
    return shutil.which(name) or next((str(path) for path in sorted(_BINARIES.glob(f"*/bin/{name}"))), None)


@contextmanager
def running() -> Iterator[str]:
    """A server that asks for PASSWORD; its address. It refuses to run as root, so then it runs as postgres."""
    as_root = os.geteuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="litellm-postgres-"))
    (folder / "password").write_text(PASSWORD)
    if as_root:
        user = pwd.getpwnam("postgres")
        for path in (folder, folder / "password"):
            os.chown(path, user.pw_uid, user.pw_gid)
    before = ["runuser", "-u", "postgres", "--"] if as_root else []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        subprocess.run([*before, *command], check=True, capture_output=True, cwd=folder, timeout=120)

    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = program("pg_ctl") or "pg_ctl"
    data = str(folder / "data")
    try:
        run(program("initdb") or "initdb", "-D", data, "-U", "litellm", "-A", "md5", f"--pwfile={folder / 'password'}")
        run(control, "-D", data, "-w", "-l", str(folder / "log"), "-o", settings, "start")
        yield f"postgresql://litellm:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*before, control, "-D", data, "-m", "immediate", "stop"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def migrations() -> list[Path]:
    """The SQL that LiteLLM ships, in order; empty where no LiteLLM is installed for the end-to-end tests."""
    found = [
        *PROJECT.glob("build/litellm-venv/lib/python3*/site-packages/litellm_proxy_extras/migrations/*/migration.sql")
    ]
    return sorted(found, key=lambda path: path.parent.name)


def make_tables(address: str, shared: Path) -> str:
    """Make LiteLLM's tables; says by what: `migrations` or `columns`."""
    with psycopg.connect(address, autocommit=True) as connection:
        if shipped := migrations():
            for path in shipped:
                text = path.read_text(encoding="utf-8")
                # What must stand outside a transaction stands alone, also within one file.
                for statement in text.split(";\n") if "CONCURRENTLY" in text else [text]:
                    connection.execute(statement.encode())
            return "migrations"
        with (shared / "data/litellm_gateway_logs/postgres_columns.csv").open(encoding="utf-8") as table:
            columns = [row for row in csv.DictReader(table) if row["table_name"] == _TABLE]
        made = ", ".join(
            f'"{row["column_name"]}" {row["data_type"]}'
            + (f" DEFAULT {row['column_default']}" if row["column_default"] else "")
            + (" PRIMARY KEY" if row["column_name"] == "request_id" else "")
            for row in columns
        )
        connection.execute(f'CREATE TABLE "{_TABLE}" ({made})'.encode())
        return "columns"


def insert(address: str, records: list[dict[str, object]]) -> None:
    """Insert SpendLogs rows as LiteLLM does: a request_id that is there already is passed over."""
    with psycopg.connect(address) as connection:
        there = {
            name
            for (name,) in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s", (_TABLE,)
            )
        }
        for record in records:
            told = {name: value for name, value in record.items() if name in there}
            names = ", ".join(f'"{name}"' for name in told)
            places = ", ".join(["%s"] * len(told))
            query = f'INSERT INTO "{_TABLE}" ({names}) VALUES ({places}) ON CONFLICT DO NOTHING'
            connection.execute(query.encode(), list(told.values()))
