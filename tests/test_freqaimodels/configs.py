"""The shipped Bitcoin configuration as Freqtrade would hand it over, in a folder of its own.

Ethereum's features come with Bitcoin's here, which the shipped one does without.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from freqtrade.enums import CandleType, RunMode

from tests.places import USER_DATA


def bitcoin_config(folder: Path, **freqai: Any) -> dict[str, Any]:
    """Return a fresh config; `freqai` entries replace those of its block, None removes one."""
    base = json.loads((USER_DATA / "config_base.json").read_text(encoding="utf-8"))
    config = json.loads((USER_DATA / "config_bitcoin.json").read_text(encoding="utf-8"))
    config.pop("add_config_files")
    config["exchange"] = {**base["exchange"], **config["exchange"]}
    config = {
        **base,
        **config,
        "user_data_dir": folder,
        "datadir": folder / "data",
        "runmode": RunMode.BACKTEST,
        "candle_type_def": CandleType.FUTURES,
        "timerange": "20240101-20240201",
    }
    config["freqai"]["feature_parameters"]["include_corr_pairlist"] = ["ETH/USDT:USDT"]
    merged = {**config["freqai"], **freqai}
    config["freqai"] = {name: value for name, value in merged.items() if value is not None}
    return config
