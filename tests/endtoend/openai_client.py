"""The official OpenAI client driving the proxy, or a provider past it; runs in LiteLLM's own virtual environment.

Usage: openai_client.py BASE_URL KEY CONCURRENCY < orders.jsonl > outcomes.jsonl
"""

import asyncio
import json
import sys
import time
from typing import Any

import httpx  # type: ignore[import-not-found]  # LiteLLM's environment has it
import openai  # type: ignore[import-not-found]  # the same


async def chat(client: openai.AsyncOpenAI, order: dict[str, Any], told: dict[str, Any]) -> None:
    """Make a chat completion and read it, or its stream up to where the order hangs up."""
    usage = {"stream_options": {"include_usage": True}} if order["stream"] and order["ask_usage"] else {}
    answer = await client.chat.completions.with_raw_response.create(
        model=order["model"],
        messages=[{"role": "user", "content": json.dumps(order)}],
        stream=order["stream"],
        user=f"customer-{order['ticket'] % 7}",
        extra_body={"no-log": order["no_log"], "metadata": {"tags": [f"team:{order['ticket'] % 3}"]}, **usage},
    )
    told["call_id"], parsed, chunks = answer.headers.get("x-litellm-call-id"), answer.parse(), 0
    if order["stream"]:
        async for _ in parsed:
            chunks += 1
            if chunks == order["hang_up_after"]:
                await parsed.close()
                return


async def messages(client: httpx.AsyncClient, order: dict[str, Any], told: dict[str, Any]) -> None:
    """Make a call of Anthropic's own shape, which the OpenAI client does not speak."""
    body = {
        "model": order["model"],
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": json.dumps(order)}],
        "stream": order["stream"],
        "metadata": {"user_id": f"customer-{order['ticket'] % 7}"},
    }
    async with client.stream("POST", "/messages", json=body) as answer:
        told["call_id"], told["http_status"], lines = answer.headers["x-litellm-call-id"], answer.status_code, 0
        if answer.is_error:
            told["outcome"] = "error"
        async for text in answer.aiter_lines():
            lines += text.startswith("data:")
            if order["hang_up_after"] is not None and lines >= order["hang_up_after"]:
                return


async def make(client: openai.AsyncOpenAI, plain: httpx.AsyncClient, order: dict[str, Any]) -> dict[str, Any]:
    """Make one call; its ticket, LiteLLM's call id and what became of it."""
    outcome = "ok" if order["hang_up_after"] is None else "cancelled"
    told = {"ticket": order["ticket"], "outcome": outcome, "http_status": 200}
    try:
        if order["path"] == "/messages":
            await messages(plain, order, told)
        else:
            await chat(client, order, told)
    except openai.APIStatusError as error:
        told |= {"outcome": "error", "http_status": error.status_code}
        told["call_id"] = error.response.headers.get("x-litellm-call-id")
    return told | {"ended_at": time.time()}


async def main(base_url: str, key: str, concurrency: int) -> None:
    """Make every order of standard input."""
    client = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0)
    plain = httpx.AsyncClient(base_url=base_url, headers={"authorization": f"Bearer {key}"}, timeout=60)
    gate = asyncio.Semaphore(concurrency)

    async def one(order: dict[str, Any]) -> None:
        async with gate:
            print(json.dumps(await make(client, plain, order)), flush=True)

    async with asyncio.TaskGroup() as group:
        for order in sys.stdin:
            group.create_task(one(json.loads(order)))


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
