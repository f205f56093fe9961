"""Secrets in settings nobody thinks of: what a live bot says of its errors does not repeat them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.planted_secrets import Secrets, put
from tests.test_integration.guarded_bot import STRATEGY
from tests.test_integration.running import KEY, SECRET
from tests.test_integration.told_bot import running_told_bot

# Kept by Freqtrade wherever they stand, and of no effect on a bot without that notifier.
PATHS = (
    "webhook.url", "webhook.entry.value1", "webhook.headers.Authorization", "discord.webhook_url",
    "bot_name", "exchange.ccxt_config.headers.X-Broker-Token", "notes_of_mine.broker.password",
)  # fmt: skip

# An entry refused by an error that repeats them all, as an HTTP client's does with its address.
CARELESS = (
    STRATEGY
    + """
    def _objection(self, *asked):
        config = self.config
        said = [config["webhook"], config["discord"], config["bot_name"],
                config["exchange"]["ccxt_config"]["headers"], config["notes_of_mine"],
                config["exchange"]["key"], config["exchange"]["secret"],
                config["api_server"], config["telegram"]["token"]]
        raise ConnectionError(f"no answer, asked with {said}")
"""
)


def test_live_bot_when_an_error_repeats_its_settings_then_no_secret_is_in_journal_risk_chat_or_log(
    tmp_path: Path,
) -> None:
    planted = Secrets()

    def with_secrets(config: dict[str, Any]) -> dict[str, Any]:
        for path in PATHS:
            config = put(config, path, planted.at(path))
        return config

    with running_told_bot(tmp_path, strategy=CARELESS, within=with_secrets) as told:
        secrets = {*planted.planted, KEY, SECRET, told.config["api_server"]["password"],
                   told.config["api_server"]["jwt_secret_key"]}  # fmt: skip
        told.bot.wait_for(told.refusals, "an entry refused by the error")
        told.loops()
        shown = told.own_risk("new positions are allowed")
        chat = "\n".join(message.text for message in told.chat.received())
        # Before a strategy is made, Freqtrade logs as it does; a bot's name is people's to read.
        log = "no answer, asked with".join(told.bot.log().split("no answer, asked with")[1:])
        for name in (secret for secret, path in planted.planted.items() if path == "bot_name"):
            log = log.replace(name, "(its name)")
    assert "'X-Broker-Token': '***'" in log
    kept = "".join(p.read_text(encoding="utf-8", errors="replace")
                   for name in ("control", "journal", "reports")
                   for p in (told.userdir / name).rglob("*") if p.is_file())  # fmt: skip
    assert "ConnectionError: no answer, asked with" in kept
    for what, text in {"files": kept, "/risk": shown, "chat": chat, "log": log}.items():
        assert [s for s in secrets if s in text] == [], what
