"""How many candles FreqAI hands to a live prediction, by an option for its own PyTorch models."""

from __future__ import annotations

from typing import Any

from freqtrade.configuration import TimeRange  # noqa: F401  # first: loads freqtrade before FreqAI
from freqtrade.freqai.freqai_interface import IFreqaiModel

from strategies.seams.record import Library, Seam, lacks_text, problems


def hand_over_candles(config: dict[str, Any], candles: int) -> None:
    """Have FreqAI hand the newest `candles` rows to a live prediction."""
    config["freqai"]["conv_width"] = candles


def _probe() -> str:
    return problems(
        lacks_text(IFreqaiModel, "__init__", 'freqai_info.get("conv_width"'),
        lacks_text(IFreqaiModel, "build_strategy_return_arrays", "self.CONV_WIDTH"),
    )


LIVE_CONTEXT = Seam(
    name='IFreqaiModel.CONV_WIDTH, freqai["conv_width"]',
    what="set in the config",
    why="a network needs its whole context, FreqAI hands over one row",
    since="freqtrade 2022.8",
    without="live forecasts abstain for want of context",
    probe=_probe,
    library=Library.FREQAI,
)
