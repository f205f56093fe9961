"""The main job, end to end: checked data, stock `freqtrade backtesting`, audited report.

Freqtrade runs unmodified in its own process against the loopback exchange, which answers the one
request a backtest makes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import freqtrade

from models.base.errors import ConfigError, PackError
from models.base.files import write_atomic
from models.learn.training.settings import ModelSettings
from models.reports.backtest.page import write_report
from strategies.bot.config import pack_config
from strategies.bot.data_check import check_backtest_data, days_to_train_on, span_read
from strategies.bot.forecast import ForecastStrategy
from strategies.desk.backtests.configured import configured
from strategies.desk.backtests.data import choose_datadir, load_checked
from strategies.desk.backtests.entered import backtest_trial, enter_tried
from strategies.desk.backtests.explain import drivers_of
from strategies.desk.backtests.reference import reference_of
from strategies.desk.backtests.results import Run, load_record
from strategies.desk.terminal.ended import ended_with_us
from strategies.desk.terminal.names import class_names, require_class
from strategies.desk.terminal.places import CONFIGS, FREQAIMODELS, STRATEGIES, USER_DATA
from strategies.desk.terminal.room import kept_report
from strategies.desk.terminal.waiting import PatientWait

_DEFAULT_TRAININGS = 8  # of the backtest when no timerange is given: 240 days of monthly ones
_USUAL_MODEL = "LSTMForecaster"
_USUAL_STRATEGY = "BitcoinCrossMargin"
_USUAL_PATH = Path("strategies")  # as `config_base.json` has it
_REFUSED = re.compile(r"entry refused: (.+)$")
_NUMBER = re.compile(r"[-−+]?\d[\d.,]*")
_FAULT = re.compile(r"raised exception|Fatal exception|Traceback \(most recent call last\)")


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """What the person asked for."""

    config: Path = CONFIGS / "config_bitcoin.json"
    data: Path | None = None
    model: str = ""  # default: the config's, else LSTMForecaster
    strategy: str = ""  # default: the config's, else BitcoinCrossMargin
    strategy_path: Path | None = None  # folder that has it; default: the config's, else the pack's
    timerange: str | None = None
    userdir: Path = USER_DATA


def run_demo(options: DemoOptions) -> int:
    """Run the backtest and write its report; return the process exit code."""
    config = configured(options.config, options.userdir)
    require_futures(config)
    options = _resolved(options, config)
    _require_own_model(options, config)
    _require_names(options)
    pack_config(config)  # a typing error costs nothing: in a setting, or of the candles,
    if options.timerange:
        span_read({**config, "timerange": options.timerange}, 0)  # or in the span
    with PatientWait("[1/4] finding candles, or writing the simulated market"):
        datadir = choose_datadir(options.data, options.userdir, config["timeframe"]).resolve()
    timerange = options.timerange or demo_timerange(config, datadir)
    return _backtested({**config, "timerange": timerange, "datadir": datadir}, options)


def _resolved(options: DemoOptions, config: Mapping[str, Any]) -> DemoOptions:
    """Return the options with the model and strategy the config names, where none was given."""
    named = Path(config.get("strategy_path") or _USUAL_PATH)
    return dataclasses.replace(
        options,
        model=options.model or config.get("freqaimodel") or _USUAL_MODEL,
        strategy=options.strategy or config.get("strategy") or _USUAL_STRATEGY,
        # What the shipped configs say holds in a checkout only.
        strategy_path=options.strategy_path or (None if named == _USUAL_PATH else named),
    )


def _require_own_model(options: DemoOptions, config: Mapping[str, Any]) -> None:
    """Refuse the model of a config that keeps its models elsewhere: a report tells of forecasts."""
    named = Path(config.get("freqaimodel_path") or FREQAIMODELS)
    if options.model in class_names([named]) - class_names([FREQAIMODELS]):
        raise ConfigError(
            f"a demo reports what forecasts of the pack's models come to, got {options.model}",
            where=str(options.config),
            cure=f"freqtrade backtesting --config {options.config}, then breakwater audit",
        )


def require_futures(config: Mapping[str, Any]) -> None:
    """Refuse spot markets, of which Freqtrade would say so with a trace, after a minute."""
    mode = config.get("trading_mode")
    if mode != "futures":
        raise ConfigError(
            f"expected trading_mode futures, got {mode}",
            where="trading_mode",
            cure="the pack's strategies sell short and borrow; set futures, and a margin_mode",
        )


def _require_names(options: DemoOptions) -> None:
    """Refuse a model or a strategy that Freqtrade would look for in vain, after a minute."""
    require_model(options.model, options.userdir)
    folders = [options.strategy_path or STRATEGIES, options.userdir / "strategies"]
    require_class("strategy", options.strategy, folders)


def require_model(name: str, userdir: Path) -> None:
    """Refuse a FreqAI class that neither the pack, nor the user's folder, nor Freqtrade has."""
    shipped = Path(freqtrade.__file__).parent / "freqai" / "prediction_models"
    require_class("model", name, [FREQAIMODELS, userdir / "freqaimodels", shipped])


