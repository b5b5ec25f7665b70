"""A bill's words say a model where they are certain, and nothing else."""

import json
from pathlib import Path

import pytest

from pipelines.bills import sku
from pipelines.bills.ai_service import AiServices
from pipelines.bills.sku import Sku


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "USE1-Claude4.6Opus-cache-read-input-token-count-cross-region-global",
            Sku("Claude4.6Opus", "cache_read_tokens", None),
        ),
        (
            "USE1-Claude4Sonnet-cache-write-input-token-count-1-hour",
            Sku("Claude4Sonnet", "cache_write_1h_tokens", None),
        ),
        ("USE1-Llama4-Maverick-17B-input-tokens-batch", Sku("Llama4-Maverick-17B", "uncached_tokens", "batch")),
        ("USE1-NovaLite-input-tokens-priority", Sku("NovaLite", "uncached_tokens", "priority")),
        (
            "USW2-anthropic.claude-opus-4-8-mantle-cache-write-tokens-global-standard",
            Sku("anthropic.claude-opus-4-8", "cache_write_tokens", "standard"),
        ),
        ("USE1-zai.glm-4.7-output-tokens-batch", Sku("zai.glm-4.7", "output_tokens", "batch")),
        ("Gemini 2.5 Flash Text Input - Batch Predictions", Sku("gemini-2.5-flash", "uncached_tokens", "batch")),
        ("Gemini 2.5 Flash Thinking Text Output - Predictions", Sku("gemini-2.5-flash", "reasoning_out_tokens", None)),
        ("Gemini 2.5 Flash GA Video Input Priority - Predictions", Sku("gemini-2.5-flash", None, "priority")),
        ("Gemini 2.5 Flash Input Text Caching Storage", Sku("gemini-2.5-flash", None, None)),
        ("Gemini 2.5 Flash Native Image Something - Predictions", Sku()),
        ("USE1-Claude4.6Opus-provisioned-throughput", Sku()),
        ("$0.40 per million requests", Sku()),
        (None, Sku()),
    ],
)
def test_a_line_says_what_is_certain(line: str | None, told: Sku) -> None:
    """Usage types of Bedrock and SKUs of Gemini; another form says nothing."""
    assert sku.read(line) == told


def test_every_collected_name_says_its_model(shared: Path) -> None:
    """The usage types and SKU names that are known from the field all have a model."""
    shapes = json.loads((shared / "data/other_provider_api/shapes.json").read_text())
    names = shapes["aws_bedrock_cur_usage_types"] + shapes["gcp_sku_descriptions"]
    assert len(names) == 17
    assert [name for name in names if sku.read(name).model is None] == []


@pytest.mark.parametrize(
    ("cloud", "service", "provider"),
    [
        ("AWS", "Amazon Bedrock", "bedrock"),
        ("AWS", "Claude Sonnet 4 (Amazon Bedrock Edition)", "bedrock"),
        ("Amazon Web Services", "Amazon Bedrock Service", "bedrock"),
        ("Microsoft", "Azure OpenAI Service", "azure"),
        ("Google Cloud", "Vertex AI", "vertex_ai"),
        ("Google", "Gemini API", "gemini"),
        ("AWS", "Amazon Simple Storage Service", None),
        ("Microsoft", "Vertex AI", None),
    ],
)
def test_services_have_the_names_that_calls_give(cloud: str, service: str, provider: str | None) -> None:
    """As LiteLLM names them."""
    assert AiServices().provider(cloud, service) == provider
