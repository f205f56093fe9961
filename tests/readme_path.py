"""README's path: its lines about the bot's own folder."""

from __future__ import annotations

from tests.test_contract import pages
from tests.test_contract.pages import README, Command


def path_lines() -> dict[str, Command]:
    """Return README's lines about the bot's folder, by the word that tells them apart."""
    lines = [c for c in pages.typed(README) if "bot" in c.words and "halt" not in c.words]
    named = {}
    for line in lines:
        live = "bot/config_live.json" in line.words
        word = line.words[1]
        named["live" if word == "trade" and live else word] = line
    return named
