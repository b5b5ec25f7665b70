"""The OpenAPI 3.1 document of the routes of programs, made of the declarations that their handlers read queries by."""

from typing import Any

from dashboards.api import problem
from dashboards.api.representation import MEDIA_TYPES
from dashboards.api.resource import Resource
from dashboards.api.resources import RESOURCES

PATH = "/api/openapi.json"
# Of the routes, not of the program: a parameter or column that goes or means something else makes it another.
VERSION = "1.0.0"
_PROBLEMS = {
    "400": "The query says something that is none of what may be; `parameter` names it.",
    "401": "No token, or none that lives.",
    "403": "The token's member has to accept the privacy policy first.",
    "405": "Only GET and HEAD.",
    "406": "Accept takes none of the forms there are.",
    "409": "A newer version is out than the one asked for.",
    "422": "The query can be read and makes no sense; `parameter` names it.",
    "429": "Too many wrong tokens came from this address.",
    "503": "Nothing is published yet, or somebody is being erased.",
}
_WAIT = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_MORE = {
    "401": {"WWW-Authenticate": {"description": "Bearer.", "schema": {"type": "string"}}},
    "405": {"Allow": {"description": "GET, HEAD.", "schema": {"type": "string"}}},
    "429": _WAIT,
    "503": _WAIT,
}
_VERSION_HEADERS = {
    "ETag": {"description": "Of the version and of who asks; send it as If-None-Match.", "schema": {"type": "string"}},
    "Apiledger-Version": {"description": "The published version.", "schema": {"type": "integer"}},
    "Link": {"description": "The next rows, where there are more.", "schema": {"type": "string"}},
}


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "apiledger",
            "version": VERSION,
            "description": "What your AI APIs cost. Read-only; each answer is of one published version. Money is a "
            "decimal string in USD, days and moments are UTC unless it is said otherwise.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": {one.path: {"get": _operation(one)} for one in RESOURCES},
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the page Account, or of `apiledger token add`.",
                }
            },
            "schemas": {
                "Problem": problem.schema(),
                **{_schema_name(one): _answer(one) for one in RESOURCES},
                **{f"{_schema_name(one)}Row": _row(one) for one in RESOURCES},
            },
            "responses": {code: _problem(code) for code in _PROBLEMS},
        },
    }


def _operation(resource: Resource) -> dict[str, Any]:
    return {
        "operationId": resource.name,
        "summary": resource.meaning,
        "parameters": [one.document() for one in resource.parameters],
        "responses": {
            "200": {
                "description": resource.meaning,
                "headers": _VERSION_HEADERS,
                "content": {
                    MEDIA_TYPES["json"]: {"schema": _named(_schema_name(resource))},
                    MEDIA_TYPES["csv"]: {"schema": {"type": "string"}},
                    MEDIA_TYPES["parquet"]: {},
                },
            },
            "304": {"description": "The same as the one whose ETag was sent."},
            **{code: {"$ref": f"#/components/responses/{code}"} for code in _PROBLEMS},
        },
    }


def _schema_name(resource: Resource) -> str:
    return "".join(word.capitalize() for word in resource.name.split("-"))


def _named(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(resource: Resource) -> dict[str, Any]:
    next_rows = "The address of the next rows, of the same version; null where there are no more."
    return {
        "type": "object",
        "required": ["version", "as_of", "home", "next", "rows"],
        "properties": {
            "version": {"type": "integer", "description": "The published version."},
            "as_of": {"type": "string", "format": "date-time", "description": "When it was published."},
            "home": {"type": "string", "enum": ["own", "sandbox"], "description": "sandbox: made-up figures."},
            "next": {"type": ["string", "null"], "description": next_rows},
            "rows": {"type": "array", "items": _named(f"{_schema_name(resource)}Row")},
        },
        "additionalProperties": False,
    }


def _row(resource: Resource) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [one.name for one in resource.columns if not one.is_asked],
        "properties": {one.name: one.schema() for one in resource.columns},
        "additionalProperties": False,
    }


def _problem(code: str) -> dict[str, Any]:
    return {
        "description": _PROBLEMS[code],
        "headers": _MORE.get(code, {}),
        "content": {problem.MEDIA_TYPE: {"schema": _named("Problem")}},
    }
