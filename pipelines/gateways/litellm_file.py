"""A whole LiteLLM log file as DuckDB's reader takes it: the columns that `providers/litellm.decode` makes of a line.

Each form has a reading of its own, since a column has one type in a file: the payload's metadata is an object,
SpendLogs' is JSON inside a string. Whatever a line could mean in two ways fails the file; the careful road settles it.
"""

from collections.abc import Callable, Iterator, Mapping

# A number, an object or a bool would be read as its text where the careful road takes texts alone.
# It begins with one byte, which RE2 looks for first, and so takes half as long.
_NO_TEXT = r"\x01([{\[]|(true|false|-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?)\x01)"
_TEXTS = (
    *("litellm_call_id", "request_id", "id", "model", "model_group", "custom_llm_provider", "api_base", "status"),
    *("api_key", "team_id", "organization_id", "requester_ip_address", "user_agent"),
)
# What a caller or an administrator makes up may look like a number, so these keep their quotes until they are read.
_NAMES = ("user", "end_user")
_COUNTS = ("prompt_tokens", "completion_tokens", "spend", "response_cost", "startTime", "endTime", "cache_hit")
_META_TEXTS = (
    *(
        "litellm_call_id",
        "user_api_key",
        "user_api_key_hash",
        "user_api_key_team_id",
        "user_api_key_org_id",
        "user_api_key_project_id",
    ),
    *("requester_ip_address", "user_agent"),
)
_META_NAMES = (
    *("user_api_key_alias", "user_api_key_team_alias", "user_api_key_project_alias"),
    *("user_api_key_user_id", "user_api_key_end_user_id"),
)
_WRITTEN = dict.fromkeys(("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"), "JSON")
_ERROR = {"error_code": "JSON", "error_class": "VARCHAR"}
_METADATA: Mapping[str, object] = {
    **dict.fromkeys(_META_TEXTS, "VARCHAR"),
    **dict.fromkeys(_META_NAMES, "JSON"),
    "usage_object": {
        "prompt_tokens_details": {
            **dict.fromkeys(("cached_tokens", "cache_creation_tokens", "audio_tokens", "image_tokens"), "JSON"),
            "cache_creation_token_details": _WRITTEN,
        },
        "completion_tokens_details": dict.fromkeys(("reasoning_tokens", "audio_tokens"), "JSON"),
        **dict.fromkeys(("cache_creation_input_tokens", "cache_read_input_tokens"), "JSON"),
        "cache_creation": _WRITTEN,
        **dict.fromkeys(("service_tier", "inference_geo"), "VARCHAR"),
    },
    "error_information": _ERROR,
}


def _struct(fields: Mapping[str, object]) -> str:
    inner = (f"{name} {_struct(kind) if isinstance(kind, Mapping) else kind}" for name, kind in fields.items())
    return f"STRUCT({', '.join(inner)})"


def _shape(fields: Mapping[str, object]) -> str:
    inner = (f'"{name}": ' + (_shape(k) if isinstance(k, Mapping) else f'"{k}"') for name, k in fields.items())
    return f"{{{', '.join(inner)}}}"


def payload_sql(files: str) -> str:
    """A relation of the source's columns over files of StandardLoggingPayload objects, told in SQL."""
    return _read(files, _struct(_METADATA), "VARCHAR[]", "metadata", "request_tags")


def spend_logs_sql(files: str) -> str:
    """The same over files of SpendLogs rows."""
    paths = ", ".join(f"'{path}'" for path in _objects("$", _METADATA))
    # Where an object belongs and something else is, from_json says NULL without a word.
    odd = f"len(list_filter(json_type(metadata, [{paths}]), lambda kind: kind NOT IN ('OBJECT', 'NULL'))) > 0"
    shaped = f"from_json(metadata, '{_shape(_METADATA)}')"
    metadata = f"CASE WHEN metadata <> '' THEN CASE WHEN {odd} THEN error('no object') ELSE {shaped} END END"
    return _read(files, "VARCHAR", "VARCHAR", metadata, "nullif(request_tags, '')::JSON::VARCHAR[]")


