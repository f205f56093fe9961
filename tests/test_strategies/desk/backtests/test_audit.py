"""`breakwater audit`: results as Freqtrade writes them, held against an account."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.base.units import HOUR_MS
from strategies.desk.backtests.data import load_checked, write_simulated
from strategies.desk.backtests.results import market_path
from strategies.desk.cli import main
from tests.test_strategies.desk.exported import BTC, START, exported

START_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC
WALLET = 10_000.0


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simulated(tmp_path_factory.mktemp("market") / "data", start=START, days=3)


def close(datadir: Path, hour: int) -> float:
    return float(load_checked(datadir, BTC, "1h").close[hour])


def long_trade(datadir: Path, amount: float, scale: float = 1.0) -> dict[str, Any]:
    """A long of `amount` from 01:00 to 09:00, filled at prices of the candles times `scale`."""
    bought, sold = close(datadir, 1) * scale, close(datadir, 9) * scale
    trade = exported(BTC, ("buy", 1, amount, bought), ("sell", 9, amount, sold))
    fees = amount * (bought * trade["fee_open"] + sold * trade["fee_close"])
    return {**trade, "profit_abs": amount * (sold - bought) - fees}


def written(folder: Path, trades: list[dict[str, Any]], **changes: Any) -> Path:
    """A result file of one strategy with these trades."""
    result = {
        "trades": trades, "pairlist": [BTC], "timeframe": "1h", "trading_mode": "futures",
        "margin_mode": "cross", "stake_currency": "USDT", "starting_balance": WALLET,
        "backtest_start_ts": START_MS, "backtest_end_ts": START_MS + 24 * HOUR_MS, **changes,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "result.json"
    stats = {"strategy": {"Mine": result}, "strategy_comparison": []}
    path.write_text(json.dumps(stats), encoding="utf-8")
    (folder / ".last_result.json").write_text('{"latest_backtest": "result.json"}', "utf-8")
    return path


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["audit", *map(str, words)])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_audit_when_a_long_is_held_then_its_account_is_told_and_money_adds_up(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trade = long_trade(datadir, 0.1)
    path = written(tmp_path, [trade])
    code, out, _ = said(capsys, path, "--data", datadir)
    assert code == 0
    assert out.startswith(f"Mine, {BTC}, 2024-01-01 00:00 UTC to 2024-01-02 00:00 UTC, 1 trades")
    assert "not liquidated" in out
    _, out, _ = said(capsys, path, "--data", datadir, "--slippage", "0", "--json")
    told = json.loads(out)
    assert told["engine_final_quote"] == pytest.approx(WALLET + trade["profit_abs"])
    # The engine's books have no funding here. The account paid it at 08:00; nothing else differs.
    mark = market_path(datadir, BTC, START_MS, START_MS + 24 * HOUR_MS)
    funding = -0.1 * mark.open[8] * mark.funding_rate[8]
    assert told["off_quote"] == pytest.approx(funding)
    assert abs(funding) > 1e-3
    final = told["engine_final_quote"] + funding
    assert told["final_equity_quote"] == pytest.approx(final)


def test_audit_when_the_account_could_not_bear_it_then_the_liquidation_is_the_answer(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, [long_trade(datadir, 1_000.0)])  # thousands of times the account
    code, out, _ = said(capsys, path, "--data", datadir)
    assert code == 1
    assert "LIQUIDATED 2024-01-01 0" in out


def test_audit_when_the_newest_is_meant_then_the_userdirs_own_is_taken(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "backtest_results", [long_trade(datadir, 0.1)])
    code, out, _ = said(capsys, "--userdir", tmp_path, "--data", datadir)
    assert (code, f"result: {path}" in out) == (0, True)


def test_audit_when_nothing_was_traded_then_it_says_so(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, written(tmp_path, []), "--data", datadir)
    assert code == 0
    assert "no position was held" in out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trading_mode": "spot", "margin_mode": ""}, ["cross margin, got spot", "cure:"]),
        ({"margin_mode": "isolated"}, ["cross margin, got futures isolated", "cure:"]),
    ],
)
def test_audit_when_there_is_no_margin_account_then_it_is_refused(
    changes: dict[str, Any], words: list[str], datadir: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = written(tmp_path, [long_trade(datadir, 0.1)], **changes)
    code, _, err = said(capsys, path, "--data", datadir)
    assert code == 2
    assert all(word in err for word in words)


def test_audit_when_the_candles_are_another_markets_then_it_is_refused_with_the_first_fill(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, [long_trade(datadir, 0.1, scale=1.5)])
    code, _, err = said(capsys, path, "--data", datadir)
    assert code == 2
    assert f"2 of 2 fills of {BTC} lie outside these candles" in err
    assert "2024-01-01 01:00 UTC" in err


def test_audit_when_there_is_nothing_to_read_then_the_cure_is_said(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn = tmp_path / "torn.zip"
    torn.write_bytes(b"PK\x03\x04 torn")
    path = written(tmp_path / "one", [])
    for words, expected in (
        (["--userdir", tmp_path / "nobody"], "no finished backtest"),
        ([tmp_path / "nowhere.zip"], "expected a result that `freqtrade backtesting` wrote"),
        ([torn], "expected a result that `freqtrade backtesting` wrote"),
        ([path, "--strategy", "Yours"], "--strategy, one of Mine"),
        ([path, "--slippage", "0.5"], "expected 0 <= --slippage < 0.05, got 0.5"),
    ):
        code, _, err = said(capsys, *words, "--data", datadir)
        assert code == 2
        assert expected in err
        assert "Traceback" not in err
