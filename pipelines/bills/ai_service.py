"""Which services of a cloud's bill are AI, and what calls name the provider: a list that a person can widen.

A bill of a whole cloud has thousands of services; what is not listed here, nor in the home's `services.toml`, is left
out and counted. The provider is named as gateways name it (LiteLLM's `custom_llm_provider`), so that bill and log meet.
"""

import re
import tomllib
from dataclasses import dataclass, field
from fnmatch import translate

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import ProviderError
from warehouse import labels
from warehouse.home import Home


class AiService(BaseModel):
    """One line of the list: patterns (`*`, no case) of who bills and of the service; the provider as calls name it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cloud: str
    name: str
    provider: str


class _Widened(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    service: tuple[AiService, ...] = ()


_KNOWN = tuple(
    AiService(cloud=cloud, name=name, provider=provider)
    for cloud, name, provider in (
        ("AWS*", "Amazon Bedrock*", "bedrock"),
        ("Amazon*", "Amazon Bedrock*", "bedrock"),
        # Models of other houses are sold through the marketplace under their own names.
        ("AWS*", "*(Amazon Bedrock Edition)", "bedrock"),
        ("Amazon*", "*(Amazon Bedrock Edition)", "bedrock"),
        ("Microsoft*", "Azure OpenAI*", "azure"),
        ("Microsoft*", "Azure AI *", "azure"),
        ("Microsoft*", "*Cognitive Services", "azure"),
        ("Microsoft*", "*Foundry*", "azure"),
        ("Google*", "Vertex AI*", "vertex_ai"),
        ("Google*", "Gemini API", "gemini"),
        ("Google*", "Generative Language API", "gemini"),
        ("Oracle*", "*Generative AI*", "oci"),
        ("OpenAI*", "*", "openai"),
        ("Anthropic*", "*", "anthropic"),
        ("Mistral*", "*", "mistral"),
    )
)


@dataclass
class AiServices:
    """The list in use; each pair of names is looked up once."""

    listed: tuple[AiService, ...] = _KNOWN
    _found: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def provider(self, cloud: str, service: str) -> str | None:
        """What calls name the provider of a cloud's service; None where the service is not listed as AI."""
        key = (cloud, service)
        if key not in self._found:
            self._found[key] = next(
                (one.provider for one in self.listed if _like(one.cloud, cloud) and _like(one.name, service)), None
            )
        return self._found[key]


def patterns(services: AiServices, cloud: str) -> list[str]:
    """The patterns of a cloud's services, for a query that filters at the source."""
    return [one.name for one in services.listed if _like(one.cloud, cloud)]


def in_use(home: Home) -> AiServices:
    """The list, first what the home's `services.toml` adds; ProviderError where that has another form."""
    path = home.root / "services.toml"
    if not path.exists():
        return AiServices()
    try:
        widened = _Widened.model_validate(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError):
        widened = None
    if widened is None or not all(re.fullmatch(labels.PROVIDER, one.provider) for one in widened.service):
        raise ProviderError(f"{path}: each [[service]] has a cloud, a name and a provider, and nothing else")
    return AiServices((*widened.service, *_KNOWN))


def _like(pattern: str, text: str) -> bool:
    return re.match(translate(pattern.casefold()), text.casefold()) is not None
