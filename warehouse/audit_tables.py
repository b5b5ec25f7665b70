"""The table that ties a version to the audit chain: which act was the newest when it was published."""

from warehouse.tables import Column, Table

AUDIT_ANCHOR = Table(
    "model",
    "audit_anchor",
    "The newest act of the audit chain when this version was published: a chain that was cut is shorter.",
    (
        Column("audit_no", "BIGINT", "The act's number."),
        Column("chain", "VARCHAR", "The hash of the act and of every one before it."),
    ),
)