def _objects(path: str, fields: Mapping[str, object]) -> Iterator[str]:
    """The JSON paths at which there is an object or nothing."""
    yield path
    for name, kind in fields.items():
        if isinstance(kind, Mapping):
            yield from _objects(f"{path}.{name}", kind)


FORMS: tuple[Callable[[str], str], ...] = (payload_sql, spend_logs_sql)


def _read(files: str, metadata_type: str, tags_type: str, metadata: str, tags: str) -> str:
    kinds = {
        **dict.fromkeys(_TEXTS, "VARCHAR"),
        **dict.fromkeys((*_NAMES, *_COUNTS), "JSON"),
        "request_tags": tags_type,
        "metadata": metadata_type,
        "error_information": _struct(_ERROR),
    }
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items())
    source = f"read_json({files}, format='newline_delimited', columns={{{columns}}}, maximum_object_size=8388608)"
    hit = "cache_hit IN ('true', '\"True\"')"
    calls = f"SELECT * REPLACE ({metadata} AS metadata, {tags} AS request_tags) FROM {source}"
    steps = f"SELECT *, {_DERIVED} FROM (SELECT *, {hit} AS hit FROM ({calls}))"
    return f"(SELECT {_COLUMNS} FROM (SELECT *, {_DERIVED_OF_THEM} FROM ({steps})))"


def _first(*texts: str) -> str:
    """SQL: the first that is not empty, as Python's `or` takes it."""
    filled = ", ".join(f"nullif({text}, '')" for text in texts[:-1])
    return f"coalesce({filled}, {texts[-1]})"


def _text(name: str) -> str:
    """SQL: a JSON string's text, NULL for null; anything else fails the file."""
    wrong = f"error('{name} is no text')"
    return f"CASE WHEN {name} IS NULL THEN NULL WHEN starts_with({name}, '\"') THEN {name} ->> '$' ELSE {wrong} END"


def _count(name: str) -> str:
    """SQL: a JSON number as DOUBLE; a number in quotes fails the file."""
    return f"CAST({name}::VARCHAR AS DOUBLE)"


_USAGE = "CASE WHEN NOT coalesce(hit, false) THEN metadata.usage_object END"
_FAULT = "coalesce(error_information, metadata.error_information)"
_HOST = "split_part(split_part(substr(api_base, strpos(api_base, '://') + 3), '/', 1), '@', -1)"
_HOST = f"CASE WHEN contains(api_base, '://') THEN {_HOST} ELSE '' END"
# What is read more than once has a name: as text in place it would be found anew each time.
_DERIVED = f"""{_USAGE} AS usage, {_FAULT} AS fault, coalesce(custom_llm_provider, '') AS provider,
    {_first("litellm_call_id", "metadata.litellm_call_id", "request_id", "id")} AS call_id, {_HOST} AS host,
    {_first("model", "model_group")} AS model_name"""
_STATUS = """CASE
    WHEN fault.error_class IN ('CancelledError', 'ClientDisconnect', 'ClientDisconnected') THEN 'cancelled'
    WHEN status = 'success' THEN '200'
    WHEN regexp_full_match(fault.error_code ->> '$', '[45][0-9][0-9]') THEN fault.error_code ->> '$'
    ELSE coalesce(nullif(status, ''), 'failure') END"""
_READ = "usage.prompt_tokens_details"
_SPLIT = f"coalesce(usage.cache_creation, {_READ}.cache_creation_token_details)"
_TOTAL = f"""coalesce(nullif({_count("usage.cache_creation_input_tokens")}, 0),
    {_count(f"{_READ}.cache_creation_tokens")})"""
_ONE_HOUR = _count(f"{_SPLIT}.ephemeral_1h_input_tokens")
_DERIVED_OF_THEM = f"{_STATUS} AS told_status, {_TOTAL} AS written, {_ONE_HOUR} AS one_hour"
_IS_PAYLOAD = "id IS NOT NULL AND request_id IS NULL"
# concat_ws passes over NULLs; a tag that is one is held back by the careful road.
_SEEN = ", ".join((*_TEXTS, *(f"metadata.{name}" for name in _META_TEXTS), "usage.service_tier", "usage.inference_geo"))
_SEEN += ", fault.error_class, array_to_string(request_tags, chr(1))"
_AMBIGUOUS = f"""regexp_matches(concat_ws(chr(1), '', {_SEEN}, ''), '{_NO_TEXT}')
    OR NOT coalesce(regexp_full_match(fault.error_code, '-?[0-9]+|\".*\"'), true)
    OR len(request_tags) <> list_count(request_tags)
    OR NOT coalesce(starts_with(cache_hit, '\"') OR cache_hit IN ('true', 'false'), true)"""


