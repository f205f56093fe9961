"""What the pack does in its hooks is done, whatever an ordinary subclass makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.operate.control.heartbeat import last_beat
from models.operate.control.state import Person
from strategies.BitcoinAgent import BitcoinAgent
from strategies.BitcoinCrossMargin import BitcoinCrossMargin
from strategies.bot.forecast import ForecastStrategy
from strategies.VolatilityTarget import VolatilityTarget
from tests.test_strategies.worlds import (
    NOW,
    PAIR,
    RATE,
    Provider,
    Wallets,
    analysed,
    config,
    position,
    running,
)

ANN = Person("ann", "command line")


class Forgetful(BitcoinCrossMargin):
    """Overrides everything it is told of, and calls `super()` nowhere."""

    def bot_loop_start(self, current_time: Any, **kwargs: Any) -> None:
        """Nothing."""

    def confirm_trade_exit(self, *args: Any, **kwargs: Any) -> bool:
        return False

    def check_entry_timeout(self, *args: Any, **kwargs: Any) -> bool:
        return False

    def order_filled(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def adjust_trade_position(self, *args: Any, **kwargs: Any) -> float | None:
        return None


class Broken(BitcoinCrossMargin):
    """Raises wherever it is asked."""

    def _raise(self, *args: Any, **kwargs: Any) -> Any:
        raise ValueError("a mistake of the subclass's")

    bot_loop_start = confirm_trade_exit = check_entry_timeout = order_filled = _raise


class Calling(BitcoinCrossMargin):
    """Calls `super()`, and answers what it likes."""

    def bot_loop_start(self, current_time: Any, **kwargs: Any) -> None:
        super().bot_loop_start(current_time=current_time, **kwargs)

    def confirm_trade_exit(self, *args: Any, **kwargs: Any) -> bool:
        super().confirm_trade_exit(*args, **kwargs)
        return False

    def order_filled(self, *args: Any, **kwargs: Any) -> None:
        super().order_filled(*args, **kwargs)


@pytest.fixture
def make(tmp_path: Path, open_trades: list[Any]) -> Callable[..., Any]:
    def made(kind: type[ForecastStrategy]) -> Any:
        s = kind(config(user_data_dir=tmp_path))
        s.dp, s.wallets = Provider(analysed(sigma=0.001)), Wallets(10_000.0)
        return running(s)

    return made


def trade() -> Any:
    kept: dict[str, Any] = {}
    return position(
        id=1, is_open=True, amount=2.0, get_custom_data=kept.get, set_custom_data=kept.__setitem__
    )


KINDS = pytest.mark.parametrize(
    "kind", [Forgetful, Broken, Calling, BitcoinCrossMargin, VolatilityTarget, BitcoinAgent]
)


def confirm_exit(s: Any, reason: str = "force_exit") -> Any:
    return s.confirm_trade_exit(
        pair=PAIR, trade=trade(), order_type="market", amount=1.0, rate=RATE,
        time_in_force="GTC", exit_reason=reason, current_time=NOW,
    )  # fmt: skip


@KINDS
def test_loop_when_a_subclass_overrides_it_then_a_sign_of_life_is_left_once(
    make: Any, kind: type[ForecastStrategy]
) -> None:
    s = make(kind)
    for loop in (1, 2):
        s.bot_loop_start(current_time=NOW)
        beat = last_beat(s.control.store.folder)
        assert beat is not None
        assert beat.loop == loop


@KINDS
def test_exit_when_a_subclass_refuses_it_then_it_passes_and_is_written_down_once(
    make: Any, kind: type[ForecastStrategy]
) -> None:
    s = make(kind)
    assert confirm_exit(s) is True
    assert len(s.control.journal.entries(kind="exit")) == 1
    assert confirm_exit(s, "emergency_exit") is True
    assert not s.control.store.read().may_add_risk  # a failed stop halts, whoever overrides what


@KINDS
def test_waiting_entry_when_halted_then_it_is_taken_back_whatever_a_subclass_says(
    make: Any, kind: type[ForecastStrategy]
) -> None:
    s = make(kind)

    def asked() -> Any:
        return s.check_entry_timeout(
            pair=PAIR, trade=trade(), order=SimpleNamespace(), current_time=NOW
        )

    assert asked() is False
    s.control.store.halt(ANN, "a test")
    assert asked() is True


@KINDS
def test_fill_when_a_subclass_overrides_the_hook_then_it_is_written_down_once(
    make: Any, kind: type[ForecastStrategy]
) -> None:
    s = make(kind)
    fill = SimpleNamespace(
        ft_order_side="buy", safe_filled=1.0, order_id="7", safe_price=RATE, order_date_utc=NOW
    )  # fmt: skip
    s.order_filled(pair=PAIR, trade=trade(), order=fill, current_time=NOW)
    assert len(s.control.journal.entries(kind="order.filled")) == 1


def test_flatten_when_a_subclass_answers_adjustments_itself_then_positions_are_closed(
    make: Any, open_trades: list[Any]
) -> None:
    s = make(Forgetful)
    open_trades.append(trade())
    s.control.store.request_flatten(ANN, "storm")
    s.bot_loop_start(current_time=NOW)
    stake = s.adjust_trade_position(
        trade=open_trades[0], current_time=NOW, current_rate=RATE, current_profit=0.0,
        min_stake=10.0, max_stake=9000.0, current_entry_rate=RATE, current_exit_rate=RATE,
        current_entry_profit=0.0, current_exit_profit=0.0,
    )  # fmt: skip
    assert stake < 0
    assert len(s.control.journal.entries(kind="reduce")) == 1


@pytest.mark.parametrize(("min_stake", "smallest_quote"), [(None, 0.0), (10.0, 20.0)])
def test_closing_when_in_stages_then_the_smallest_order_is_known_and_half_a_coin_is_closed(
    make: Any, monkeypatch: pytest.MonkeyPatch, min_stake: float | None, smallest_quote: float
) -> None:
    s, held, asked = make(Forgetful), trade(), []
    held.stake_amount = 0.5  # as of an account that is counted in bitcoin

    def all_of_it(trade: Any, rate: float, smallest: float, now: Any) -> float:
        asked.append(smallest)
        return float(trade.amount * rate)

    monkeypatch.setattr(s.guarding, "reduction_quote", all_of_it)
    assert s.adjust_trade_position(
        trade=held, current_time=NOW, current_rate=RATE, current_profit=0.0,
        min_stake=min_stake, max_stake=9000.0, current_entry_rate=RATE, current_exit_rate=RATE,
        current_entry_profit=0.0, current_exit_profit=0.0,
    ) == -0.5  # fmt: skip
    assert asked == [smallest_quote]


def test_start_when_a_subclass_forgets_it_then_what_is_installed_is_probed_all_the_same(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Starting(BitcoinCrossMargin):
        def bot_start(self, **kwargs: Any) -> None:
            """Nothing."""

    asked: list[Any] = []
    monkeypatch.setattr("strategies.bot.guarded.check_all", asked.append)
    s = make(Starting)
    asked.clear()
    s.bot_start()
    assert len(asked) == 1
