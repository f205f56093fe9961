"""The hedge in a dry-run through the 19th of May 2021, with two feeds dead and one standing still.

The real bot with the shipped strategy, FreqAI and HedgeForecaster, and the real collector beside
it, on the hours of that day; `-s` prints them. And the same outage, quickly, without the bot.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from models.base import columns
from models.base.units import HOUR_MS
from models.data.feeds.store import days, records
from models.operate.control.commands import Commands
from models.operate.control.home import DRY_RUN_HOME
from models.trade.hedging.policy import PolicyConfig, RatioSource
from strategies.bot.hedge_feeds import HedgeFeeds
from tests.exchange.clock import SkippedClock
from tests.exchange.state import ExchangeState
from tests.telegram.chat import Chat
from tests.telegram.state import BotApiState
from tests.test_integration.crash_desk import (
    CANDLES,
    PAIRS,
    Desk,
    collecting,
    configuration,
    crash_ahead_ms,
    crashing,
    fed,
    hedging,
    stopped,
)

# What dies with all its sources, what stands still, and a column each gives the model.
DEAD: Final = {"open_interest": "interest_1d", "liquidations": "longs_liquidated"}
STALE: Final = {"order_book": "depth_imbalance"}
WATCHED: Final = {**DEAD, **STALE, "long_short": "long_short"}
CUT: Final = {
    "binance/market/ws", "bybit/v5/public/linear",
    "okx/api/v5/rubik/stat/contracts/open-interest-history", "bybit/v5/market/open-interest",
}  # fmt: skip
FAILING: Final = "binance/futures/data/openInterestHist"
BOOKS: Final = ("binance/fapi/v1/depth", "okx/api/v5/market/books", "bybit/v5/market/orderbook")
TOO_SMALL: Final = 150 / (30 * 175)  # ratio of an order the exchange takes no smaller than
EXPIRES_H: Final = 13  # after its training, which ends half an hour after four


@dataclass(frozen=True, kw_only=True)
class Fed:
    """The feeds at one close: as the collector reports them, and as the model is told."""

    at: str
    states: dict[str, tuple[str, float | None]]  # feed -> state, age in minutes
    columns: dict[str, float]

    def column(self, feed: str) -> float:
        return self.columns[columns.FEED + WATCHED[feed]]

    def age_h(self, feed: str) -> float:
        """The age the model is told, hours."""
        return math.expm1(self.columns[f"{columns.FEED}{WATCHED[feed]}_age"])

    def row(self) -> str:
        cells = (
            f"{state:>7} {'never' if age is None else f'{age:5.0f}'} {self._value(name):>6}"
            for name, (state, age) in self.states.items()
        )
        return "  ".join((self.at, *cells))

    def _value(self, feed: str) -> str:
        value = self.column(feed)
        return "NaN" if math.isnan(value) else f"{value:.2f}"


@dataclass(frozen=True, kw_only=True)
class Hour:
    """A close of the crash, as bot, collector and person saw it."""

    fed: Fed
    ltc: float
    forecast: dict[str, float]
    plans: list[dict[str, Any]]
    figures: dict[str, float]

    @property
    def ratio(self) -> tuple[float, ...]:
        """Hedge ratio decided, of both legs."""
        return tuple(self.plans[-1]["step"]["ratio"])

    @property
    def source(self) -> str:
        return str(self.plans[-1]["step"]["source"])

    @property
    def trusted(self) -> bool:
        return self.forecast["do_predict"] == 1 and not self.forecast[columns.ABSTAIN]

    def row(self) -> str:
        return (
            f"{self.fed.row()}  {self.ltc:6.1f}  {'yes' if self.trusted else 'no':>5}  "
            f"{sum(self.ratio):5.3f}  {self.source:<8}  {self.plans[-1]['reason']}"
        )


HEAD: Final = "  ".join(
    (f"{'May':8}", *(f"{name + ' min fed':>20}" for name in WATCHED),
     f"{'LTC':>6}  trust  ratio  {'by':<8}  decision")
)  # fmt: skip


def states(desk: Desk) -> dict[str, tuple[str, float | None]]:
    seen = {
        feed.name: (feed.state, None if feed.age_ms is None else feed.age_ms / 60_000)
        for feed in desk.feed_states().feeds
        if feed.coin == "LTC"
    }
    return {name: seen[name] for name in WATCHED}


def hour(desk: Desk, exchange: ExchangeState, at: str) -> Hour:
    """Go to a close, and return what was seen there."""
    close_ms = desk.close(at)
    assert exchange.venue is not None
    told = Fed(at=at, states=states(desk), columns=desk.seen("feeds", close_ms)[-1])
    return Hour(
        fed=told, ltc=float(exchange.venue.price("LTCUSDT")), plans=desk.seen("plan", close_ms),
        forecast=desk.seen("forecast", close_ms)[-1], figures=dict(desk.beat().numbers),
    )  # fmt: skip


def strike(desk: Desk) -> None:
    """Two feeds die with all their sources, the third goes on answering what it just has."""
    desk.feeds.dead |= CUT
    desk.feeds.refusing[FAILING] = (500, {})
    for provider in ("binance", "bybit"):
        desk.feeds.hang_up(provider)
    desk.feeds.frozen |= dict.fromkeys(BOOKS, desk.clock())


def mend(desk: Desk) -> None:
    desk.feeds.dead.clear()
    desk.feeds.refusing.clear()
    desk.feeds.frozen.clear()


@pytest.mark.slow
@pytest.mark.skipif(
    not CANDLES.is_dir(), reason="needs the shared candles of 2020 and 2021, not there"
)
def test_dry_run_when_feeds_die_in_a_crash_then_they_are_masked_and_told_and_the_hedge_goes_on(
    tmp_path: Path, telegram: None, api: BotApiState, chat: Chat
) -> None:
    hours: list[Hour] = []
    clock = SkippedClock(tmp_path / "clock")
    with (
        crashing(clock) as (exchange, url, ahead_ms),
        collecting(
            tmp_path, clock, ahead_ms, "19 02:20", 60, lambda feeds: configuration(url, feeds)
        ) as desk,
    ):
        desk.until(desk.at("19 04:20"))
        with hedging(desk, live_retrain_hours=1000, expiration_hours=EXPIRES_H) as bot:
            hours += [hour(desk, exchange, f"19 {h:02}:00") for h in (5, 6, 7, 8)]
            desk.until(desk.at("19 08:10"))
            strike(desk)
            hours += [hour(desk, exchange, f"19 {h:02}:00") for h in range(9, 16)]
            desk.until(desk.at("19 15:10"))
            mend(desk)
            hours += [hour(desk, exchange, f"19 {h:02}:00") for h in range(16, 24)]
            trades, orders, troubles = bot.trades(), bot.orders(), bot.troubles()
            said = [m.text for m in chat.received() if "Feeds" in m.text]
            chat.say("/risk")
            chat.wait_for("feeds stale or missing")
        check_collector(desk)
    sys.stdout.write("\n".join([HEAD, *(h.row() for h in hours), *said, ""]))
    by = {h.fed.at: h for h in hours}
    check_feeds([h.fed for h in hours[:4]], [h.fed for h in hours[4:11]],
                [h.fed for h in hours[11:]])  # fmt: skip
    check_told(by, said, Commands(desk.userdir / DRY_RUN_HOME))
    check_hedge(hours, desk, orders)
    check_model(hours)
    assert {pair: t["is_short"] for pair, t in trades.items()} == dict.fromkeys(PAIRS[1:], 1)
    assert troubles == []
    assert exchange.unknown == []
    assert not api.unknown


def test_collector_when_feeds_die_and_come_back_then_the_model_s_columns_are_masked_meanwhile(
    tmp_path: Path,
) -> None:
    clock = SkippedClock(tmp_path / "clock")
    with collecting(
        tmp_path, clock, crash_ahead_ms(clock()), "19 03:20", 2,
        lambda feeds: {"breakwater": {"collect": fed(feeds)}},
    ) as desk:  # fmt: skip
        before = [columns_at(desk, f"19 {h:02}:00") for h in (5, 6)]
        desk.until(desk.at("19 06:10"))
        strike(desk)
        during = [columns_at(desk, f"19 {h:02}:00") for h in (7, 8, 9)]
        desk.until(desk.at("19 09:10"))
        mend(desk)
        after = [columns_at(desk, f"19 {h:02}:00") for h in (10, 11)]
        check_collector(desk)
    sys.stdout.write("\n".join([HEAD, *(h.row() for h in (*before, *during, *after)), ""]))
    check_feeds(before, during, after)


def columns_at(desk: Desk, at: str) -> Fed:
    """Go to a close, and return the columns of the hedge's frame there."""
    close_ms = desk.close(at)
    opened = pd.to_datetime(close_ms - HOUR_MS * np.arange(30, 0, -1), unit="ms", utc=True)
    feeds = HedgeFeeds(desk.collect, desk.userdir, desk.clock)
    row = feeds.with_columns(pd.DataFrame({"date": opened}), PAIRS[0], HOUR_MS).iloc[-1]
    told = {name: float(row[name]) for name in row.index if name.startswith(columns.FEED)}
    return Fed(at=at, states=states(desk), columns=told)


