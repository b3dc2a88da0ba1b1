"""What a model costs and how much it can read, from price data that is kept up to date by others.

The data are those of the installed `genai-prices`; nothing is fetched. Prices there are approximate, and a provider
may have changed them since: what is given by hand comes first (`harness.live_model`).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent.budget import Prices, Pricing
from agent.messages import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

OPENAI_URL = "https://api.openai.com/v1"
FREE = Prices(0.0, 0.0, 0.0)
# Nobody but these can run these models, so whatever address answers to such a name passes it on and is billed.
_CLOSED = ("openai", "anthropic", "google", "x-ai")
_OPEN_WEIGHTS = ("gpt-oss", "gemma", "t5gemma")


@dataclass(frozen=True)
class Offer:
    """What is known of a model at an endpoint.

    Attributes:
        pricing: its prices; None when nobody told us.
        context_tokens: how many tokens a request may have; None when nobody told us.
        source: where the prices come from, in a few words.
    """

    pricing: Pricing | None
    context_tokens: int | None
    source: str


@dataclass(frozen=True)
class CataloguePrices:
    """A model's prices from the data, which know of steps for long requests."""

    provider: Provider
    model: ModelInfo

    def usd(self, usage: Usage) -> float:
        """What one call cost."""
        from genai_prices import Usage as Counts  # noqa: PLC0415 - 1.5 MB of prices: only where a model is live

        # More from the cache than there was input is a server's slip, and to the data an error.
        cached = min(usage.cached, usage.input)
        counts = Counts(input_tokens=usage.input, cache_read_tokens=cached, output_tokens=usage.output)
        return float(self.model.calc_price(counts, self.provider).total_price)

    @cached_property
    def per_million(self) -> Prices:
        """The prices of short requests, for a table."""
        some = 1_000
        per = 1e6 / some
        fresh = self.usd(Usage(input=some)) * per
        return Prices(fresh, self.usd(Usage(input=some, cached=some)) * per, self.usd(Usage(output=some)) * per)


def look_up(model: str, base_url: str | None) -> Offer:
    """What is known of a model at an endpoint.

    The provider is found by the endpoint's address. At an address nobody knows, a name that only its maker can run
    (`gpt-5`, `claude-...`) is taken to be passed on to that maker; any other model at an address of one's own (this
    machine, a private network) costs nothing by the token; elsewhere the price is unknown.

    Args:
        model: the model's name at the endpoint.
        base_url: the endpoint; OpenAI's own when None.
    """
    found = _find(model, base_url or OPENAI_URL)
    if found is not None:
        provider, info = found
        return Offer(CataloguePrices(provider, info), info.context_window, f"price data of {provider.name}")
    if base_url is not None and is_own_address(base_url):
        return Offer(FREE, None, "an address of your own: nothing is billed by the token")
    return Offer(None, None, "unknown")


def is_own_address(url: str) -> bool:
    """Whether a URL leads to this machine or a private network: no company's public endpoint."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A name without a dot is one of the local network (a container's, a colleague's machine).
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal")) or "." not in host
    return address.is_private or address.is_loopback or address.is_link_local


def _find(model: str, url: str) -> tuple[Provider, ModelInfo] | None:
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - see above

    snapshot = get_snapshot()
    try:
        return snapshot.find_provider_model(model, None, None, url)
    except LookupError:
        pass
    try:
        snapshot.find_provider(None, None, url)
    except LookupError:
        known_endpoint = False
    else:
        known_endpoint = True
    if known_endpoint or model.lower().startswith(_OPEN_WEIGHTS):
        return None
    for provider in _CLOSED:
        try:
            return snapshot.find_provider_model(model, None, provider, None)
        except LookupError:
            continue
    return None
