"""SQL: who pays for a call, and with which connection: the one that claims its upstream, else its payer's only one.

A call is paid by its account's own connections at the provider, or by those of the account that claimed it, or else by
the operator's. Where the payer has several and none claims the call's upstream, nobody can say which bill it is in.
"""

# Rows of (provider, account_no, payer_no), with the connection where it is the only one.
HOLDER = """holder AS (
    SELECT
        provider, account_no, payer_no, bool_or(is_operator) AS is_operator,
        CASE WHEN count(*) = 1 THEN max(connection_no) END AS connection_no
    FROM (
        SELECT provider, account_no, account_no AS payer_no, is_operator, connection_no FROM model.connection
        UNION ALL
        -- The calls of an account that a log names are in the bills of the account that claimed it.
        SELECT connection.provider, claim.account_no, claim.holder_no, false, connection.connection_no
        FROM model.claim AS claim JOIN model.connection AS connection ON connection.account_no = claim.holder_no
    )
    GROUP BY provider, account_no, payer_no
)"""
PAYER = "coalesce(own.payer_no, house.payer_no)"


def holders(call: str) -> str:
    """Joins of a relation `call` with provider and account_no to HOLDER: as `own`, else as the operator's `house`."""
    return f"""
        LEFT JOIN holder AS own ON own.provider = {call}.provider AND own.account_no = {call}.account_no
        LEFT JOIN holder AS house
            ON house.provider = {call}.provider AND house.is_operator AND own.account_no IS NULL"""


def named(call: str, day: str) -> str:
    """The join of a relation `call` with provider and upstream_no to the claim that holds on `day`, as `named`."""
    return f"""
        LEFT JOIN model.upstream_claim AS named
            ON named.upstream_no = {call}.upstream_no AND named.provider = {call}.provider
            AND {day} BETWEEN named.first_day AND named.last_day"""


def connection(claimed: str) -> str:
    """The connection that paid, of one that is claimed by; NULL where nobody can say."""
    return f"coalesce({claimed}.connection_no, own.connection_no, house.connection_no)"