def check_collector(desk: Desk) -> None:
    """It has lived, it ends when told to, and its files are whole."""
    assert stopped(desk.collector) == 0, desk.collector.log()
    assert "Traceback" not in desk.collector.log()
    assert desk.feeds.unknown == []
    files = [path for of_day in days(desk.records).values() for path in of_day]
    assert all(path.read_bytes().endswith(b"\n") and list(records(path)) for path in files)


def check_feeds(before: Sequence[Fed], during: Sequence[Fed], after: Sequence[Fed]) -> None:
    """What is dead or stands still is masked, with an age that grows; what is sound is not."""
    for h in before:
        assert all(math.isfinite(h.column(feed)) for feed in WATCHED), h.row()
        assert all(state == "fresh" for state, _ in h.states.values()), h.row()
    for feed in (*DEAD, *STALE):
        assert all(math.isnan(h.column(feed)) for h in during), feed
        assert all(h.states[feed][0] == "stale" for h in during), feed
        ages = [h.age_h(feed) for h in during]
        assert np.diff(ages) == pytest.approx(1.0, abs=0.01), feed
        assert 0.7 < ages[0] < 1, feed
    for h in during:
        assert math.isfinite(h.column("long_short"))
        assert h.states["long_short"][0] == "fresh"
    # The stream has to be up for an hour before its sum is one; the others are back at once.
    for h in after[1:]:
        assert all(math.isfinite(h.column(feed)) for feed in WATCHED), h.row()
        assert all(h.age_h(feed) < 1 for feed in WATCHED), h.row()
    assert math.isnan(after[0].column("liquidations"))
    assert math.isfinite(after[0].column("order_book"))


