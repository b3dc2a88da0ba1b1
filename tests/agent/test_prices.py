"""Prices by endpoint and name. The figures change with the data package; what is tested is which price is taken."""

from __future__ import annotations

import pytest

from agent.budget import Prices
from agent.messages import Usage
from agent.prices import FREE, CataloguePrices, is_own_address, look_up

LOCAL = "http://127.0.0.1:8000/v1"


def test_openais_models_are_priced_with_their_cache_and_context() -> None:
    offer = look_up("gpt-5", None)
    assert isinstance(offer.pricing, CataloguePrices)
    prices = offer.pricing.per_million
    assert 0 < prices.cached < prices.input < prices.output
    usage = Usage(input=10_000, cached=4_000, output=1_000, reasoning=900)
    assert offer.pricing.usd(usage) == pytest.approx(prices.usd(usage))
    assert offer.context_tokens is not None
    assert offer.context_tokens >= 128_000
    assert "OpenAI" in offer.source


def test_more_from_the_cache_than_was_sent_is_no_reason_to_stop() -> None:
    for pricing in (look_up("gpt-5", None).pricing, Prices(1, 1, 1)):
        assert pricing is not None
        assert pricing.usd(Usage(input=10, cached=20)) >= 0


def test_long_requests_may_cost_more_by_the_token() -> None:
    pricing = look_up("gpt-5.5", None).pricing
    assert pricing is not None
    assert pricing.usd(Usage(input=1_000_000)) > 10 * pricing.usd(Usage(input=100_000))


@pytest.mark.parametrize(
    ("model", "url", "known"),
    [
        ("no-such-model", None, False),
        ("deepseek-chat", "https://api.deepseek.com/v1", True),
        ("gpt-5", "https://api.deepseek.com/v1", False),
        ("llama-3.3-70b", "https://llm.example.com/v1", False),
        ("gpt-5", "https://llm.example.com/v1", True),
        ("claude-sonnet-4-5", LOCAL, True),
    ],
)
def test_the_endpoint_decides_and_closed_models_are_known_by_name(model: str, url: str | None, known: bool) -> None:
    pricing = look_up(model, url).pricing
    assert (pricing is not None) is known
    assert pricing != FREE


@pytest.mark.parametrize("model", ["qwen3:8b", "gpt-oss-20b", "openai/gpt-oss-120b", "gemma3:4b", "m"])
def test_open_models_at_home_are_free(model: str) -> None:
    assert look_up(model, LOCAL).pricing == FREE == Prices(0, 0, 0)


@pytest.mark.parametrize(
    ("url", "own"),
    [
        (LOCAL, True),
        ("http://[::1]:8000/v1", True),
        ("http://localhost/v1", True),
        ("http://gpu-box:11434/v1", True),
        ("http://box.local:1/v1", True),
        ("http://192.168.1.7/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
        ("https://localhost.example.com/v1", False),
    ],
)
def test_an_address_of_ones_own(url: str, own: bool) -> None:
    assert is_own_address(url) is own