def _backtested(config: Mapping[str, Any], options: DemoOptions) -> int:
    """Backtest a config whose span and data are settled, and report it."""
    datadir, timerange = config["datadir"], config["timerange"]
    days = days_to_train_on(config, ForecastStrategy.startup_candle_count)
    asked = config["freqai"]["train_period_days"]
    config = {**config, "freqai": {**config["freqai"], "train_period_days": days}}
    with PatientWait("[2/4] checking every candle"):
        data = check_backtest_data(config, ForecastStrategy.startup_candle_count)
    labels = ModelSettings.from_blocks(
        config["freqai"]["model_training_parameters"], where="freqai.model_training_parameters"
    ).labels
    pack = pack_config(config)
    print(f"data: {data.source}, {datadir}", flush=True)
    fewer = (
        f"; {options.config.name} asks for {asked}, the history has no more" if days < asked else ""
    )
    print(f"span: {timerange}, each window trained on the {days} days before it{fewer}", flush=True)
    history = [_history_file(days, options.userdir)] if fewer else []
    command = backtest_command(options, datadir, timerange, history)
    started = time.time()
    log = options.userdir / "logs" / "demo.log"
    print("[3/4] backtesting: Freqtrade says how far it is", flush=True)
    code, failures = run_backtest(command, log)
    if code != 0:
        print(f"freqtrade failed with exit code {code}; log: {log}", file=sys.stderr)
        return code
    run = Run(
        strategy=options.strategy,
        model=options.model,
        config=config,
        results_dir=options.userdir / "backtest_results",
        model_dir=newest_models(options.userdir, config["freqai"]["identifier"], started),
        data=data,
        labels=labels,
        slippage_frac=pack.slippage_frac,
        command=shlex.join(["freqtrade", *command[3:]]),
        created_ms=int(datetime.now(tz=UTC).timestamp() * 1000),
        failures=failures,
        follows_forecasts=follows_forecasts(options.strategy, options.strategy_path or STRATEGIES),
        refused=refusals(log),
    )
    _report(run, options, datadir)
    if failures:
        print(f"{len(failures)} faults in the log, first: {failures[0]}", file=sys.stderr)
    return 1 if failures else 0


def _report(run: Run, options: DemoOptions, datadir: Path) -> None:
    """Write the report of a run, with what drove its forecasts, and say where it is."""
    print("[4/4] the report", flush=True)
    with PatientWait("measuring, explaining and drawing the report"):
        record = load_record(run)
        drivers = drivers_of(
            record, run.model_dir, datadir, options.strategy, options.strategy_path or STRATEGIES
        )
        complete = dataclasses.replace(record, drivers=drivers, reference=reference_of(record, run))
        report = kept_report(
            lambda place: write_report(complete, place), options.userdir / "reports"
        )
    print(f"\nreport: {report / 'index.html'}\nnumbers: {report / 'report.json'}")
    enter_tried(options.userdir, [backtest_trial(record)], record.stop_ms, "demo")


def demo_timerange(config: Mapping[str, Any], datadir: Path) -> str:
    """Return the first pair's last whole days, as YYYYMMDD-YYYYMMDD: `_DEFAULT_TRAININGS`' span."""
    pair = config["exchange"]["pair_whitelist"][0]
    candles = load_checked(datadir, pair, config["timeframe"])
    last = datetime.fromtimestamp(candles.time_ms[-1] / 1000, tz=UTC)
    stop = datetime(last.year, last.month, last.day, tzinfo=UTC)
    start = stop - timedelta(days=_DEFAULT_TRAININGS * config["freqai"]["backtest_period_days"])
    return f"{start:%Y%m%d}-{stop:%Y%m%d}"