def check_told(by: dict[str, Hour], said: list[str], commands: Commands) -> None:
    """A person hears once what fell silent and what came back, and finds it in the figures."""
    silent = [text for text in said if "Without: " in text]
    back = [text for text in said if "Back: " in text]
    for feed in (*DEAD, *STALE):
        assert sum(f"{feed} LTC stale" in text for text in silent) == 1, said
        assert sum(f"{feed} LTC" in text for text in back) == 1, said
        assert f"feed {feed} LTC (STALE), min old" in by["19 13:00"].figures
        assert f"feed {feed} LTC, min old" in by["19 17:00"].figures
    assert not any("long_short" in text for text in said)
    assert len(list(commands.journal.entries(kind="feeds"))) == len(said)


def check_hedge(hours: list[Hour], desk: Desk, orders: list[dict[str, Any]]) -> None:
    """Every decision is within the limits, and no order is larger than its decision."""
    policy = PolicyConfig()  # but for its `max_ratio`, as configured
    wanted: dict[str, list[float]] = {pair: [] for pair in PAIRS}
    for plan in desk.seen("plan"):
        assert 0 <= sum(plan["step"]["ratio"]) <= 1 + TOO_SMALL, plan
        change = plan["wanted"] - plan["held"]
        wanted[plan["pair"]].append(abs(change))
        if plan["wanted"]:
            leg = PAIRS.index(plan["pair"]) - 1
            step = abs(change / plan["wanted"]) * plan["step"]["ratio"][leg]
            assert step <= policy.max_step + 1e-9, plan
    for order in orders:
        assert order["status"] in ("closed", "canceled")
        assert order["filled"] <= max(wanted[order["ft_pair"]]) * (1 + 1e-6), order
    assert min(h.ltc for h in hours) < 0.75 * hours[0].ltc
    filled = [pd.Timestamp(o["order_filled_date"], tz="UTC").timestamp() * 1000 for o in orders]
    assert any(at > desk.at("19 08:10") for at in filled)  # it went on without the feeds


def check_model(hours: list[Hour]) -> None:
    """It is heard with feeds and without; where it is not trusted the hedge holds, then goes on."""
    # Its first own candle is that of six; then it answers, whatever it is fed, until it expires.
    for h in hours[1:13]:
        assert h.forecast["do_predict"] == 1, h.row()
        assert math.isfinite(h.forecast[columns.P_DOWN]), h.row()
    assert not any(h.trusted for h in hours[13:])
    silent = math.inf
    for h in hours:
        silent = 0 if h.trusted else silent + 1
        wanted = RatioSource.HOLD if silent <= PolicyConfig().hold_candles else RatioSource.BASELINE
        assert h.source == (wanted if silent else RatioSource.MODEL), h.row()
    assert {h.source for h in hours} == {RatioSource.MODEL, RatioSource.HOLD, RatioSource.BASELINE}
    assert any(h.source == RatioSource.MODEL for h in hours[4:11])
