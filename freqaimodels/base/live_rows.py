"""FreqAI's feature rows of one pair, without FreqAI's frames: only what is new is computed.

FreqAI copies and merges the whole frame of each pair and timeframe, several times per candle. The
columns it ends up with are those of `models.data.features` under other names; here they are put
together from the newest rows of each market, and the markets are shared by all pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from models.base import columns
from models.base.errors import AlignmentError, InputError
from models.base.types import Candles, Float32Array, IntArray
from models.data.features.candles import LOOKBACK, calendar_features, sigma_per_candle
from models.data.features.incremental import NewestRows, last_of


class LiveRows:
    """The newest feature rows of `pair`, in the order a model was trained on.

    Parameters
    ----------
    names
        FreqAI's training features, for example ``%-return_1_gen_BTC/USDTUSDT_1h``.
    markets
        The newest rows of each market, by pair; shared, and filled as needed.
    """

    def __init__(
        self,
        pair: str,
        names: tuple[str, ...],
        timeframe: str,
        candle_ms: int,
        markets: dict[str, NewestRows],
        rows: int,
    ) -> None:
        self.pair, self.names, self._candle_ms = pair, names, candle_ms
        self._timeframe, self._markets, self._rows = timeframe, markets, rows

    def update(
        self, candles_of: Callable[[str], Candles], pairs: tuple[str, ...]
    ) -> tuple[IntArray, Float32Array]:
        """Return open times (rows,) and features (rows, F) up to the newest candle of the pair.

        Parameters
        ----------
        pairs
            Other markets whose features the model reads.

        Raises
        ------
        AlignmentError
            If a market has another newest candle than the pair, or a feature is not one of ours.
        InputError
            If there are too few candles.
        """
        own = candles_of(self.pair)
        if len(own) < self._rows + LOOKBACK:
            raise InputError(f"expected {self._rows + LOOKBACK} candles, got {len(own)}")
        known: dict[str, np.ndarray] = {}
        for name in dict.fromkeys((self.pair, *pairs)):
            market = self._markets.setdefault(name, NewestRows(self._rows))
            times, values = market.update(own if name == self.pair else candles_of(name))
            if not np.array_equal(times, own.time_ms[-self._rows :]):
                raise AlignmentError(f"{name} and {self.pair} do not have the same newest candles")
            suffix = f"_gen_{name}_{self._timeframe}".replace(":", "")
            known |= {f"%-{n}{suffix}": values[:, i] for i, n in enumerate(market.names)}
        known |= self._clock_and_sigma(own)
        strange = [name for name in self.names if name not in known]
        if strange:
            raise AlignmentError(f"features {strange[:5]} are not computed here")
        rows = np.column_stack([known[name] for name in self.names]).astype(np.float32)
        return own.time_ms[-self._rows :], rows

    def _clock_and_sigma(self, own: Candles) -> Mapping[str, np.ndarray]:
        clock = calendar_features(own.time_ms[-self._rows :], self._candle_ms)
        sigma = sigma_per_candle(last_of(own, self._rows + LOOKBACK).close)[-self._rows :]
        return {f"%-{n}": values for n, values in clock.items()} | {columns.FEATURE_SIGMA: sigma}
