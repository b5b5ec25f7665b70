"""The table of what people here call a key or a project, who owns it and what it is tagged with, with the dates."""

from warehouse.tables import Column, Table

NAMING = Table(
    "model",
    "naming",
    "Names, owners and tags that people gave to keys and projects, each from a date until the next.",
    (
        Column("kind", "VARCHAR", "key or project."),
        Column("thing_no", "BIGINT", "The key's or project's number, as in model.key and model.project."),
        Column("account_no", "BIGINT", "The account it belongs to."),
        Column("name", "VARCHAR", "What it is called here; NULL where the log's own name does."),
        Column("owner", "VARCHAR", "Who answers for it: a team or a role; NULL where nobody is named."),
        Column("tags", "VARCHAR", "Labels, separated by a comma and a blank; NULL where there are none."),
        Column("valid_from", "TIMESTAMP", "From when it holds, UTC."),
        Column("valid_to", "TIMESTAMP", "Until when; NULL while it holds."),
    ),
)
