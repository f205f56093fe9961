"""What of a configuration is kept out of journal and log: everything nobody vouches for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.operate.journal.journal import Journal
from models.operate.journal.records import Incident
from strategies.human import secrets
from strategies.human.secrets import secrets_of
from tests.places import ROOT
from tests.planted_secrets import PATHS, Secrets, put, shipped

WORDS = secrets._HARMLESS


def named(path: str) -> str:
    """The name a path's text stands under."""
    return [part for part in path.split(".") if part != "[]"][-1]


def journalled(folder: Path, planted: Secrets, config: dict[str, Any]) -> list[str]:
    """The paths of the secrets that are in the journal of a bot that stumbled over each."""
    journal = Journal(folder, secrets=secrets_of(config))
    for secret in planted.planted:
        journal.append("error", Incident(what=f"GET {secret} failed", detail=f"{{{secret}}}"))
    return planted.in_text("".join(p.read_text() for p in folder.glob("*.jsonl")))


def full_config() -> tuple[Secrets, dict[str, Any]]:
    """The shipped configuration with a secret at every path of Freqtrade's schema."""
    planted, config = Secrets(), shipped()
    for path in PATHS:
        if named(path) not in WORDS:
            config = put(config, path, planted.at(path))
    return planted, config


def test_journal_when_errors_repeat_any_setting_then_no_secret_of_them_is_in_it(
    tmp_path: Path,
) -> None:
    planted = Secrets()
    leaks: list[str] = []
    for n, path in enumerate(PATHS):
        if named(path) in WORDS:
            continue
        one = Secrets()
        secret = f"{planted.at(path)}{n}"
        one.planted[secret] = path
        assert secret in secrets_of(put(shipped(), path, secret)), path
        assert secret in secrets_of({"original_config": put({}, path, [secret])}), path
    planted, config = full_config()
    config["breakwater"] = {"second_source": {"headers": {"X": planted.at("second_source.X")}}}
    # What a later path has replaced is in the configuration no more.
    there = set(secrets_of(config))
    planted.planted = {secret: path for secret, path in planted.planted.items() if secret in there}
    assert len(planted.planted) > 80
    leaks = journalled(tmp_path, planted, config)
    assert leaks == []


def test_journal_when_a_name_is_vouched_for_by_mistake_then_its_secret_is_convicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = Secrets()
    config = {"exchange": {"ccxt_config": {"apiKey": planted.at("apiKey")}}}
    assert journalled(tmp_path / "a", planted, config) == []
    monkeypatch.setattr(secrets, "_HARMLESS", WORDS | {"apiKey"})
    assert journalled(tmp_path / "b", planted, config) == ["apiKey"]


def test_address_when_it_holds_a_password_then_its_parts_are_secrets_too() -> None:
    config = {
        "db_url": "postgresql://trader:p%40ssw0rd99@db.internal:5432/trades",
        "webhook": {"url": "https://hooks.example/services/T00000000/XXXXXXXXXXXXXXXXXXXXXXXX?k=abcdefgh9"},
    }  # fmt: skip
    found = secrets_of(config)
    for part in ("p%40ssw0rd99", "p@ssw0rd99", "XXXXXXXXXXXXXXXXXXXXXXXX", "abcdefgh9"):
        assert part in found
    assert secrets_of({"db_url": "http://[broken", "dry_run": True, "n": [1, None]}) == [
        "http://[broken"
    ]


def test_shipped_configuration_when_it_has_no_keys_then_nothing_people_read_is_masked() -> None:
    assert [text for text in secrets_of(shipped()) if "/USDT" in text or text.islower()] == []


@pytest.mark.parametrize("path", sorted((ROOT / "user_data").glob("config*.json")), ids=str)
def test_shipped_config_when_it_is_read_then_nothing_but_addresses_is_kept_out(path: Path) -> None:
    kept_out = secrets_of(json.loads(path.read_text(encoding="utf-8")))
    assert [text for text in kept_out if "://" not in text and text != "demo-fapi"] == []


def test_pair_when_it_stands_under_any_name_then_people_may_read_it_and_a_like_secret_not() -> None:
    config = {"breakwater": {"hedge": {"instruments": ["BTC/USDT:USDT", "ETH/USDT"]}}}
    assert secrets_of(config) == []
    likes = ["BTC/USDT:USDT-secret", "abc/USDT:USDT", "A" * 40 + "/USDT", "BTC/USDT:" + "B" * 30]
    assert set(secrets_of({"x": likes})) >= set(likes)
