"""The record: the columns every gateway source maps its log to, and what must hold for one to be admitted.

A source's file gives a SELECT with these columns; nothing else of a log is ever turned into anything.
"""

from warehouse import labels

# (name, DuckDB type) of what a source hands over. Texts are as the log has them; they never leave the boundary.
COLUMNS: tuple[tuple[str, str], ...] = (
    ("form", "SMALLINT"),
    # What one call is told by: the call id, and more where a caller may choose the call id.
    ("identity", "VARCHAR"),
    ("request_id", "VARCHAR"),
    ("requested_at", "TIMESTAMP"),
    ("account", "VARCHAR"),
    ("key", "VARCHAR"),
    ("key_name", "VARCHAR"),
    ("project", "VARCHAR"),
    ("project_name", "VARCHAR"),
    ("team", "VARCHAR"),
    ("team_name", "VARCHAR"),
    ("user", "VARCHAR"),
    ("end_user", "VARCHAR"),
    ("upstream", "VARCHAR"),
    ("tags", "VARCHAR[]"),
    ("provider", "VARCHAR"),
    ("model", "VARCHAR"),
    ("status", "VARCHAR"),
    ("latency_ms", "DOUBLE"),
    ("service_tier", "VARCHAR"),
    ("region", "VARCHAR"),
    ("input_tokens", "DOUBLE"),
    ("output_tokens", "DOUBLE"),
    ("cache_read_tokens", "DOUBLE"),
    ("cache_write_5m_tokens", "DOUBLE"),
    ("cache_write_1h_tokens", "DOUBLE"),
    ("audio_in_tokens", "DOUBLE"),
    ("image_in_tokens", "DOUBLE"),
    ("reasoning_out_tokens", "DOUBLE"),
    ("audio_out_tokens", "DOUBLE"),
    ("ip", "VARCHAR"),
    ("user_agent", "VARCHAR"),
    ("cost", "VARCHAR"),
)
NAMES = tuple(name for name, _ in COLUMNS)

