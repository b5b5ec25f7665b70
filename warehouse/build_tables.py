"""Every table of the build in its newest form, to which its migrations come as well: a test holds them together."""

from warehouse import (
    allocation_tables,
    audit_tables,
    bill_tables,
    credit_tables,
    failure_tables,
    fee_tables,
    naming_tables,
    price_tables,
    reconciliation_tables,
    sealing_tables,
    settlement_tables,
    spend_tables,
    tables,
)

BUILD_TABLES = (
    *tables.MODEL_TABLES,
    *bill_tables.BILL_TABLES,
    *sealing_tables.SEALING_TABLES,
    *reconciliation_tables.RECONCILIATION_TABLES,
    *settlement_tables.SETTLEMENT_TABLES,
    *price_tables.PRICE_TABLES,
    *allocation_tables.REPORTING_TABLES,
    *fee_tables.FEE_TABLES,
    failure_tables.FAILURE_DAILY,
    naming_tables.NAMING,
    audit_tables.AUDIT_ANCHOR,
    *credit_tables.CREDIT_TABLES,
    *spend_tables.SPEND_TABLES,
    *allocation_tables.ALLOCATED_TABLES,
)
