"""The hooks: sound answers on a sound frame, and the safe answer whenever anything is broken."""

from __future__ import annotations

import math
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.persistence import Trade, init_db
from freqtrade.strategy.strategy_wrapper import strategy_safe_wrapper

from models.base import columns
from models.base.windows import MAX_CONTEXT_CANDLES
from models.data.labels.cascade import CascadeConfig
from models.data.labels.returns import forward_log_return
from models.operate.control.commands import CONTROL_FOLDER
from models.operate.control.state import Person
from models.operate.control.store import ControlStore
from strategies.account.acknowledgement import leverage_digest
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.bot import frames
from strategies.bot.forecast import ForecastStrategy
from strategies.bot.guarded import GuardedStrategy
from tests.test_strategies.worlds import (
    NOW,
    OPENED,
    PAIR,
    RATE,
    BrokenProvider,
    Provider,
    Wallets,
    analysed,
    config,
    confirm,
    leverage,
    position,
    running,
    stake,
)

pytestmark = pytest.mark.usefixtures("open_trades")

userdir = Path()  # of the test that runs


@pytest.fixture(autouse=True)
def _own_userdir(tmp_path: Path) -> None:
    global userdir
    userdir = tmp_path


def strategy(frame: pd.DataFrame | None = None, **blocks: Any) -> BitcoinCrossMargin:
    made = BitcoinCrossMargin(config(**{"user_data_dir": userdir} | blocks))
    made.dp = Provider(analysed() if frame is None else frame)
    made.wallets = Wallets(10_000.0)
    return running(made)


class OpenTrade:
    """What the hooks read of a Freqtrade trade, with its custom data."""

    entry_side, is_short, leverage, open_date_utc = "buy", False, 2.0, OPENED

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def get_custom_data(self, key: str) -> Any:
        return self.kept.get(key)

    def set_custom_data(self, key: str, value: Any) -> None:
        self.kept[key] = value


