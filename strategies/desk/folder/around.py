"""What every stage needs of folder, machine and exchange."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import ccxt
from freqtrade.configuration import TimeRange
from freqtrade.enums import RunMode
from freqtrade.exceptions import FreqtradeException

from models.base.errors import PackError
from strategies.account.config_files import config_of_files
from strategies.account.exchange_client import account_client
from strategies.account.exchange_clock import clock_ahead_s, in_words, refuses
from strategies.bot.data_check import check_backtest_data
from strategies.bot.forecast_columns import WARM_UP_CANDLES
from strategies.desk.folder.configs import STAGE_FILES
from strategies.desk.folder.finding import Finding, LookedAt, advice, missing, sound
from strategies.desk.folder.record import digest_of
from strategies.desk.folder.upgrade import is_unfinished
from strategies.desk.folder.written import candles_of, download_line, pack_line
from strategies.desk.terminal.places import pack_version
from strategies.seams.catalog import seams_in
from strategies.seams.check import gone_seams
from strategies.seams.resolvers import try_loading

_LEAST_FREE_GB: Final = 2.0
_OLD_DAYS: Final = 30.0
_DAY_S: Final = 86_400.0
_TRAINING: Final = ("torch", "onnx", "onnxscript", "psutil")  # what every model is trained with
_EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "EnsembleForecaster": ("xgboost", "skl2onnx"),
    "XGBoostForecaster": ("xgboost", "skl2onnx"),
    "ProphetForecaster": ("prophet", "cmdstanpy"),
    "PPOForecaster": ("stable_baselines3", "gymnasium"),
    "A2CForecaster": ("stable_baselines3", "gymnasium"),
}


def looked_at_files(looked: LookedAt) -> Iterator[Finding]:
    """Tell whether the folder is whole, of this version, and where it was made."""
    folder, record = looked.folder, looked.record
    again = pack_line(looked.installed, "upgrade", str(folder))
    gone = [name for name in record.files if not (folder / name).is_file()]
    if is_unfinished(folder):
        yield missing("folder", "an upgrade of it was interrupted", again)
    elif Path(record.folder) != folder:
        yield missing("folder", f"made at {record.folder}, which its configs name", again)
    elif elsewhere := _elsewhere(looked):
        yield missing("folder", f"{elsewhere} names another folder as user_data_dir",
                      f"set user_data_dir to {folder} in config.json")  # fmt: skip
    elif any(name in record.files and name.endswith(".json") for name in gone):
        yield missing("folder", f"without {', '.join(gone)}", again)
    else:
        changed = [name for name in record.files if name not in gone and
                   digest_of((folder / name).read_bytes()) != record.files[name]]  # fmt: skip
        yield sound(
            "folder", f"whole; yours: {', '.join(changed)}" if changed else "as it was made"
        )
    if record.version != pack_version():
        said = f"made by {record.version}, {pack_version()} is installed"
        yield advice("version", said, again)


def _elsewhere(looked: LookedAt) -> str:
    """Return the first config whose user folder is not this one; none that cannot be read."""
    for stage, name in STAGE_FILES.items():
        try:
            named = Path(stage_config(looked, stage)["user_data_dir"])
        except (PackError, FreqtradeException):
            continue  # said by itself
        if named.resolve() != looked.folder.resolve():
            return name
    return ""


def looked_at_machine(looked: LookedAt) -> Iterator[Finding]:
    """Tell whether Freqtrade is the known one, the extras are there, and the disk has room."""
    gone = [found for found in gone_seams(seams_in()) if found.seam.safety]
    if gone:
        yield missing("freqtrade", f"{len(gone)} parts that safety needs are not as known",
                      pack_line(looked.installed, "doctor"))  # fmt: skip
    else:
        yield sound("freqtrade", "as the pack knows it")
    if model := str(looked.tested.get("freqaimodel") or ""):
        needed = (*_TRAINING, *_EXTRAS.get(model, ()))
        lacking = [name for name in needed if find_spec(name) is None]
        if lacking:
            yield missing("extras", f"{model} is trained with {', '.join(lacking)}",
                          "pip install 'breakwater[train,report]'")  # fmt: skip
        else:
            yield sound("extras", f"what {model} is trained with is installed")
    free_gb = shutil.disk_usage(looked.folder).free / 1e9
    if free_gb < _LEAST_FREE_GB:
        yield missing("disk", f"{free_gb:.1f} GB are free, {_LEAST_FREE_GB:g} are needed",
                      f"make room on the disk of {looked.folder}")  # fmt: skip
    else:
        yield sound("disk", f"{free_gb:.0f} GB are free")


def looked_at_classes(looked: LookedAt) -> Iterator[Finding]:
    """Tell whether strategy and model load from the folder, as Freqtrade loads them."""
    config = looked.tested
    names = " and ".join(str(config[key]) for key in ("strategy", "freqaimodel") if config.get(key))
    try:
        try_loading({**config, "runmode": RunMode.BACKTEST})
    except (PackError, FreqtradeException) as error:
        yield missing("classes", str(error),
                      f"mend the file in {looked.folder}/strategies or freqaimodels")  # fmt: skip
    else:
        yield sound("classes", f"{names} load")


def looked_at_candles(looked: LookedAt, now_ms: int) -> Iterator[Finding]:
    """Tell whether the backtest's candles are there, sound, long enough and fresh."""
    asked, folder = looked.record.asked, looked.folder
    config = {**looked.tested, "datadir": candles_of(asked, folder)}
    loading = download_line(asked, folder, looked.installed)
    try:
        found = check_backtest_data(config, WARM_UP_CANDLES if config.get("freqai") else 0)
    except PackError as error:
        cure = "make another folder from a longer --data" if asked.replays else loading
        if " or set " in error.cure:
            fewer = error.cure.rpartition(" or set ")[2]
            cure += f"\nor set {fewer}, in {STAGE_FILES['backtest']}"
        yield missing("candles", f"{error.problem}\nin {error.where or config['datadir']}", cure)
        return
    days = now_ms / 1000 / _DAY_S - _last_day(config)
    said = f"{found.source}, the backtest {config['timerange']} has all it reads"
    if days > _OLD_DAYS and not asked.replays:
        yield advice("candles", f"{said}; it ends {days:.0f} days ago", loading)
    else:
        yield sound("candles", said)


