"""No secret of a configuration is in anything the pack writes, wherever it stood."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from models.base.config import from_mapping
from models.base.errors import ConfigError
from models.reports.backtest.page import write_report
from models.reports.redaction import HARMLESS, LEFT_OUT, REMOVED, redacted
from models.trade.risk.limits import Limits
from strategies.bot.config import PackConfig
from tests.planted_secrets import PATHS, Secrets, put, shipped
from tests.test_models.reports.records import make_record


def leaks(rules: Any = HARMLESS) -> list[str]:
    """Every path at which a secret, as value or as name, is still there."""
    secrets = Secrets()
    texts = []
    for path in PATHS:
        for value in (secrets.at(path), [secrets.at(path)], {secrets.at(f"{path} as a name"): 1}):
            texts.append(json.dumps(redacted(put(shipped(), path, value), rules)))
    return secrets.in_text("\n".join(texts))


def test_settings_when_a_secret_stands_at_any_path_of_the_schema_then_none_is_shown() -> None:
    assert len(PATHS) > 250
    assert leaks() == []


def test_planted_secrets_when_a_key_is_on_the_list_by_mistake_then_it_is_convicted() -> None:
    exchange = {**HARMLESS["exchange"], "key": lambda _: True}  # type: ignore[dict-item]
    found = leaks({**HARMLESS, "exchange": exchange})
    assert {"exchange.key", "exchange.key as a name"} <= set(found)


def test_settings_when_they_are_harmless_then_they_are_shown() -> None:
    shown = redacted(shipped())
    exchange = shown["exchange"]
    assert isinstance(exchange, dict)
    assert exchange["pair_whitelist"] == shipped()["exchange"]["pair_whitelist"]
    for name in ("timeframe", "max_open_trades", "margin_mode", "stake_currency"):
        assert shown[name] == shipped()[name], name
    assert shown["freqai"]["train_period_days"] == shipped()["freqai"]["train_period_days"]  # type: ignore[index]
    assert shown[LEFT_OUT] > 0  # type: ignore[operator]
    assert redacted({"timeframe": "soon", "exchange": "x"}) == {
        "timeframe": REMOVED, "exchange": REMOVED,
    }  # fmt: skip


def test_report_when_every_setting_is_a_secret_then_page_and_numbers_have_none(
    tmp_path: Path,
) -> None:
    secrets = Secrets()
    config: dict[str, Any] = {}
    for path in PATHS:
        config = put(config, path, secrets.at(path))
    more = {"exchange": put(config.get("exchange") or {}, "key", secrets.at("exchange.key"))}
    folder = write_report(dataclasses.replace(make_record(days=45), config=config | more), tmp_path)
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert {"index.html", "report.json"} <= {path.name for path in written}
    for path in written:
        assert secrets.in_text(path.read_text(encoding="utf-8")) == [], path.name


@pytest.mark.parametrize("kind", [PackConfig, Limits])
def test_setting_errors_when_a_secret_stands_in_the_wrong_place_then_they_do_not_repeat_it(
    kind: type[Any],
) -> None:
    secrets = Secrets()
    for field in dataclasses.fields(kind):
        for value in (secrets.at(field.name), [secrets.at(field.name)],
                      {secrets.at(field.name): 1, "url": secrets.at(field.name)}):  # fmt: skip
            with pytest.raises(ConfigError) as caught:
                from_mapping(kind, {field.name: value, secrets.at("a name"): 1}, where="breakwater")
            assert secrets.in_text(str(caught.value)) == []