class BrokenTrade:
    """A trade whose every attribute is a lost database connection."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("database is locked")


def held(s: ForecastStrategy, trade: Any, hours: float) -> str | None:
    return s.custom_exit(PAIR, trade, OPENED + timedelta(hours=hours), RATE, 0.0)


def stop(s: ForecastStrategy, trade: Any, profit: float = 0.0) -> float | None:
    return s.custom_stoploss(PAIR, trade, NOW, RATE, profit, False)


def filled(s: ForecastStrategy, trade: Any, side: str = "buy") -> None:
    s.order_filled(PAIR, trade, SimpleNamespace(ft_order_side=side), NOW)


# -- a sound frame ------------------------------------------------------------------------------


def test_leverage_when_all_is_sound_then_volatility_caps_it() -> None:
    # sigma 0.02 over 4 hours is 0.02 / 2 * sqrt(24) = 4.9 % a day; 1 / (3 * 3.69 * 0.049) = 1.84
    assert leverage(strategy()) == pytest.approx(1 / (3 * 3.69 * 0.01 * math.sqrt(24)))
    calm = analysed(sigma=0.001)
    assert leverage(strategy(calm)) == 3.0  # the limit of the pack
    assert leverage(strategy(calm), max_leverage=2.0) == 2.0  # the limit of the exchange
    assert leverage(strategy(analysed(sigma=1.0))) == 1.0


def test_stake_when_all_is_sound_then_the_stop_loses_the_risk_asked_for() -> None:
    # 0.5 % of 10,000 at a stop of 3 * 2 %: notional 833, at leverage 2 a stake of 417
    assert stake(strategy()) == pytest.approx(10_000 * 0.005 / 0.06 / 2)
    assert stake(strategy(), proposed_stake=100.0) == pytest.approx(100.0)
    assert stake(strategy(), max_stake=50.0) == 50.0


def test_stake_when_the_edge_is_small_then_it_is_a_quarter_of_kelly_on_its_lower_bound() -> None:
    # A bp above the cost over 2 % squared is 0.25 x equity; a quarter of that, at leverage 2.
    low = strategy().labels.cost_frac + 0.0001
    small = stake(strategy(analysed(edge_low=low)))
    assert small == pytest.approx(10_000 * 0.25 * 0.0001 / 0.02**2 / 2)
    assert stake(strategy(analysed(edge_low=low, edge=0.5))) == small
    assert stake(strategy(analysed(edge_low=-low)), side="short") == pytest.approx(small)
    # What it asks for is never more than the stop allows.
    assert stake(strategy(analysed(edge_low=0.5))) == stake(strategy())


@pytest.mark.parametrize(
    ("edge_low", "side"), [(0.0, "long"), (0.0001, "long"), (0.01, "short"), (-0.01, "long")]
)
def test_stake_when_the_edge_does_not_pay_the_cost_then_there_is_none_and_it_is_told(
    edge_low: float, side: str
) -> None:
    s = strategy(analysed(edge_low=edge_low))
    assert stake(s, side=side) == 0.0
    assert s.control.reasons[PAIR] == "the edge's lower bound does not pay the cost"


def test_stake_when_the_edge_is_not_known_then_there_is_none_unless_a_person_waived_it() -> None:
    unknown = analysed(edge_low=np.nan, edge=np.nan)
    assert stake(strategy(unknown)) == 0.0
    limits = config(user_data_dir=None)["breakwater"]
    waived = {**limits, "decision": {"without": ["quantiles"]}}
    assert stake(strategy(unknown, breakwater=waived)) == stake(strategy())


def test_stake_when_under_the_exchange_minimum_then_zero_and_never_rounded_up() -> None:
    assert stake(strategy(), min_stake=500.0) == 0.0
    assert stake(strategy(), min_stake=None) > 0.0


def test_entry_when_all_is_sound_then_it_is_confirmed_up_to_the_limits(
    open_trades: list[Any],
) -> None:
    calm = analysed(sigma=0.001)
    assert confirm(strategy(calm)) is True
    # A repeat of bitcoin's worst hour, 29.3 % down, may cost 25 % of 10,000; entries use 22.5 %.
    assert confirm(strategy(calm), amount=76.6) is True
    assert confirm(strategy(calm), amount=76.8) is False
    # 50 ether would lose 40 % of 5,000 in theirs: 250 are left.
    open_trades.append(position(pair="ETH/USDT:USDT", amount=50.0))
    assert confirm(strategy(calm), amount=8.5) is True
    assert confirm(strategy(calm), amount=8.6) is False
    assert confirm(strategy(calm), amount=8.6, side="short") is True
    # Two days of volatility further, liquidation would be nearer than three daily ES 99 %.
    wild = strategy(analysed(sigma=0.03))
    open_trades[0].amount = 195.0
    assert confirm(wild, amount=6.0, side="short") is False


def test_stop_when_the_fill_saw_a_forecast_then_its_distance_is_kept_for_good() -> None:
    s, trade = strategy(), OpenTrade()
    filled(s, trade, side="sell")
    assert trade.kept == {}  # an exit sets no stop
    filled(s, trade)
    assert list(trade.kept.values()) == [pytest.approx(0.06)]
    s.dp = Provider(analysed(sigma=0.03))
    filled(s, trade)
    assert list(trade.kept.values()) == [pytest.approx(0.06)]
    # 6 % of price at leverage 2 is 12 % of stake
    assert stop(s, trade) == pytest.approx(0.12)


@pytest.mark.parametrize(
    "later",
    [analysed(sigma=0.03), analysed(date=OPENED - timedelta(hours=3)), analysed()[:0]],
    ids=["another forecast", "a candle too old", "none"],
)
def test_stop_when_the_fill_comes_after_a_candle_closed_then_it_is_the_one_the_size_was_made_for(
    later: pd.DataFrame,
) -> None:
    s, trade = strategy(), OpenTrade()
    assert stake(s) == pytest.approx(10_000 * 0.005 / 0.06 / 2)
    s.dp = Provider(later)
    filled(s, trade)
    assert list(trade.kept.values()) == [pytest.approx(0.06)]
    # The next trade of the pair is sized anew; without a size, as after a restart, its own.
    s.dp = Provider(analysed(sigma=0.03))
    another = OpenTrade()
    filled(s, another)
    assert list(another.kept.values()) == [pytest.approx(0.09)]


@pytest.mark.parametrize(
    "unseen",
    [analysed()[:0], analysed(date=OPENED - timedelta(hours=3)), analysed(sigma=np.nan)],
    ids=["none", "a candle too old", "no volatility"],
)
def test_stop_when_the_fill_saw_no_forecast_then_it_is_the_widest_until_one_is_seen(
    unseen: pd.DataFrame,
) -> None:
    s, trade = strategy(unseen), OpenTrade()
    filled(s, trade)  # as at a start, which books what was filled meanwhile before any candle
    assert stop(s, trade) == pytest.approx(0.2)
    assert trade.kept == {}
    s.dp = Provider(analysed())
    assert stop(s, trade) == pytest.approx(0.12)
    s.dp = Provider(analysed(sigma=0.03))
    assert stop(s, trade) == pytest.approx(0.12)
    assert list(trade.kept.values()) == [pytest.approx(0.06)]


def test_stop_when_its_fill_is_not_booked_yet_then_it_is_the_one_the_size_was_made_for() -> None:
    s, trade = strategy(), OpenTrade()
    assert stake(s) > 0.0
    s.dp = Provider(analysed(sigma=0.03))
    assert stop(s, trade) == pytest.approx(0.12)
    filled(s, trade)
    assert list(trade.kept.values()) == [pytest.approx(0.06)]


@pytest.mark.parametrize(
    ("short", "rate", "profit", "stop_rate"),
    [
        # Entry 100, stop 6 % away, leverage 2; profit is of the stake.
        (False, 100.0, 0.0, 94.0),
        (False, 105.0, 0.10, 94.0),  # does not trail
        (False, 96.0, -0.08, 94.0),
        (True, 100.0, 0.0, 106.0),
        (True, 95.0, 0.10, 106.0),
        (True, 104.0, -0.08, 106.0),
    ],
)
def test_stop_when_price_has_moved_then_freqtrade_puts_it_at_the_same_price(
    short: bool, rate: float, profit: float, stop_rate: float
) -> None:
    trade = OpenTrade()
    trade.is_short = short
    trade.set_custom_data("stop_frac", 0.06)
    distance = strategy().custom_stoploss(PAIR, trade, NOW, rate, profit, False)
    assert distance is not None
    # Trade.adjust_stop_loss: rate * (1 -+ distance / leverage)
    assert rate * (1 + (1 if short else -1) * distance / 2) == pytest.approx(stop_rate)
    # The control: without the leverage the stop would be at 3 %.
    assert stop_rate != pytest.approx(rate * (1 + (1 if short else -1) * 0.03))


def test_exit_when_the_longest_hold_is_over_then_it_is_asked_for() -> None:
    s = strategy()
    assert held(s, OpenTrade(), 23.99) is None
    assert held(s, OpenTrade(), 24.0) == "max_hold"
    short = strategy(breakwater={"decision": {"max_hold_candles": 2}})
    assert held(short, OpenTrade(), 2.0) == "max_hold"


# -- whatever breaks ----------------------------------------------------------------------------

BROKEN_FRAMES = {
    "empty": analysed().iloc[:0],
    "stale": analysed(date=OPENED - timedelta(hours=3)),
    "from_the_future": analysed(date=NOW + timedelta(minutes=1)),
    "not_vouched_for": analysed(do_predict=0),
    "expired": analysed(do_predict=2),
    "do_predict_nan": analysed(do_predict=np.nan),
    "abstains": analysed(abstain=1.0),
    "abstain_nan": analysed(abstain=np.nan),
    "no_sigma_column": analysed().drop(columns=columns.SIGMA),
    "sigma_nan": analysed(sigma=np.nan),
    "sigma_zero": analysed(sigma=0.0),
    "sigma_infinite": analysed(sigma=np.inf),
    "no_date": analysed().drop(columns="date"),
}


def assert_closed(s: ForecastStrategy) -> None:
    assert leverage(s) == 1.0
    assert stake(s) == 0.0
    assert confirm(s) is False


@pytest.mark.parametrize("name", BROKEN_FRAMES)
def test_hooks_when_the_analysed_frame_is_not_to_be_trusted_then_no_risk_is_added(
    name: str,
) -> None:
    assert_closed(strategy(BROKEN_FRAMES[name]))


def test_hooks_when_the_data_provider_breaks_then_no_risk_is_added_and_stops_stay() -> None:
    s, trade = strategy(), OpenTrade()
    s.dp = BrokenProvider()
    assert_closed(s)
    filled(s, trade)
    assert trade.kept == {}
    assert stop(s, trade) == pytest.approx(0.2)
    assert held(s, trade, 24.0) == "max_hold"  # leaving needs no data


def test_hooks_when_the_trade_cannot_be_read_then_nothing_changes() -> None:
    s = strategy()
    assert held(s, BrokenTrade(), 24.0) is None
    assert stop(s, BrokenTrade()) is None
    assert filled(s, BrokenTrade()) is None


@pytest.mark.parametrize("total", [math.nan, math.inf, 0.0, -5.0])
def test_hooks_when_the_wallet_is_no_sound_number_then_no_money_is_committed(total: float) -> None:
    s = strategy()
    s.wallets = Wallets(total)
    assert stake(s) == 0.0
    assert confirm(s) is False


def test_hooks_when_there_are_no_wallets_then_no_money_is_committed() -> None:
    s = strategy()
    s.wallets = None
    assert stake(s) == 0.0
    assert confirm(s) is False


def test_hooks_when_another_leg_cannot_be_priced_then_no_money_is_committed(
    open_trades: list[Any],
) -> None:
    open_trades.append(position(pair="ETH/USDT:USDT", amount=1.0))
    s = strategy()
    assert confirm(s) is True

    class OnlyBitcoin(Provider):
        def funding_rate(self, pair: str) -> dict[str, Any]:
            return super().funding_rate(pair) if pair == PAIR else {}

        def get_analyzed_dataframe(self, pair: str, timeframe: str) -> tuple[Any, datetime]:
            return (self.frame if pair == PAIR else self.frame.iloc[:0]), NOW

    s = BitcoinCrossMargin(config(user_data_dir=userdir))
    s.dp, s.wallets = OnlyBitcoin(analysed()), Wallets(10_000.0)
    running(s)
    assert stake(s) == 0.0
    assert confirm(s) is False


def test_hooks_when_open_trades_cannot_be_read_then_no_money_is_committed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def locked() -> list[Any]:
        raise ConnectionError("database is locked")

    s = strategy()
    monkeypatch.setattr(Trade, "get_open_trades", locked)
    assert stake(s) == 0.0
    assert confirm(s) is False


@pytest.mark.parametrize("name", ["amount", "rate"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1.0, None])
def test_entry_when_the_order_itself_is_no_sound_number_then_it_is_refused(
    name: str, value: float | None
) -> None:
    assert confirm(strategy(), **{name: value}) is False


ISOLATED = {
    "margin_mode": "isolated",
    "breakwater": {"limits": {"isolated_leverage": 20.0, "max_order_equity_frac": 2.0}},
}


def opted(folder: Path, *, accepted: bool = True, **blocks: Any) -> Any:
    """Return a strategy for a calm market whose settings a person has accepted, or not."""
    s = strategy(analysed(sigma=0.001), user_data_dir=folder, **blocks)
    store = ControlStore(folder / CONTROL_FOLDER)
    other = {**s.config, "breakwater": {"limits": {"isolated_leverage": 19.0}}}
    store.acknowledge(Person("ann", "test"), leverage_digest(s.config if accepted else other))
    return s


def test_leverage_when_isolated_chosen_and_accepted_then_the_stop_is_inside_the_liquidation(
    tmp_path: Path,
) -> None:
    s = opted(tmp_path, **ISOLATED)
    assert leverage(s) == 20.0  # a stop at 1 %, the least there is
    assert leverage(s, max_leverage=12.0) == 12.0  # the exchange's own limit
    s.dp.frame = analysed(sigma=0.01)
    assert leverage(s) == pytest.approx(1 / 0.06)  # a stop at 3 %
    s.dp.frame = analysed(sigma=0.1)
    assert leverage(s) == 5.0  # at 10 %, the widest
    s.dp.frame = analysed(sigma=0.001)
    assert stake(s, leverage=20.0) == pytest.approx(0.01 * 10_000)
    assert stake(s, leverage=20.1) == 0.0


@pytest.mark.parametrize(
    ("accepted", "blocks"),
    [
        (True, {}),
        (True, {"margin_mode": "isolated"}),
        (True, {**ISOLATED, "margin_mode": "cross"}),
        (False, ISOLATED),
    ],
    ids=["default", "isolated-only", "cross", "not-accepted"],
)
def test_leverage_when_any_part_of_the_choice_is_missing_then_it_is_never_above_the_limit(
    tmp_path: Path, accepted: bool, blocks: dict[str, Any]
) -> None:
    s = opted(tmp_path, accepted=accepted, **blocks)
    assert leverage(s) == 3.0
    assert stake(s, leverage=3.0) > 0
    assert stake(s, leverage=20.0) == 0.0  # whatever a subclass may ask for


@pytest.mark.parametrize("name", ["current_rate", "proposed_stake", "max_stake", "leverage"])
@pytest.mark.parametrize("value", [math.nan, None])
def test_stake_when_an_argument_is_no_number_then_it_is_zero(
    name: str, value: float | None, open_trades: list[Any]
) -> None:
    open_trades.append(position())
    assert stake(strategy(), **{name: value}) == 0.0


def test_stake_when_the_leverage_is_over_the_limit_then_it_is_zero() -> None:
    assert stake(strategy(), leverage=3.5) == 0.0


def test_leverage_when_the_exchange_names_no_maximum_then_the_packs_own_holds() -> None:
    assert leverage(strategy(analysed(sigma=0.001)), max_leverage=math.nan) <= 3.0
    assert leverage(strategy(), max_leverage=None) == 1.0


def test_hooks_when_the_candle_is_exactly_two_old_then_that_is_the_last_moment() -> None:
    s = strategy()
    late = OPENED + timedelta(hours=2)
    assert confirm(s, current_time=late) is True
    assert confirm(s, current_time=late + timedelta(seconds=1)) is False
    assert confirm(s, current_time=OPENED - timedelta(seconds=1)) is False


def test_hooks_when_freqtrade_itself_wraps_them_then_a_failure_adds_no_risk() -> None:
    # Freqtrade's own wrapper answers True and the full stake on an exception.
    s = strategy()
    s.dp = BrokenProvider()
    wrap = strategy_safe_wrapper
    assert wrap(confirm, default_retval=True)(s) is False
    assert wrap(stake, default_retval=9000.0)(s) == 0.0

    class Unguarded(BitcoinCrossMargin):  # the control
        confirm_trade_entry = GuardedStrategy.confirm_trade_entry.__wrapped__
        custom_stake_amount = BitcoinCrossMargin.custom_stake_amount.__wrapped__

        def _refusal(self, *_: Any) -> str:
            raise ConnectionError("no data")

    naked = Unguarded(config(user_data_dir=userdir / "naked"))  # another strategy
    naked.dp, naked.wallets = BrokenProvider(), Wallets(10_000.0)
    assert wrap(confirm, default_retval=True)(naked) is True
    assert wrap(stake, default_retval=9000.0)(naked) == 9000.0


@pytest.mark.parametrize(
    "hook", ["leverage", "custom_stake_amount", "confirm_trade_entry", "order_filled",
             "custom_stoploss", "custom_exit"],
)  # fmt: skip
def test_hooks_when_called_with_nothing_that_works_then_none_raises(hook: str) -> None:
    assert getattr(strategy(), hook)() in (1.0, 0.0, False, None)


# -- settings -----------------------------------------------------------------------------------


def test_backtest_when_its_data_are_missing_then_freqtrade_stops_before_it_starts(
    tmp_path: Path,
) -> None:
    blocks = {
        "freqai": {"train_period_days": 30, "feature_parameters": {}},
        "exchange": {"pair_whitelist": [PAIR]}, "timerange": "20240101-20240201",
        "datadir": tmp_path,
    }  # fmt: skip
    s = strategy(runmode=RunMode.BACKTEST, **blocks)
    with pytest.raises(OperationalException, match="expected futures data in") as stopped:
        s.bot_start()
    assert "freqtrade download-data" in str(stopped.value)
    assert PAIR in str(stopped.value)
    strategy(runmode=RunMode.DRY_RUN, **blocks).bot_start()  # live reads no files


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ({"breakwater": {"limits": {"max_leverag": 2}}}, "did you mean 'max_leverage'"),
        ({"breakwater": {"limits": {"max_leverage": 20}}}, "max_leverage <= 5, got 20"),
        ({"breakwater": {"sizing": {"stop_sigma": 2}}}, "did you mean 'stop_sigmas'"),
        (
            {"breakwater": {"decision": {"false_alarm_per_week": 1}}},
            "did you mean 'false_alarms_per_week'",
        ),
        (
            {"freqai": {"model_training_parameters": {"labels": {"horizon": 4}}}},
            "did you mean 'horizon_candles'",
        ),
        ({"freqai": {"model_training_parameters": {"lables": {}}}}, "did you mean 'labels'"),
        ({"breakwater": {"limts": {"max_leverage": 1}}}, "did you mean 'limits'"),
        ({"breakwater": {"limits": None, "decision": 3}}, "breakwater"),
    ],
)
def test_strategy_when_a_setting_is_wrong_then_freqtrade_stops_and_the_cure_is_named(
    blocks: dict[str, Any], said: str
) -> None:
    with pytest.raises(OperationalException, match=said):
        BitcoinCrossMargin(config(user_data_dir=userdir, **blocks))


def test_strategy_when_made_then_its_guards_are_those_of_the_config() -> None:
    s = strategy(
        breakwater={"limits": {"max_leverage": 2.0}, "sizing": {"stop_sigmas": 2.0}},
        freqai={"model_training_parameters": {"labels": {"horizon_candles": 8}}},
    )
    assert s.limits.max_leverage == 2.0
    assert s.sizing.stop_sigmas == 2.0
    assert s.labels.horizon_candles == 8
    assert s.candle_ms == 3_600_000
    s.timeframe = "5m"  # as Freqtrade does after construction, where the config says so
    assert s.candle_ms == 300_000
    assert leverage(strategy(analysed(sigma=0.001), breakwater=s.config["breakwater"])) == 2.0


# -- frames -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(0.005 * rng.normal(size=1000)))
    close[900:] *= 0.9  # a crash
    volume = np.ones(1000)
    volume[900] = 50.0
    return pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=1000, freq="1h", tz="UTC"),
            "open": close, "high": close * 1.001, "low": close * 0.999, "close": close,
            "volume": volume,
        }
    )  # fmt: skip


def test_features_when_the_future_is_cut_off_then_rows_keep_their_bits(
    market: pd.DataFrame,
) -> None:
    s = strategy()

    def features(frame: pd.DataFrame) -> pd.DataFrame:
        basic = s.feature_engineering_expand_basic(frame, {"pair": PAIR})
        return s.feature_engineering_standard(basic, {"pair": PAIR}).filter(like="%-")

    whole = features(market)
    assert columns.FEATURE_SIGMA in whole.columns
    assert whole.shape[1] > 25
    pd.testing.assert_frame_equal(features(market[:700]), whole[:700], check_exact=True)
    assert np.isfinite(whole.iloc[s.startup_candle_count - MAX_CONTEXT_CANDLES :]).all(axis=None)


def test_targets_when_set_then_they_look_ahead_and_say_so_with_nan(market: pd.DataFrame) -> None:
    s = strategy()
    out = s.set_freqai_targets(market, {"pair": PAIR})
    assert [name for name in out.columns if name.startswith("&")] == [
        *columns.LABELS,
        *columns.HEDGE_LABELS,
    ]
    horizon, cascade = s.labels.horizon_candles, s.labels.cascade_horizon_candles
    assert out[columns.LABEL_RETURN].isna().to_numpy()[-horizon:].all()
    assert out[columns.LABEL_RETURN].notna().to_numpy()[200:-horizon].all()
    assert out[columns.LABEL_CASCADE_DOWN].isna().to_numpy()[-cascade:].all()
    r = forward_log_return(market["close"].to_numpy(), horizon)
    sigma = s.feature_engineering_standard(market, {})[columns.FEATURE_SIGMA].to_numpy()
    np.testing.assert_allclose(out[columns.LABEL_RETURN], r / (sigma * np.sqrt(horizon)))
    down = out[columns.LABEL_CASCADE_DOWN].to_numpy()
    assert down[[899, 890, 876]].tolist() == [1.0, 10.0, 24.0]
    assert down[875] == down[900] == cascade + 1
    assert (out[columns.LABEL_CASCADE_UP].dropna() == cascade + 1).all()
    known = CascadeConfig().history_ms // s.candle_ms + 1
    assert np.flatnonzero(np.isfinite(down))[0] == known


def forecast_frame() -> pd.DataFrame:
    """Rows: long, short, no model yet, abstaining, long in danger."""
    up = pd.Series([0.6, 0.2, 0.0, 0.6, 0.6])
    down = pd.Series([0.2, 0.6, 0.0, 0.2, 0.2])
    edge = np.sign(up - down) * 0.01
    frame = pd.DataFrame(dict.fromkeys(columns.FORECAST, 0.0), index=range(5)).assign(
        p_up=up, p_down=down, p_flat=1 - up - down, do_predict=[1, 1, 0, 1, 1],
        abstain=[0.0, 0, 0, 1, 0], close=RATE,
        **dict.fromkeys((*columns.RETURN_QUANTILES, columns.EDGE, columns.EDGE_LOW), edge),
        **dict.fromkeys(columns.OF_HEAD[columns.HEAD_HAZARD], 5.0),
    )  # fmt: skip
    frame[columns.FALSE_ALARMS_DOWN] = [5.0, 5.0, 5.0, 5.0, 0.1]
    return frame


def test_signals_when_written_to_a_frame_then_each_row_says_what_it_means() -> None:
    s = strategy()
    frame = frames.restore_missing_forecasts(forecast_frame())
    frame = s.populate_exit_trend(s.populate_entry_trend(frame, {}), {})
    assert frame["enter_long"].tolist() == [1, 0, 0, 0, 0]
    assert frame["enter_short"].tolist() == [0, 1, 0, 0, 0]
    assert frame["enter_tag"].tolist()[:2] == ["long", "short"]
    assert frame["enter_tag"].isna().tolist() == [False, False, True, True, True]
    assert frame["exit_long"].tolist() == [0, 1, 0, 0, 1]
    assert frame["exit_short"].tolist() == [1, 0, 0, 0, 1]


def test_backtest_when_signals_are_made_then_the_log_says_what_stops_an_entry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="strategies.bot.forecast")
    frame = frames.restore_missing_forecasts(forecast_frame())
    warm_up = frame.iloc[[2]].assign(close=1.0)  # not yet a forecast
    strategy(runmode=RunMode.BACKTEST).populate_entry_trend(
        pd.concat([warm_up, frame], ignore_index=True), {"pair": PAIR}
    )
    steps = "candles 5, forecast 4, trusted 3, direction 3, edge 3, hazard 2"
    assert f"{PAIR}: what an entry needs, and how many candles pass it: {steps}" in caplog.text
    caplog.clear()
    strategy().populate_entry_trend(frame, {"pair": PAIR})  # live `why` answers for each candle
    assert "what an entry needs" not in caplog.text


def test_indicators_when_freqai_answers_then_missing_rows_are_missing_again() -> None:
    s = strategy()
    s.freqai = SimpleNamespace(start=lambda frame, metadata, made: frame)
    out = s.populate_indicators(forecast_frame().assign(r_low=-0.05, r_high=0.04), {"pair": PAIR})
    assert out[columns.P_UP].isna().tolist() == [False, False, True, False, False]
    assert out["do_predict"].tolist() == [1, 1, 0, 1, 1]
    assert out["interval_low"][0] == pytest.approx(RATE * np.exp(-0.05))
    assert out["interval_high"][0] == pytest.approx(RATE * np.exp(0.04))
    assert np.isnan(out["interval_low"][2])


def test_plot_when_drawn_then_it_shows_probabilities_interval_and_hazard() -> None:
    s = strategy()
    s.freqai = SimpleNamespace(start=lambda frame, metadata, made: frame)
    available = set(s.populate_indicators(forecast_frame(), {"pair": PAIR}).columns)
    main, sub = s.plot_config["main_plot"], s.plot_config["subplots"]
    assert main["interval_low"]["fill_to"] == "interval_high"
    assert {columns.P_UP, columns.P_FLAT, columns.P_DOWN} == set(sub["probability"])
    assert {columns.LABEL_CASCADE_DOWN, columns.LABEL_CASCADE_UP} == set(sub["hazard"])
    assert columns.ABSTAIN in sub["trust"]
    # A name that no column has would be left out of the plot in silence.
    assert {*main, *(name for plot in sub.values() for name in plot)} <= available


def test_strategy_when_declared_then_it_suits_the_pack() -> None:
    s = strategy()
    assert s.can_short
    assert s.use_custom_stoploss
    assert s.order_types["stoploss_on_exchange"]
    assert s.startup_candle_count >= 169 + MAX_CONTEXT_CANDLES
    assert (s.stoploss, s.minimal_roi) == (-0.5, {"0": 100.0})
    assert s.position_adjustment_enable  # for closing in stages; growth is guarded


def test_stop_when_the_price_is_already_past_it_then_it_is_hit_at_once_instead_of_dropped() -> None:
    # A long from 100 with a 6 % stop at 93: -7 % of price is -14 % of stake at 2x leverage.
    trade = OpenTrade()
    trade.kept["stop_frac"] = 0.06
    distance = stop(strategy(), trade, profit=-0.14)
    assert distance is not None
    assert 0 < distance < 1e-4  # Freqtrade reads 0 as "no stop"


def test_bot_when_it_starts_then_its_database_takes_more_connections_than_freqtrades_pool_has(
    tmp_path: Path,
) -> None:
    init_db(f"sqlite:///{tmp_path}/trades.sqlite")
    strategy(runmode=RunMode.DRY_RUN).bot_start()
    engine = Trade.session.get_bind().engine
    with ExitStack() as crowd:
        for _ in range(20):
            crowd.enter_context(engine.connect())
    Trade.session.remove()