def _last_day(config: Mapping[str, Any]) -> float:
    """Return the end of the configured timerange, in days of the epoch."""
    stop: int = TimeRange.parse_timerange(config["timerange"]).stopts
    return stop / _DAY_S


def looked_at_exchange(looked: LookedAt) -> Iterator[Finding]:
    """Tell whether the exchange answers, and whether it would take this machine's clock."""
    block = {**looked.tested["exchange"], "key": "", "secret": ""}
    cure = "look at the connection; nothing starts without the exchange's markets"
    if looked.record.asked.replays:
        serve = pack_line(looked.installed, "exchange", str(looked.folder))
        cure = f"in a terminal of its own: {serve}"
    try:
        client = account_client(block)
        ahead_s = clock_ahead_s(client)
    except (ccxt.BaseError, PackError, TypeError, ValueError) as error:
        yield missing("exchange", f"does not answer: {_short_words(error)}", cure)
        return
    yield sound("exchange", f"{block['name']} answers")
    if refuses(client, ahead_s):
        yield missing("clock", in_words(ahead_s), "sudo timedatectl set-ntp true")
    else:
        yield sound("clock", in_words(ahead_s))


def _short_words(error: Exception) -> str:
    return f"{type(error).__name__}, {str(error).splitlines()[0][:120]}" if str(error) else (
        type(error).__name__
    )  # fmt: skip


def stage_config(looked: LookedAt, stage: str) -> dict[str, Any]:
    """Return Freqtrade's configuration of a stage."""
    return config_of_files([looked.config_file(stage)])
