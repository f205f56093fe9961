"""Configurations with a secret at every path of Freqtrade's schema, and at some it lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from freqtrade.config_schema import CONF_SCHEMA

from tests.places import USER_DATA

# Where secrets stand that no schema names.
KNOWN = (
    "exchange.ccxt_config.apiKey", "exchange.ccxt_config.headers.X-MBX-APIKEY",
    "exchange.ccxt_config.proxies.https", "exchange.ccxt_async_config.aiohttp_proxy",
    "exchange.accountId", "db_url", "webhook.url", "webhook.entry.value1", "discord.webhook_url",
    "breakwater.second_source.url", "breakwater.second_source.headers.Authorization",
    "breakwater.hedge.primary.read.exchange.secret", "api_server.password", "telegram.token",
    "telegram.topic_id", "external_message_consumer.producers.ws_token", "bot_name",
    "freqai.identifier", "datadir", "user_data_dir", "strategy", "logfile", "add_config_files",
    "timerange", "stake_amount", "exchange.pair_whitelist", "exchange.name",
    "freqai.model_training_parameters.network.note", "breakwater.limits.note",
    "minimal_roi.soon", "order_types.entry",
)  # fmt: skip


class Secrets:
    """Secrets that nothing else looks like, each remembered with the path it was planted at."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def at(self, path: str) -> str:
        secret = f"zQ9{len(self.planted):05d}vmPUZE6mv9SD5VNHk4HlWFsOr6"
        self.planted[secret] = path
        return secret

    def in_text(self, text: str) -> list[str]:
        return [path for secret, path in self.planted.items() if secret in text]


def paths_of(schema: Any, path: str = "") -> Iterator[str]:
    """Every path of a JSON schema, and a further one where it allows names of one's own."""
    if "$ref" in schema:
        schema = CONF_SCHEMA["definitions"][schema["$ref"].rsplit("/", 1)[-1]]
    if path:
        yield path
    for name, part in schema.get("properties", {}).items():
        yield from paths_of(part, f"{path}.{name}" if path else name)
    for part in schema.get("patternProperties", {}).values():
        yield from paths_of(part, f"{path}.60")
    if schema.get("type") == "object" and path:
        yield f"{path}.own_name"
    if isinstance(schema.get("items"), dict):
        yield from paths_of(schema["items"], f"{path}.[]")


PATHS = sorted({*paths_of(CONF_SCHEMA), *KNOWN})


def put(config: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """`config` with `value` at `path`, in a list where it says so; the rest as it was."""
    name, _, rest = path.partition(".")
    if not rest:
        return {**config, name: value}
    if rest.startswith("[]"):
        inner = rest.removeprefix("[]").removeprefix(".")
        return {**config, name: [put({}, inner, value) if inner else value]}
    within = config.get(name)
    return {**config, name: put(within if isinstance(within, dict) else {}, rest, value)}


def shipped() -> dict[str, Any]:
    """The shipped Bitcoin configuration."""
    base = json.loads((USER_DATA / "config_base.json").read_text(encoding="utf-8"))
    own = json.loads((USER_DATA / "config_bitcoin.json").read_text(encoding="utf-8"))
    return {**base, **own, "exchange": {**base["exchange"], **own["exchange"]}}
