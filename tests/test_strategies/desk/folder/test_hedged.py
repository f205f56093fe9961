"""What a repeat of the worst day would cost a hedge's position, said before anything starts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.base.config import from_mapping
from models.base.types import Candles
from models.trade.risk.worst_hours import recorded_day
from strategies.account.hedge_config import HedgeConfig
from strategies.desk.cli import main
from strategies.desk.folder.finding import Weight
from strategies.desk.folder.hedged import position_finding
from tests.test_strategies.desk.folder.conftest import Make
from tests.test_strategies.hedges import BTC, ETH, LTC

FALL = recorded_day(LTC, at_marks=True).fall_frac


def candles(low: float = 100.0) -> Candles:
    """Two days of hours at 100, with one low."""
    price = np.full(48, 100.0)
    lows = price.copy()
    lows[30] = low
    time_ms = np.arange(48) * 3_600_000
    return Candles(time_ms=time_ms, open=price, high=price, low=lows, close=price, volume=price)


def hedge(amount: float, mode: str = "own", **primary: Any) -> HedgeConfig:
    block = {"mode": mode, "instruments": [BTC, ETH],
             "primary": {"amount_base": amount, **primary}}  # fmt: skip
    return from_mapping(HedgeConfig, block, where="breakwater.hedge")


WALLET = {"timeframe": "1h", "dry_run_wallet": 10_000}


def test_position_when_it_is_too_large_then_the_number_the_cost_and_the_cure_are_named() -> None:
    most = 0.15 * 10_000 / FALL / 100
    fits = position_finding(hedge(most * 0.9999), WALLET, candles())
    assert fits.weight is Weight.SOUND
    assert fits.said == (
        "24.5917 LTC at 100, 10,000 of dry_run_wallet: a repeat would cost 15.0% of equity, 15 % "
        "is what it may"
    )
    large = position_finding(hedge(most * 1.0001), WALLET, candles())
    assert large.weight is Weight.ADVICE  # it would be opened smaller
    assert "a repeat of LTC's worst day (-61.0%) would cost 15.0% of equity" in large.said
    assert large.cure.startswith("set breakwater.hedge.primary.amount_base to 24.59 or less")


def test_position_when_the_folders_candles_show_a_worse_day_then_that_counts() -> None:
    said = position_finding(hedge(24.0), WALLET, candles(low=20.0)).said
    assert "worst day (-80.0%) would cost 19.2% of equity" in said


def test_position_when_there_is_one_candle_yet_then_the_day_on_record_counts() -> None:
    first = candles().cut(slice(0, 1))
    assert "worst day (-61.0%)" in position_finding(hedge(60.0), WALLET, first).said


def test_position_when_it_is_held_elsewhere_then_the_equity_there_counts_or_is_asked_for() -> None:
    there = {"entry_price": 90.0, "collateral_quote": 9_800.0, "venue": "X"}
    fits = position_finding(hedge(20.0, "elsewhere", **there), WALLET, candles())
    assert fits.said.startswith("20 LTC at 100, 10,000 behind it at X: a repeat would cost 12.2%")
    lost = replace(hedge(20.0, "elsewhere", **{**there, "entry_price": 300.0}))
    assert position_finding(lost, WALLET, candles()).weight is Weight.ADVICE
    unknown = position_finding(hedge(20.0, "advice"), WALLET, candles())
    assert unknown.weight is Weight.ADVICE
    assert "primary.collateral_quote and entry_price" in unknown.cure


def test_doctor_when_a_folder_hedges_then_it_says_what_its_worst_day_would_cost(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make("--style", "hedge", "--exchange", "loopback")
    main(["doctor", str(folder)])
    assert re.search(
        r"^  ok    worst day: .* is what it may$", capsys.readouterr().out, re.MULTILINE
    )
    config = json.loads((folder / "config.json").read_text())
    config["dry_run_wallet"] = 1_000
    (folder / "config.json").write_text(json.dumps(config))
    main(["doctor", str(folder)])
    out = capsys.readouterr().out
    assert re.search(
        r"^  note  worst day: .* 1,000 of dry_run_wallet: a repeat of LTC's", out, re.M
    )
    assert "cure: set breakwater.hedge.primary.amount_base to " in out


def test_doctor_when_a_folder_hedges_nothing_then_no_worst_day_is_told(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make("--style", "position")
    main(["doctor", str(folder)])
    assert "worst day" not in capsys.readouterr().out


def test_doctor_when_no_size_is_configured_then_there_is_nothing_to_say(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make("--style", "hedge", "--exchange", "loopback")
    for name in ("config.json", "config_backtest.json", "config_dry_run.json", "config_live.json"):
        file = folder / name
        config = json.loads(file.read_text())
        block = config.get("breakwater", {}).get("hedge")
        if block is not None:
            block["open_primary"] = False
            block.get("primary", {}).update(amount_base=0.0)
            file.write_text(json.dumps(config))
    main(["doctor", str(folder)])
    assert "worst day" not in capsys.readouterr().out
