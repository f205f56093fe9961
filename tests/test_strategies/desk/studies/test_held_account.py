"""`breakwater what-if --held`: what a bot holds now, before and after more; what is refused."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.base.errors import InputError, PackError
from models.studies.what_if.proposal import Opening, on_top, proposed_account
from strategies.account.tiers import load_binance_tiers
from strategies.desk.backtests.simulated_data import write_simulated
from strategies.desk.cli import main
from strategies.desk.studies.coin_candles import gather_coins
from strategies.desk.studies.held_account import HeldAccount, read_held
from strategies.desk.studies.what_if import run_what_if
from strategies.desk.studies.what_if_words import WhatIfOptions
from strategies.desk.terminal.positions import TypedPosition
from tests.test_strategies.desk.studies.held_bot import (
    HeldTrade,
    bot_config,
    write_trades,
    write_word,
)

BTC, LTC = "BTC/USDT:USDT", "LTC/USDT:USDT"
NOW_MS = int(datetime(2022, 5, 31, 0, 3, tzinfo=UTC).timestamp() * 1000)
EQUITY = 10_000.0


@pytest.fixture(scope="module")
def datadir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "simulated"
    return write_simulated(folder, seed=3, start=datetime(2022, 4, 1, tzinfo=UTC), days=60)


@pytest.fixture(scope="module")
def marks(datadir: Path) -> dict[str, float]:
    return dict(gather_coins([datadir], [BTC, LTC], "1h").marks)


@pytest.fixture
def bot(tmp_path: Path, marks: dict[str, float]) -> Path:
    """A dry run that holds 0.2x of Litecoin in two trades, and 0.1x short of Bitcoin."""
    config = bot_config(tmp_path)
    write_trades(
        tmp_path / "trades.sqlite",
        [
            HeldTrade(pair=LTC, amount=0.15 * EQUITY / marks[LTC]),
            HeldTrade(pair=LTC, amount=0.05 * EQUITY / marks[LTC]),
            HeldTrade(pair=BTC, amount=0.1 * EQUITY / marks[BTC], is_short=True),
            HeldTrade(pair=BTC, amount=5.0, is_open=False),  # closed
            HeldTrade(pair="XRP/USDT:USDT", amount=0.0),  # its order is not filled
        ],
    )
    write_word(tmp_path, NOW_MS - 12_000, EQUITY, 0.3 * EQUITY)
    return config


@pytest.fixture
def ask(
    datadir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    def asked(config: Path, **more: Any) -> tuple[int, str]:
        options: dict[str, Any] = {
            "held": True, "config": config, "data": datadir, "userdir": tmp_path,
            "engine": "bootstrap", "days": 1, "paths": 500, "clock": lambda: NOW_MS, **more,
        }  # fmt: skip
        code = run_what_if(WhatIfOptions(**options))
        return code, capsys.readouterr().out

    return asked


def test_answer_when_nothing_is_opened_then_it_is_of_what_is_held(bot: Path, ask: Any) -> None:
    code, said = ask(bot)
    assert code == 0
    first = said.splitlines()[0]
    assert first.startswith("Held now by BitcoinCrossMargin, dry-run on binance in USDT, since ")
    assert "equity 10,000, LTC long 0.2x, BTC short 0.1x. A repeat of the worst hour would" in first
    assert "opened" not in said.split("|")[0]
    assert "Held now, LTC long 0.2x, BTC short 0.1x: in 1 day an account of 10,000 is" in said
    assert "|  | held now |" in said


def test_answer_when_what_is_held_is_beyond_the_limit_then_that_is_told_and_nothing_is_refused(
    bot: Path, ask: Any, tmp_path: Path, marks: dict[str, float]
) -> None:
    trades_of(tmp_path, HeldTrade(pair=LTC, amount=2 * EQUITY / marks[LTC]))
    write_word(tmp_path, NOW_MS, EQUITY, 2 * EQUITY)
    code, said = ask(bot)
    assert code == 0  # nothing is opened
    assert "LTC long 2x. A repeat of the worst hour would cost it 115.1% of equity" in said
    code, said = ask(bot, opens=(TypedPosition("LTC", 1, 0.1),))
    assert code == 1
    assert "Nothing of it can." in said
    code, said = ask(bot, opens=(TypedPosition("LTC", -1, 1.9),))
    assert code == 0
    assert "Can be opened on top: " in said


def test_answer_when_more_is_opened_then_before_and_after_stand_side_by_side(
    bot: Path, ask: Any
) -> None:
    more = (TypedPosition("LTC", 1, 1.0), TypedPosition("BTC", 1, 0.1))  # the short is closed
    code, said = ask(bot, opens=more, json=True)
    got = json.loads(said)
    assert code == 1
    before, after = got["accounts"]
    assert [before["title"], after["title"]] == ["held now", "with LTC long 1x, BTC long 0.1x"]
    assert got["equity"] == got["held"]["equity_quote"] == EQUITY
    sizes = [[(o["pair"], o["side"], round(o["leverage"], 9)) for o in one["openings"]]
             for one in (before, after)]  # fmt: skip
    assert sizes == [[(LTC, 1, 0.2), (BTC, -1, 0.1)], [(LTC, 1, 1.2)]]
    assert before["gap"]["cost_frac"] < after["gap"]["cost_frac"]
    code, said = ask(bot, opens=more)
    assert code == 1
    assert "Cannot be opened on top: together, a repeat of the worst hour would cost " in said
    assert "|  | held now | with LTC long 1x, BTC long 0.1x |" in said


def test_gap_limit_when_more_is_too_much_then_the_part_that_may_is_told_and_the_next_may_not(
    bot: Path, ask: Any
) -> None:
    _, said = ask(bot, opens=(TypedPosition("LTC", 1, 1.0),))
    most = float(re.search(r"The largest that can: LTC long ([\d.]+)x", said)[1])  # type: ignore[index]
    assert 0 < most < 1
    code, said = ask(bot, opens=(TypedPosition("LTC", 1, most),))
    assert code == 0
    assert "Can be opened on top: together" in said
    assert ask(bot, opens=(TypedPosition("LTC", 1, most + 0.02),))[0] == 1


def test_opening_when_it_is_held_already_then_only_the_difference_costs(
    bot: Path, marks: dict[str, float], tmp_path: Path, datadir: Path
) -> None:
    held = read_held(bot, tmp_path, lambda: NOW_MS)
    assert held.amounts == pytest.approx(
        {LTC: 0.2 * EQUITY / marks[LTC], BTC: -0.1 * EQUITY / marks[BTC]}
    )
    now = held.openings(marks, NOW_MS)
    assert [(o.pair, o.side) for o in now] == [(LTC, 1), (BTC, -1)]
    tiers = load_binance_tiers([LTC, BTC])

    def pending(openings: tuple[Opening, ...]) -> float:
        setup = proposed_account(
            openings, held=now, equity_quote=EQUITY, marks=marks, tiers=tiers, cost_frac=0.001
        )
        return setup.account.pending_quote

    assert pending(now) == 0
    assert pending(on_top(now, [Opening(LTC, 1, 0.3)])) == pytest.approx(0.0003 * EQUITY)
    assert pending(on_top(now, [Opening(BTC, 1, 0.1)])) == pytest.approx(0.0001 * EQUITY)


def test_hedge_when_asked_for_then_it_is_of_all_that_is_long_and_refused_where_it_is_held(
    bot: Path, ask: Any, tmp_path: Path, marks: dict[str, float]
) -> None:
    with pytest.raises(InputError, match="BTC is opened already"):
        ask(bot, hedge=0.5)
    trades_of(tmp_path, HeldTrade(pair=LTC, amount=0.3 * EQUITY / marks[LTC]))
    _, said = ask(bot, hedge=0.5, opens=(TypedPosition("LTC", 1, 0.1),))
    assert "| held now | with LTC long 0.1x | and with BTC short 0.2x | with it, " in said


def trades_of(folder: Path, *trades: HeldTrade) -> None:
    write_trades(folder / "trades.sqlite", trades)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: (d / "dry_run/control/heartbeat.json").unlink(), "sign of life is gone"),
        (lambda d: (d / "dry_run/control/owner.json").unlink(), "no dry-run bot has run with this"),
        (lambda d: write_word(d, NOW_MS - 11 * 60_000, EQUITY, 3_000.0), "11 minutes ago"),
        (lambda d: write_word(d, NOW_MS + 3_600_000, EQUITY, 3_000.0), "60 minutes ahead"),
        (lambda d: write_word(d, NOW_MS, 0.0, 0.0), "does not say what its account is worth"),
        (lambda d: write_word(d, NOW_MS, EQUITY, 3_000.0, exchange="okx"),
         "another bot's.*exchange binance, not okx"),
        (lambda d: write_word(d, NOW_MS, EQUITY, 9_000.0), "counts a gross exposure of 9,000"),
        (lambda d: write_word(d, NOW_MS, EQUITY, 0.0), "counts a gross exposure of 0"),
        (lambda d: trades_of(d, HeldTrade(pair="DOGE/USDT:USDT", amount=9.0)),
         "no 1h futures candles of DOGE"),
        (lambda d: trades_of(d, HeldTrade(pair=LTC, amount=9.0, strategy="LitecoinHedge")),
         "another bot's: it holds open trades of LitecoinHedge"),
        (lambda d: (d / "trades.sqlite").unlink(), "expected the bot's trades in a file"),
        (lambda d: (d / "trades.sqlite").write_bytes(b"no database at all, but long" * 99),
         "cannot be read"),
        (lambda d: bot_config(d, "postgresql+psycopg2://u:p@127.0.0.1/x"), "file, got no file"),
    ],
)  # fmt: skip
def test_held_when_it_is_not_known_for_sure_then_it_is_said_and_nothing_is_drawn(
    bot: Path, ask: Any, tmp_path: Path, change: Any, said: str
) -> None:
    change(tmp_path)
    with pytest.raises(PackError, match=said):
        ask(bot)


def test_held_when_the_bot_is_on_another_exchange_then_its_tiers_are_not_made_up(
    tmp_path: Path, bot: Path
) -> None:
    config = json.loads(bot.read_text()) | {"exchange": {"name": "okx"}}
    bot.write_text(json.dumps(config))
    write_word(tmp_path, NOW_MS, EQUITY, 3_000.0, exchange="okx")
    with pytest.raises(InputError, match="expected a bot on binance in USDT, got okx in USDT"):
        read_held(bot, tmp_path, lambda: NOW_MS)


def test_held_when_the_candles_are_of_another_day_then_they_do_not_price_it(
    marks: dict[str, float],
) -> None:
    held = HeldAccount(
        whose="it", time_ms=NOW_MS, equity_quote=EQUITY, gross_quote=marks[LTC], amounts={LTC: 1.0}
    )
    assert len(held.openings(marks, NOW_MS - 86_400_000)) == 1
    for until_ms in (NOW_MS - 86_400_001, NOW_MS + 86_400_001):
        with pytest.raises(InputError, match="within a day of what the bot holds"):
            held.openings(marks, until_ms)


def test_held_when_nothing_is_held_then_an_opening_is_asked_for_or_looked_at_alone(
    bot: Path, ask: Any, tmp_path: Path
) -> None:
    write_trades(tmp_path / "trades.sqlite", [])
    write_word(tmp_path, NOW_MS, EQUITY, 0.0)
    with pytest.raises(InputError, match="the bot holds nothing now"):
        ask(bot)
    _, said = ask(bot, opens=(TypedPosition("LTC", 1, 0.1),))
    assert said.splitlines()[0].endswith("equity 10,000, no position.")
    assert said.splitlines()[1].startswith("Can be opened: ")
    assert "LTC long 0.1x: in 1 day an account of 10,000 is" in said


FREQTRADE = """
import sys
from freqtrade.persistence import Order, Trade, init_db
init_db(sys.argv[1])
trade = Trade(
    pair="LTC/USDT:USDT", stake_currency="USDT", stake_amount=100.0, amount=4.0, is_open=True,
    is_short=True, open_rate=50.0, fee_open=0.0, fee_close=0.0, exchange="binance", leverage=3.0,
    strategy="BitcoinCrossMargin",
)
trade.orders.append(Order(
    order_id="dry_run_1", ft_order_side="sell", ft_pair=trade.pair, ft_is_open=False, ft_amount=4.0,
    ft_price=50.0,
))
Trade.session.add(trade)
Trade.commit()
"""


def test_trades_when_freqtrade_wrote_them_then_they_are_read(tmp_path: Path) -> None:
    config = bot_config(tmp_path)
    url = f"sqlite:///{tmp_path / 'trades.sqlite'}"
    subprocess.run([sys.executable, "-c", FREQTRADE, url], check=True, capture_output=True)
    write_word(tmp_path, NOW_MS, EQUITY, 200.0)
    held = read_held(config, tmp_path, lambda: NOW_MS)
    assert held.amounts == {LTC: -4.0}


def test_trades_when_read_then_they_are_not_changed(bot: Path, tmp_path: Path) -> None:
    before = (tmp_path / "trades.sqlite").read_bytes()
    with sqlite3.connect(tmp_path / "trades.sqlite") as busy:  # the bot has it open
        busy.execute("BEGIN")
        read_held(bot, tmp_path, lambda: NOW_MS)
    assert (tmp_path / "trades.sqlite").read_bytes() == before
    assert sorted(p.name for p in tmp_path.glob("trades*")) == ["trades.sqlite"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "required: --open, or --held"),
        (["--held", "--equity", "500"], "--equity is what --held reads from the bot"),
        (["--held"], "no dry-run bot has run with this user directory"),
    ],
)
def test_command_when_what_is_asked_cannot_be_then_it_is_said(
    tmp_path: Path, datadir: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    config = bot_config(tmp_path)
    line = ["what-if", "--data", str(datadir), "--userdir", str(tmp_path), "--config", str(config)]
    assert main([*line, *words]) == 2
    assert said in capsys.readouterr().err