def _moment(name: str, moment: str) -> str:
    """SQL: epoch seconds as whole microseconds and a text as it is, in two columns."""
    is_text = f"starts_with({name}, '\"')"
    seconds = f"CASE WHEN NOT {is_text} THEN {_count(name)} END"
    return f"""CASE WHEN abs({seconds}) < 1e11 THEN round_even({seconds} * 1000000, 0)::BIGINT END AS {moment}_us,
        CASE WHEN {is_text} THEN {name} ->> '$' END AS {moment}"""


_COLUMNS = f"""
    CASE WHEN {_AMBIGUOUS} THEN error('a field is no text') WHEN {_IS_PAYLOAD} THEN 0 ELSE 1 END::SMALLINT AS form,
    CASE WHEN regexp_matches(told_status, '^[45f]') THEN call_id
        ELSE call_id || '/' || coalesce(nullif(id, ''), request_id, 'None') END AS identity,
    call_id AS request_id,
    {_moment("startTime", "started")},
    {_moment("endTime", "ended")},
    nullif({_first("metadata.user_api_key_org_id", "organization_id", "metadata.user_api_key_team_id", "team_id")}, '')
        AS account,
    {_first("metadata.user_api_key_hash", "metadata.user_api_key", "api_key")} AS key,
    {_text("metadata.user_api_key_alias")} AS key_name,
    metadata.user_api_key_project_id AS project,
    {_text("metadata.user_api_key_project_alias")} AS project_name,
    {_first("metadata.user_api_key_team_id", "team_id")} AS team,
    {_text("metadata.user_api_key_team_alias")} AS team_name,
    {_first(_text("metadata.user_api_key_user_id"), _text('"user"'))} AS "user",
    {_first(_text("end_user"), _text("metadata.user_api_key_end_user_id"))} AS end_user,
    CASE WHEN provider = '' THEN NULL WHEN host <> '' THEN provider || '@' || host ELSE provider END AS upstream,
    provider,
    CASE WHEN starts_with(model_name, provider || '/') THEN substr(model_name, length(provider) + 2) ELSE model_name END
        AS model,
    told_status AS status,
    usage.service_tier AS service_tier,
    usage.inference_geo AS region,
    nullif(list_filter(request_tags, lambda tag: NOT starts_with(tag, 'User-Agent:')), []) AS tags,
    CASE WHEN hit THEN 0 ELSE {_count("prompt_tokens")} END AS input_tokens,
    CASE WHEN hit THEN 0 ELSE {_count("completion_tokens")} END AS output_tokens,
    coalesce(nullif({_count("usage.cache_read_input_tokens")}, 0), {_count(f"{_READ}.cached_tokens")})
        AS cache_read_tokens,
    CASE WHEN written IS NULL THEN {_count(f"{_SPLIT}.ephemeral_5m_input_tokens")}
        ELSE written - coalesce(one_hour, 0) END AS cache_write_5m_tokens,
    one_hour AS cache_write_1h_tokens,
    {_count(f"{_READ}.audio_tokens")} AS audio_in_tokens,
    {_count(f"{_READ}.image_tokens")} AS image_in_tokens,
    {_count("usage.completion_tokens_details.reasoning_tokens")} AS reasoning_out_tokens,
    {_count("usage.completion_tokens_details.audio_tokens")} AS audio_out_tokens,
    {_first("requester_ip_address", "metadata.requester_ip_address")} AS ip,
    {_first("user_agent", "metadata.user_agent")} AS user_agent,
    CASE WHEN {_IS_PAYLOAD} THEN response_cost ->> '$' ELSE spend ->> '$' END AS cost"""
