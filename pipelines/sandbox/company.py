"""world.toml -> the accounts, projects, keys and models of the sandbox."""

import tomllib
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

WORLD = Path(__file__).with_name("world.toml")
# Where most of the company logs its calls, and what developers have on their laptops.
GATEWAY = "gateway_jsonl"
AGENTS = ("claude_code", "codex", "gemini_cli")
ENVIRONMENTS = ("prod", "prod-eu", "staging", "ci", "dev", "canary", "load", "notebook")


class _Made(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rhythm(_Made):
    """How busy each hour of a local working day is, and how much of that remains on a weekend."""

    hours: tuple[float, ...] = Field(min_length=24, max_length=24)
    weekend: float = Field(ge=0, le=1)


class GatewayPrice(_Made):
    """What the made-up gateway believes a million tokens cost, in USD."""

    input: Decimal
    output: Decimal


class Model(_Made):
    """A provider's model: its context window, its speed, and the share of its output that is reasoning."""

    provider: str
    context_tokens: int
    first_ms: float
    tokens_per_s: float
    reasoning: float = Field(default=0, ge=0, lt=1)
    answers: bool = True  # an embedding has neither output nor cache
    gateway_usd_mtok: GatewayPrice | None = None


class Tokens(_Made):
    """A log-normal length: its median in tokens, and the standard deviation of its logarithm."""

    median: float
    spread: float


class Use(_Made):
    """One project's use of one model: its share of the project's calls, from when until when in the month (0 to 1)."""

    model: str
    share: float
    start: float | None = Field(default=None, alias="from")
    until: float | None = None


class Project(_Made):
    """A project of an account; without a name it is the calls of a key that belongs to none.

    `source` is what tells of its calls.
    """

    name: str | None = None
    source: str = GATEWAY
    team: str | None = None
    share: float
    start: float | None = Field(default=None, alias="from")
    rhythm: str
    growth: float = 0
    service_tier: str | None = None
    keys: int = Field(ge=1, le=len(ENVIRONMENTS))
    rotated: float | None = None  # when in the month its first key was replaced
    users: int = 0
    end_users: int = 0
    people: bool = False  # people call from their own machines; else a few servers do
    input: Tokens
    output: Tokens
    cached: float = Field(default=0, ge=0, lt=1)
    features: tuple[str, ...] = ()
    agents: tuple[str, ...] = Field(min_length=1)
    models: tuple[Use, ...]

    @property
    def is_agents(self) -> bool:
        """Whether it is told by sessions of agents."""
        return self.source in AGENTS


class Account(_Made):
    """A customer of the gateway, with its clock and its projects."""

    name: str
    utc_offset_hours: int
    names_upstream: bool = True  # whether the gateway's log says which connection paid
    project: tuple[Project, ...]


class Subscription(_Made):
    """A plan of the company: what a seat costs a month, and the sources whose calls at the provider it pays for."""

    name: str
    provider: str
    monthly_usd: Decimal
    seats: int
    covers: tuple[str, ...]


class Outage(_Made):
    """Hours in which one provider failed often."""

    provider: str
    at: float
    hours: float
    error_share: float


class Spike(_Made):
    """Hours in which one project called, on top of its rhythm, so many times its average."""

    account: str
    project: str
    at: float
    hours: float
    times: float


class Stream(_Made):
    """One account's project using one model: the finest thing that has a rate."""

    account: Account
    project: Project
    use: Use
    model: Model
    project_index: int  # counts projects over the whole world

    @property
    def share(self) -> float:
        """The weight of its calls at the month's end."""
        return self.project.share * self.use.share


class World(_Made):
    """Everything that is made up, as world.toml says it."""

    rhythm: dict[str, Rhythm]
    model: dict[str, Model]
    outage: Outage
    spike: Spike
    account: tuple[Account, ...]
    plan: tuple[Subscription, ...] = ()

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for account in self.account:
            for project in account.project:
                for use in project.models:
                    if use.model not in self.model:
                        raise ValueError(f"{account.name}/{project.name}: give model {use.model} a [model] table")
                if project.rhythm not in self.rhythm:
                    raise ValueError(f"{account.name}/{project.name}: give rhythm {project.rhythm} a [rhythm] table")
        return self

    @staticmethod
    @cache
    def load() -> "World":
        """Read the world of world.toml; pydantic's ValidationError names a wrong entry."""
        return World.model_validate(tomllib.loads(WORLD.read_text(encoding="utf-8")))

    @staticmethod
    @cache
    def told_by(sources: tuple[str, ...]) -> "World":
        """The world without the projects that none of these sources tells of."""
        world = World.load()
        parts = (
            account.model_copy(update={"project": tuple(p for p in account.project if p.source in sources)})
            for account in world.account
        )
        return World.model_validate(dict(world) | {"account": tuple(part for part in parts if part.project)})

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """Every account's every project's every model, in the file's order."""
        projects = [(account, project) for account in self.account for project in account.project]
        return tuple(
            Stream(account=account, project=project, use=use, model=self.model[use.model], project_index=index)
            for index, (account, project) in enumerate(projects)
            for use in project.models
        )