def _history_file(days: int, userdir: Path) -> Path:
    """Write and return a config file that asks for `days` to train on."""
    path = userdir / "config_demo_history.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps({"freqai": {"train_period_days": days}}).encode())
    return path


def backtest_command(
    options: DemoOptions, datadir: Path, timerange: str, more: Sequence[Path] = ()
) -> list[str]:
    """Return the stock Freqtrade command line; `more` config files win over the options'."""
    return [
        *(sys.executable, "-m", "freqtrade", "backtesting"),
        *(word for file in (options.config, *more) for word in ("--config", str(file))),
        *("--userdir", str(options.userdir)),
        *("--datadir", str(datadir)),
        *("--strategy", options.strategy or _USUAL_STRATEGY),
        *("--strategy-path", str(options.strategy_path or STRATEGIES)),
        *("--freqaimodel", options.model or _USUAL_MODEL),
        *("--freqaimodel-path", str(FREQAIMODELS)),
        *("--timerange", timerange),
        *("--cache", "none", "--export", "trades"),
    ]


def run_backtest(command: list[str], log: Path) -> tuple[int, tuple[str, ...]]:
    """Run `command` against the loopback exchange, echo its output, return code and faults."""
    log.parent.mkdir(parents=True, exist_ok=True)
    faults = []
    coins = Path(command[command.index("--datadir") + 1])
    with loopback_exchange(coins) as url, log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command,
            env=loopback_environment(url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        assert process.stdout is not None
        with ended_with_us(process):
            for line in process.stdout:
                file.write(line)
                sys.stdout.write(line)
                sys.stdout.flush()
                if _FAULT.search(line):
                    faults.append(line.strip())
            return process.wait(), tuple(faults)


def follows_forecasts(strategy: str, folder: Path) -> bool:
    """Return whether a strategy enters exactly where `models.trade.decision.signals` says so."""
    path = folder / f"{strategy}.py"
    if not path.is_file():  # its file has another name: nothing is said of its rules
        return False
    spec = importlib.util.spec_from_file_location(f"shown_{strategy}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, strategy, None)
    own = getattr(found, "populate_entry_trend", None)
    return own is ForecastStrategy.populate_entry_trend


def refusals(log: Path) -> dict[str, int]:
    """Return the reasons for which guards refused an entry, as a run's log has them, counted.

    Numbers in a reason are left out: the same guard says the same thing of every candle.
    """
    found = (_REFUSED.search(line) for line in log.read_text(encoding="utf-8").splitlines())
    reasons = Counter(_NUMBER.sub("…", match[1].strip()) for match in found if match)
    return dict(reasons.most_common())


@contextlib.contextmanager
def loopback_exchange(coins: Path) -> Iterator[str]:
    """Start the loopback exchange on a free port and yield its address.

    Parameters
    ----------
    coins
        Data directory whose coins it lists.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "strategies.desk.loopback", "--coins", str(coins)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line.startswith("loopback exchange on "):
            raise ConfigError(
                f"the loopback exchange did not start: {line!r}",
                cure="run `breakwater exchange` to see why",
            )
        yield line.rsplit(" ", 1)[1]
    finally:
        process.terminate()
        process.wait(timeout=10)


def loopback_environment(url: str) -> dict[str, str]:
    """Return the environment that points Freqtrade's exchange client at `url`."""
    return {
        **os.environ,
        "FREQTRADE__EXCHANGE__CCXT_CONFIG__URLS__API__fapiPublic": f"{url}/fapi/v1",
        "COLUMNS": "140",  # width of Freqtrade's tables when its output is piped
    }


def newest_models(userdir: Path, identifier: str, since_s: float) -> Path:
    """Return the model directory the run just used.

    The adapter appends a digest to the identifier; FreqAI stamps the directory at every start.
    """
    stamps = [
        path
        for path in (userdir / "models").glob(f"{identifier}--*/run_params.json")
        if path.stat().st_mtime >= since_s - 1
    ]
    if not stamps:
        raise PackError(f"the run left no models under {userdir / 'models'}")
    return max(stamps, key=lambda path: path.stat().st_mtime).parent