MOST_TOKENS = 1_000_000_000
# No name, agent or id is longer; a field of megabytes would be held a hundred thousand times over.
LONGEST_TEXT_BYTES = 8192
_TEXTS = tuple(name for name, kind in COLUMNS if kind == "VARCHAR")
_PARTS = ("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "audio_in_tokens", "image_in_tokens")
_OUT_PARTS = ("reasoning_out_tokens", "audio_out_tokens")
_OPTIONAL = (*_PARTS, *_OUT_PARTS)

_OK_WORDS = "'ok', 'success', 'succeeded', 'completed'"
_ERROR_WORDS = "'error', 'failure', 'failed', 'timeout'"
_CANCELLED_WORDS = "'cancelled', 'canceled', 'aborted', 'client_disconnected'"

# What is read more than once is found once, and has a name: inside a CASE it would be found again.
_FOUND = {
    "http_status": "try_cast(status AS SMALLINT)",
    # Less than a million dollars fits a machine's word, and takes a third of the time; so few digits round alike.
    "logged_cost_usd": """coalesce(
        CASE WHEN strlen(cost) <= 18 THEN try_cast(cost AS DECIMAL(18,12)) END, try_cast(cost AS DECIMAL(38,12)))""",
}
_OUTCOME = f"""CASE WHEN http_status BETWEEN 100 AND 399 THEN 'ok' WHEN http_status = 499 THEN 'cancelled'
    WHEN http_status BETWEEN 400 AND 599 THEN 'error' WHEN lower(status) IN ({_OK_WORDS}) THEN 'ok'
    WHEN lower(status) IN ({_CANCELLED_WORDS}) THEN 'cancelled' WHEN lower(status) IN ({_ERROR_WORDS}) THEN 'error'
    END"""


# Groq's and Vertex's words for what everybody else calls standard.
_TIER = "CASE WHEN lower(service_tier) IN ('on_demand', 'standard_only') THEN 'standard' ELSE lower(service_tier) END"


def _no_count(name: str) -> str:
    """SQL: whether a count is missing, negative, broken or absurd; NaN fails every comparison."""
    return f"NOT ({name} >= 0 AND {name} <= {MOST_TOKENS} AND {name} = trunc({name}))"


_IN = " + ".join(f"coalesce({name}, 0)" for name in _PARTS)
_OUT = " + ".join(f"coalesce({name}, 0)" for name in _OUT_PARTS)

# The first rule that does not hold is the reason a line goes to quarantine; a reason never repeats a value.
RULES: tuple[tuple[str, str], ...] = (
    ("a field is longer than 8 KiB", "too_long"),
    ("request_id is missing", "request_id IS NULL OR request_id = ''"),
    (
        "the start is no RFC 3339 time between 2015 and 2100",
        "requested_at IS NULL OR year(requested_at) NOT BETWEEN 2015 AND 2100",
    ),
    ("provider is missing", "provider IS NULL OR provider = ''"),
    ("model is missing", "model IS NULL OR model = ''"),
    ("input_tokens is no count", f"input_tokens IS NULL OR {_no_count('input_tokens')}"),
    ("output_tokens is no count", f"output_tokens IS NULL OR {_no_count('output_tokens')}"),
    *((f"{name} is no count", f"{name} IS NOT NULL AND {_no_count(name)}") for name in _OPTIONAL),
    ("cached, written, audio and image tokens exceed input_tokens", f"{_IN} > input_tokens"),
    ("reasoning and audio tokens exceed output_tokens", f"{_OUT} > output_tokens"),
    ("status is neither ok, error, cancelled nor an HTTP status", "outcome IS NULL"),
    ("latency_ms is no duration", "latency_ms IS NOT NULL AND NOT (latency_ms >= 0 AND latency_ms < 9e12)"),
    ("cost is no decimal number", "cost IS NOT NULL AND logged_cost_usd IS NULL"),
)
# The common case is one comparison a row; the reason is looked for only where something is wrong.
PROBLEM = "CASE " + " ".join(f"WHEN {wrong} THEN {number}" for number, (_, wrong) in enumerate(RULES, 1)) + " END"


def _bounded(source: str) -> str:
    """SQL: the source without texts that are too long, and `too_long`, whether it had one."""
    lengths = {name: f'strlen("{name}")' for name in _TEXTS} | {"tags": "strlen(array_to_string(tags, ''))"}
    short = (
        f'CASE WHEN {length} <= {LONGEST_TEXT_BYTES} THEN "{name}" END AS "{name}"' for name, length in lengths.items()
    )
    # It passes over NULLs.
    long = f"coalesce(greatest({', '.join(lengths.values())}) > {LONGEST_TEXT_BYTES}, false)"
    return f"SELECT * REPLACE ({', '.join(short)}), {long} AS too_long FROM ({source})"


def admitted(source: str, load_no: str, also: str = "") -> str:
    """SQL over a source's SELECT: its columns checked and typed, and `problem`, the number of the rule it breaks.

    `load_no` is a number or a column of the source; `also` names further columns of it that come through.
    Token classes come out disjoint and sum to the totals; a number that is none is NULL beside its problem, since an
    error here would stop every pass at the same line. A call id that is no id is replaced by its keyed hash; the
    caller binds `pepper`, so that no error can repeat it.
    """
    hashed = "'id-' || left(sha256($pepper || request_id), 32)"
    request_id = (
        f"CASE WHEN regexp_full_match(request_id, '{labels.CALL_ID}') "
        f"AND NOT regexp_full_match(request_id, '{labels.NO_CALL_ID}') THEN request_id ELSE {hashed} END"
    )
    found = ", ".join(f"{expression} AS {name}" for name, expression in _FOUND.items())
    return f"""
        SELECT {load_no}::BIGINT AS load_no, {also} form, {request_id} AS request_id, requested_at,
            (md5_number_lower($pepper || identity) >> 1)::BIGINT AS request_no,
            coalesce(account, '') AS account, key, key_name, project, project_name, team, team_name, "user",
            end_user, upstream, tags, provider, model, outcome, http_status,
            try_cast(round(latency_ms) AS BIGINT) AS latency_ms, {_TIER} AS service_tier, region,
            try_cast(input_tokens - ({_IN}) AS BIGINT) AS uncached_tokens,
            {", ".join(f"try_cast(coalesce({name}, 0) AS BIGINT) AS {name}" for name in _PARTS)},
            try_cast(output_tokens - ({_OUT}) AS BIGINT) AS text_out_tokens,
            {", ".join(f"try_cast(coalesce({name}, 0) AS BIGINT) AS {name}" for name in _OUT_PARTS)},
            ip, user_agent, logged_cost_usd, {PROBLEM} AS problem
        FROM (SELECT *, {_OUTCOME} AS outcome FROM (SELECT *, {found} FROM ({_bounded(source)})))"""
