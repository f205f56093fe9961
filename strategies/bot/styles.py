"""Trading styles: which candles each is made for, and what no candle length may silently change.

A config counts labels, holding times and hazards in candles, and stops and rates of alarms in
fractions and weeks. Read at another candle length the same numbers say something else: a style
names the length its numbers are for, and settings that contradict their candles are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from freqtrade.exchange import timeframe_to_msecs

from models.base.config import shown
from models.base.errors import ConfigError
from models.base.units import DAY_MS, HOUR_MS
from models.data.labels.settings import LabelSettings
from models.trade.decision.sizing import SizingConfig
from models.trade.risk.limits import HardLimits

_WEEK_MS: Final = 7 * DAY_MS
_ALARMED_FRAC: Final = 0.5  # of all candles that may lie under an alarm that is false


class Style(StrEnum):
    """Values of `breakwater.style`."""

    NONE = "none"
    SCALP = "scalp"
    INTRADAY_15M = "intraday-15m"
    INTRADAY_1H = "intraday-1h"
    SWING = "swing"
    POSITION = "position"


@dataclass(frozen=True, kw_only=True)
class MadeFor:
    """A style's candles, the shipped config that has its numbers, and who answers on it."""

    timeframe: str
    config: str  # in user_data
    models: tuple[str, ...]  # catalogue keys that are meant for it, the reference left out


STYLES: Final[Mapping[Style, MadeFor]] = {
    Style.SCALP: MadeFor(
        timeframe="5m", config="config_style_scalp.json", models=("gru", "lstm", "wavenet")
    ),
    Style.INTRADAY_15M: MadeFor(
        timeframe="15m", config="config_style_intraday_15m.json", models=("gru", "lstm", "wavenet")
    ),
    Style.INTRADAY_1H: MadeFor(
        timeframe="1h", config="config_style_intraday_1h.json", models=("lstm", "gru", "boosted")
    ),
    Style.SWING: MadeFor(
        timeframe="4h", config="config_style_swing.json", models=("tcn", "transformer", "ensemble")
    ),
    Style.POSITION: MadeFor(
        timeframe="1d",
        config="config_style_position.json",
        models=("prophet", "ensemble", "transformer"),
    ),
}


def require_own_candles(style: Style, config: Mapping[str, Any]) -> None:
    """Refuse candles a style is not made for, before anything is loaded.

    Parameters
    ----------
    config
        Freqtrade's, with the timeframe of the command line, if one was given there.

    Raises
    ------
    ConfigError
        Names both, and the style made for the candles asked for, if there is one.
    """
    timeframe = config.get("timeframe")
    if style is Style.NONE or timeframe == STYLES[style].timeframe:
        return
    others = [made.config for made in STYLES.values() if made.timeframe == timeframe]
    made_for = STYLES[style].timeframe
    raise ConfigError(
        f"the style {style.value} is made for candles of {made_for}, got {shown(timeframe)}: its "
        "horizons, holding time and hazard are counted in candles",
        where="timeframe",
        cure=f"leave --timeframe out, or set it to {made_for}"
        + "".join(f"; for {timeframe} take user_data/{name}" for name in others),
    )


def refuse_unfit(
    config: Mapping[str, Any],
    labels: LabelSettings,
    sizing: SizingConfig,
    limits: HardLimits,
    stoploss: float,
    alarms: Mapping[str, float],
) -> None:
    """Refuse settings that mean nothing at the config's candle length.

    Parameters
    ----------
    stoploss
        The strategy's last resort, a fraction of the stake, negative.
    alarms
        Name of each setting of `false_alarms_per_week` to its value.

    Raises
    ------
    ConfigError
        Lists all of them, each with its cure.
    """
    timeframe = str(config.get("timeframe"))
    wrong = [
        *_always_alarmed(labels, alarms, timeframe),
        *_stop_beyond_the_last(sizing, limits, stoploss),
        *_expired_at_once(config.get("freqai") or {}, timeframe),
    ]
    if wrong:
        raise ConfigError(
            "; ".join(problem for problem, _ in wrong),
            where=f"settings at candles of {timeframe}",
            cure="; ".join(cure for _, cure in wrong),
        )


def _always_alarmed(
    labels: LabelSettings, alarms: Mapping[str, float], timeframe: str
) -> Iterator[tuple[str, str]]:
    """Yield rates of false alarms at which most of all candles would lie under one.

    An alarm stands for the hazard's horizon: `rate` a week of them are `rate` x horizon of it.
    """
    stands_ms = labels.cascade_horizon_candles * timeframe_to_msecs(timeframe)
    for name, rate in alarms.items():
        if rate * stands_ms / _WEEK_MS > _ALARMED_FRAC:
            most = _ALARMED_FRAC * _WEEK_MS / stands_ms
            yield (
                f"expected {name} of at most {most:.2g}, got {rate:g}: an alarm stands for "
                f"{labels.cascade_horizon_candles} candles of {timeframe}, and more than half of "
                "all candles would count as a danger",
                f"lower {name}, or labels.cascade_horizon_candles",
            )


def _stop_beyond_the_last(
    sizing: SizingConfig, limits: HardLimits, stoploss: float
) -> Iterator[tuple[str, str]]:
    """Yield a widest stop that the last resort would cut short: sizes are made for the stop."""
    widest = sizing.max_stop_frac * limits.max_leverage
    if widest > abs(stoploss) * (1 + 1e-9):
        yield (
            f"expected sizing.max_stop_frac times limits.max_leverage of at most "
            f"{abs(stoploss):g}, got {sizing.max_stop_frac:g} x {limits.max_leverage:g}: the "
            "strategy's stoploss would close before the stop the size is made for",
            "lower either of the two",
        )


def _expired_at_once(freqai: Mapping[str, Any], timeframe: str) -> Iterator[tuple[str, str]]:
    """Yield a lifetime of models that is over before the candle after their training closes."""
    expires, candle_h = freqai.get("expiration_hours", 0), timeframe_to_msecs(timeframe) / HOUR_MS
    if freqai.get("enabled") and 0 < expires <= candle_h:
        yield (
            f"expected freqai.expiration_hours above a candle, {candle_h:g} h, got {expires:g}: "
            "every model would expire before it has answered",
            "raise freqai.expiration_hours",
        )
