"""The report: record of processing (Art. 30 GDPR), schedule, processors, measures, and every promise with its proof.

Made of the policy, the promises and the last self-audit, without a clock and without a value of anybody: the same
installation gives the same bytes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from retention import evidence
from retention.evidence import Proof
from retention.installation import Installation, Processor
from retention.policy import Clause, Policy
from retention.promises import Promise
from retention.records import Record

_STORES = {"build": "warehouse", "control": "control store", "files": "files"}
_THEN = {"delete": "deleted", "roll_up": "rolled up", "blank": "blanked"}
_MEASURES = (
    ("Pseudonyms", "people, keys and projects are numbers of our own in every figure; their ids rest sealed"),
    ("Encryption at rest", "AES-256-GCM under a key of each account, wrapped by a master key outside the home"),
    ("Encryption in transit", "TLS to every host but this machine; mail never without it"),
    ("Passwords", "argon2id, 19 MiB, two passes"),
    ("Access", "sessions by hash, throttled sign-in; the operator opens an account with a reason its members read"),
    ("Files", "0600 in folders 0700; published versions 0400"),
    ("Erasure", "rows, bytes, versions and copies, searched afterwards; a chained receipt; tombstones"),
    (
        "Accountability",
        "a hash-linked audit chain, anchored each day outside the home; a weekly self-audit",
    ),
)
_SUBJECTS = "members of accounts; users and end users of gateways; payers of bills"
_UNCLAIMED = "none is claimed: state it under [records] in policy.toml"
_UNSAID = "not said: set it under [installation] in policy.toml"


def fields(
    policy: Policy,
    promises: Sequence[Promise],
    installation: Installation,
    processors: Sequence[Processor],
    last: Mapping[str, str],
    proofs: Mapping[str, Sequence[Proof]],
    records: Sequence[Record],
    edition: str,
) -> dict[str, Any]:
    """The report as JSON has it.

    `last` is the day on which each clause last took something, `proofs` what proves each promise, by its id; `records`
    say which law asks for which records.
    """
    return {
        "edition": edition,
        "installation": {
            "controller": installation.controller,
            "contact": installation.contact,
            "region": installation.region,
        },
        "record_of_processing": [_processing(clause) for clause in policy.clauses if clause.store != "files"],
        "data_subjects": _SUBJECTS,
        "schedule": [_scheduled(clause, last.get(clause.id)) for clause in policy.clauses],
        "financial_records": [
            {"clause": one.clause, "data": one.title, "law": one.law, "asks": one.asks, "years": one.years}
            for one in records
        ],
        "processors": [
            {"name": one.name, "host": one.host, "purpose": one.purpose, "sends": one.sends} for one in processors
        ],
        "measures": [{"measure": name, "how": how} for name, how in _MEASURES],
        "promises": [_promised(promise, proofs[promise.id]) for promise in promises],
    }


def _processing(clause: Clause) -> dict[str, Any]:
    return {
        "clause": clause.id,
        "data": clause.title,
        "where": f"{_STORES[clause.store]}: {', '.join(clause.holds)}",
        "columns": sorted(set(clause.columns)),
        "basis": clause.basis,
        "kept": kept(clause),
    }


def _scheduled(clause: Clause, last: str | None) -> dict[str, Any]:
    return {
        "clause": clause.id,
        "title": clause.title,
        "days": clause.kept_days,
        "then": clause.then,
        "kept": kept(clause),
        "last_carried_out": last,
    }


def kept(clause: Clause) -> str:
    """How long a clause keeps what it holds, in words."""
    if clause.kept_days is not None:
        then = _THEN.get(clause.then or "", "gone")
        return f"{clause.kept_days} days, then {then}" if clause.kept_days else f"{then} at the next run"
    return {"E": "until its account is erased", "S": "while its tool works"}.get(clause.kind, "as long as it is used")


def _promised(promise: Promise, proofs: Sequence[Proof]) -> dict[str, Any]:
    return {
        "id": promise.id,
        "says": promise.says,
        "kept": promise.kept,
        "lacks": promise.lacks,
        "clauses": promise.clauses,
        "tests": promise.tests,
        "checks": evidence.rows(proofs),
    }


def as_json(said: Mapping[str, Any]) -> str:
    """The report as JSON, sorted, with a line's end."""
    return json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def as_markdown(said: Mapping[str, Any]) -> str:
    """The report as Markdown, section by section."""
    told = said["installation"]
    lines = ["# Record of processing", "", f"Edition `{said['edition']}` of the policy.", ""]
    lines += _table(
        ("", ""),
        [
            ("Controller", told["controller"] or _UNSAID),
            ("Contact", told["contact"] or _UNSAID),
            ("Region of the data", told["region"] or _UNSAID),
            ("Data subjects", said["data_subjects"]),
        ],
    )
    lines += ["## What is processed, and why", ""]
    lines += _table(
        ("Clause", "Data", "Where", "Basis", "Kept"),
        [(one["clause"], one["data"], one["where"], one["basis"], one["kept"]) for one in said["record_of_processing"]],
    )
    lines += ["## Schedule", ""]
    lines += _table(
        ("Clause", "What", "Kept", "Last carried out"),
        [(one["clause"], one["title"], one["kept"], one["last_carried_out"] or "") for one in said["schedule"]],
    )
    lines += ["## Financial records", ""]
    lines += _table(
        ("Clause", "Data", "Law", "Asks", "Years"),
        [
            (one["clause"], one["data"], one["law"] or _UNCLAIMED, one["asks"] or "", str(one["years"] or ""))
            for one in said["financial_records"]
        ],
    )
    lines += ["## Processors", ""]
    processors = [(one["name"], one["host"], one["purpose"], one["sends"]) for one in said["processors"]]
    lines += _table(("Who", "Host", "What for", "What is sent"), processors) if processors else ["Nobody is asked.", ""]
    lines += ["## Measures", ""]
    lines += _table(("Measure", "How"), [(one["measure"], one["how"]) for one in said["measures"]])
    lines += ["## Promises", ""]
    lines += _table(("Id", "Promise", "Kept", "Shown by"), [_row(one) for one in said["promises"]])
    return "\n".join(lines)


def _row(promise: Mapping[str, Any]) -> tuple[str, str, str, str]:
    shown = []
    for proof in promise["checks"]:
        said = f"{proof['check']}: {proof['result']}"
        if proof["last_run"] is not None:
            said += f" on {proof['last_run'][:10]}"
        if (receipt := proof["receipt"]) is not None:
            called = receipt["kind"] if receipt["number"] is None else f"{receipt['kind']} {receipt['number']}"
            said += f" ({called}, `{(receipt['sha256'] or 'expired')[:12]}`)"
        shown.append(said)
    kept_so = "yes" if promise["kept"] else f"not yet: {promise['lacks']}"
    return promise["id"], promise["says"], kept_so, "; ".join(shown) or "nothing yet"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(head), line(["---"] * len(head)), *map(line, rows), ""]
