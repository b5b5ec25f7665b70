"""mart.reconciliation_by_key, reconciliation_by_class, bill_line, valued_daily -> log, count, bill, a step deeper each.

From all days to one, to a model, to a key, to classes of tokens or to the bill's own words: one question, asked by the
table and by its files.
"""

from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dashboards.figures import reconciliation_figures
from dashboards.figures.reconciliation_figures import Asked
from dashboards.figures.viewer import Viewer

# Dated snapshots under one name, as in model.reconciliation.
_FAMILY = r"regexp_replace(model, '([-@](\d{4}-\d{2}-\d{2}|\d{8})|-latest)$', '')"
OF_ANOTHER = "a key of another account"
_SIDES = """
    sum(log_cost_usd)::DECIMAL(38,12) AS log_cost_usd, sum(usage_cost_usd)::DECIMAL(38,12) AS usage_cost_usd,
    sum(bill_cost_usd)::DECIMAL(38,12) AS bill_cost_usd"""
_TOKENS = "sum(log_tokens)::BIGINT AS log_tokens, sum(usage_tokens)::BIGINT AS usage_tokens"
# The causes of several days' cells, each once.
_CAUSES = """
    array_to_string(list_sort(list_distinct(flatten(list(string_split(causes, ', ')) FILTER (causes IS NOT NULL)))),
        ', ') AS causes"""
_LARGEST = "greatest(" + ", ".join(f"abs(coalesce(sum({side}_cost_usd), 0))" for side in ("log", "usage", "bill")) + ")"


def rows(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> pa.Table:
    """The table of the step that is asked for: money DECIMAL(38,12), NULL what a side does not tell.

    More than one day are those with a bill, since the others would tell half.
    """
    if asked.step == "day" and not (asked.model or asked.key):
        return reconciliation_figures.days(connection, viewer, asked)
    if asked.step == "part":
        return reconciliation_figures.parts(connection, viewer, asked)
    if asked.step == "class":
        return _classes(connection, viewer, asked)
    if asked.step == "line":
        return _lines(connection, viewer, asked)
    if asked.step == "price":
        return _prices(connection, viewer, asked)
    names = {"day": "day, provider", "model": "provider, model", "key": "provider, model, key_label"}[asked.step]
    return _cells(connection, viewer, asked, names)


def _cells(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked, names: str) -> pa.Table:
    """Log, count, bill and what differs; `names` is SQL of our own. Of another's key only its figures are told."""
    told, bound = _told(viewer, asked, "reconciliation_by_key")
    condition, its = viewer.condition_without_project()
    chosen, values = asked.chosen()
    order = "day DESC, provider" if asked.step == "day" else f"{_LARGEST} DESC, {names}"
    return connection.execute(
        f"""WITH {told}, seen AS (
                SELECT * REPLACE (
                    CASE WHEN key_label IS NULL OR coalesce({condition}, false) THEN key_label ELSE ? END AS key_label)
                FROM (SELECT * EXCLUDE (account, key_account), key_account AS account FROM told))
            SELECT {names}, {_SIDES}, sum(difference_usd)::DECIMAL(38,12) AS difference_usd, {_CAUSES}, {_TOKENS}
            FROM seen WHERE {chosen} GROUP BY {names} ORDER BY {order}""",
        [*bound, *its, OF_ANOTHER, *values],
    ).to_arrow_table()


def _classes(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> pa.Table:
    """The sides by class of tokens; a key that is chosen is a provider's."""
    told, bound = _told(viewer, asked, "reconciliation_by_class")
    chosen, values = asked.chosen()
    return connection.execute(
        f"""WITH {told} SELECT provider, model, token_class, {_SIDES}, {_TOKENS} FROM told WHERE {chosen}
            GROUP BY provider, model, token_class ORDER BY {_LARGEST} DESC, provider, model, token_class""",
        [*bound, *values],
    ).to_arrow_table()


def _prices(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> pa.Table:
    """As billed, as logged, as listed then, as listed now and by contract, as deep as the bills tell."""
    told, bound = _told(viewer, asked, "valued_daily")
    named, values = _named_or_not(asked, "model")
    # A sum of which a part is not known is not known.
    is_known = "bool_and(list_cost_now_usd IS NOT NULL OR list_cost_usd IS NULL)"
    return connection.execute(
        f"""WITH {told} SELECT provider, model, key_label, sum(billed_cost_usd)::DECIMAL(38,12) AS billed_cost_usd,
                sum(logged_cost_usd)::DECIMAL(38,12) AS logged_cost_usd,
                sum(list_cost_usd)::DECIMAL(38,12) AS list_cost_usd,
                CASE WHEN {is_known} THEN sum(list_cost_now_usd) END::DECIMAL(38,12) AS list_cost_now_usd,
                -- On days without a contract the list is what is paid.
                CASE WHEN {is_known} AND count(contract) > 0 THEN sum(coalesce(contracted_cost_usd, list_cost_usd))
                    END::DECIMAL(38,12) AS contracted_cost_usd,
                string_agg(DISTINCT contract, ', ' ORDER BY contract) AS contract,
                sum(unpriced_requests)::BIGINT AS unpriced_requests
            FROM told WHERE {named} GROUP BY provider, model, key_label
            ORDER BY greatest(coalesce(sum(billed_cost_usd), 0), coalesce(sum(list_cost_usd), 0)) DESC, 1, 2, 3""",
        [*bound, *values],
    ).to_arrow_table()


def _named_or_not(asked: Asked, model: str) -> tuple[str, list[str]]:
    """The condition on what may name no model or key, and so be of any; `model` is SQL of our own."""
    chosen = [(name, value) for name, value in ((model, asked.model), ("key_label", asked.key)) if value]
    return " AND ".join(["true", *(f"({name} IS NULL OR {name} = ?)" for name, _ in chosen)]), [v for _, v in chosen]


def _lines(connection: DuckDBPyConnection, viewer: Viewer, asked: Asked) -> pa.Table:
    """What the bills say, in the providers' words; a line that names no model or key may be of any."""
    told, bound = _told(viewer, asked, "bill_line")
    named, values = _named_or_not(asked, _FAMILY)
    return connection.execute(
        f"""WITH {told} SELECT provider, service, line, model, key_label, charge_category,
                sum(amount_usd)::DECIMAL(38,12) AS amount_usd, sum(list_amount_usd)::DECIMAL(38,12) AS list_amount_usd
            FROM told WHERE {named}
            GROUP BY provider, service, line, model, key_label, charge_category
            ORDER BY abs(sum(told.amount_usd)) DESC, 1, 2, 3, 4, 5, 6""",
        [*bound, *values],
    ).to_arrow_table()


def _told(viewer: Viewer, asked: Asked, mart: str) -> tuple[str, list[Any]]:
    """A subquery `told`: a mart's rows of the days that are asked for, of this viewer's connections."""
    condition, bound = viewer.condition_without_project()
    days, bound_days = reconciliation_figures.on_days(asked)
    same = "bill.account IS NOT DISTINCT FROM told.account AND bill.provider = told.provider"
    billed = f"""AND EXISTS (
            SELECT 1 FROM mart.reconciliation_daily AS bill
            WHERE bill.day = told.day AND bill.bill_cost_usd IS NOT NULL
                AND {same if mart == "valued_daily" else "bill.connection_no = told.connection_no"})"""
    whole = asked.day is not None or asked.step == "day"
    sql = f"told AS (SELECT * FROM mart.{mart} AS told WHERE {condition} AND {days} {'' if whole else billed})"
    return sql, [*bound, *bound_days]
