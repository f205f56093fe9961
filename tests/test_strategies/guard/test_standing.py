"""What stands: positions the loop has not looked at, and shares of what is held."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from freqtrade.persistence import Trade

from models.base import columns
from models.operate.control.state import Person
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from tests.test_strategies.fakes import LiveProvider
from tests.test_strategies.worlds import NOW, RATE, Wallets, analysed, config, position, running

LATER = NOW + timedelta(seconds=1)


@pytest.fixture
def s(tmp_path: Path, open_trades: list[Any]) -> Any:
    made = BitcoinCrossMargin(config(user_data_dir=tmp_path))
    made.dp, made.wallets = LiveProvider(analysed()), Wallets(10_000.0)
    return running(made)


def closes(s: Any, trade: Any, smallest: float = 5.0) -> float:
    found: float = s.guarding.reduction_quote(trade, RATE, smallest, LATER)
    return found


def test_position_when_it_was_opened_since_the_last_loop_then_nothing_of_it_is_closed(
    s: Any,
) -> None:
    assert closes(s, position(amount=10.0)) == 0.0


def test_position_when_a_person_wants_it_closed_then_all_of_it_goes(
    s: Any, open_trades: list[Any]
) -> None:
    open_trades.append(position(amount=10.0))
    s.control.store.request_flatten(Person("ann", "command line"), "enough")
    s.guarding.loop(LATER)
    assert closes(s, open_trades[0]) == pytest.approx(1_000.0)


@pytest.mark.parametrize(("is_short", "closed"), [(True, 500.0), (False, 0.0)])
def test_position_when_a_squeeze_is_near_then_half_of_a_short_goes_and_a_long_stays(
    s: Any, open_trades: list[Any], is_short: bool, closed: float
) -> None:
    s.dp.frame = analysed(**{columns.LABEL_CASCADE_UP: 0.6})
    open_trades.append(position(amount=10.0, is_short=is_short, entry_side="sell"))
    s.guarding.loop(LATER)
    assert closes(s, open_trades[0]) == pytest.approx(closed)


def test_loop_when_it_breaks_then_what_is_unknown_is_counted_on_and_that_is_unknown_too(
    s: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise ConnectionError("database is locked")

    s.guarding.unknowns.note("the exchange's account", "silent")
    with monkeypatch.context() as m:
        m.setattr(Trade, "get_open_trades", broken)
        with pytest.raises(ConnectionError):
            s.guarding.loop(LATER)
    shown = {u.what for u in s.control.store.read().unknown}
    assert shown == {"the exchange's account", "what stands: positions, losses and margin"}
    s.guarding.loop(LATER)
    assert {u.what for u in s.control.store.read().unknown} == {"the exchange's account"}
