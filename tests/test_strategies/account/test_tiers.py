"""The packaged tier table is the one Freqtrade reads, whole and sound."""

from __future__ import annotations

import pytest
from freqtrade.exchange import Exchange

from models.base.errors import InputError
from strategies.account.tiers import _table, load_binance_tiers

BTC, ETH, LTC = "BTC/USDT:USDT", "ETH/USDT:USDT", "LTC/USDT:USDT"


def test_table_when_pairs_are_asked_for_then_each_comes_in_that_order() -> None:
    tiers = load_binance_tiers([LTC, BTC, ETH])
    assert list(tiers) == [LTC, BTC, ETH]
    assert [t.pair for t in tiers.values()] == [LTC, BTC, ETH]
    assert load_binance_tiers([]) == {}


def test_table_when_pairs_come_from_a_generator_then_all_are_loaded() -> None:
    assert len(load_binance_tiers(p for p in (BTC, LTC))) == 2


@pytest.mark.parametrize("pair", [BTC, LTC])
def test_table_when_freqtrade_parses_it_then_every_number_is_the_same(pair: str) -> None:
    (tiers,) = load_binance_tiers([pair]).values()
    rows = [Exchange.parse_leverage_tier(None, row) for row in _table()[pair]]
    assert len(rows) == len(tiers.tiers) > 5
    for tier, row in zip(tiers.tiers, rows, strict=True):
        assert (tier.floor_quote, tier.cap_quote) == (row["minNotional"], row["maxNotional"])
        assert tier.maintenance_rate_frac == row["maintenanceMarginRate"]
        assert (tier.maintenance_amount_quote, tier.max_leverage) == (
            row["maintAmt"], row["maxLeverage"],
        )  # fmt: skip


def test_table_when_every_market_is_loaded_then_every_one_is_sound() -> None:
    assert len(load_binance_tiers(_table())) == len(_table()) > 100


def test_table_when_pairs_are_missing_then_all_are_named_and_the_notation_is_shown() -> None:
    with pytest.raises(InputError, match="futures notation") as error:
        load_binance_tiers([BTC, "BTC/USDT", "NO/USDT:USDT"])
    assert "'BTC/USDT', 'NO/USDT:USDT'" in str(error.value)
    assert f"'{BTC}'" not in error.value.problem
