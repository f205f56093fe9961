"""`breakwater explain`, and the report's section on what drove the forecasts of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from freqtrade.exceptions import FreqtradeException

from models.base.errors import InputError, PackError
from models.evaluate.explain import TARGETS
from models.evaluate.explain.text import attribution_table
from models.reports.backtest.record import DrivenForecast, Drivers, RunRecord
from models.reports.folder import MAIN_KIND, report_folders
from models.reports.index import report_numbers
from models.reports.text import utc
from strategies.desk.backtests.data import choose_datadir
from strategies.desk.backtests.saved_run import PairForecasts, SavedRun, newest_run
from strategies.desk.terminal.places import STRATEGIES, USER_DATA
from strategies.desk.terminal.waiting import PatientWait


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """What the person asked for."""

    time: str  # ISO 8601, UTC unless it says otherwise: open time of the forecast's candle
    pair: str | None = None  # default: the run's first
    target: str = "advantage"
    top: int = 12
    userdir: Path = USER_DATA
    data: Path | None = None  # default: that of the run's report, else as for the demo
    strategy: str | None = None  # default: that of the run's report
    strategy_path: Path = STRATEGIES  # folder that has it


def run_explain(options: ExplainOptions) -> int:
    """Print what drove one forecast of the newest run; return the process exit code."""
    time_ms = _parsed(options.time)
    if options.target not in TARGETS:
        raise InputError(f"expected a target among {sorted(TARGETS)}, got {options.target!r}")
    if options.top < 1:
        raise InputError(f"expected top >= 1, got {options.top}")
    model_dir = newest_run(options.userdir)
    reported = _reported(options.userdir, model_dir)
    run = SavedRun(
        model_dir=model_dir,
        datadir=choose_datadir(options.data or reported.get("datadir"), options.userdir),
        strategy=options.strategy or reported.get("strategy", "BitcoinCrossMargin"),
        strategy_path=options.strategy_path,
    )
    pair = options.pair or run.pairs[0]
    if pair not in run.pairs:
        raise InputError(f"the newest run has no {pair}; it has {', '.join(run.pairs)}",
                         where=str(model_dir))  # fmt: skip
    forecasts = PairForecasts(run, pair)
    with PatientWait("reading candles and features"):
        forecasts.load(time_ms, time_ms)
    with PatientWait("asking the model what drove it") as waiting:
        explanation = forecasts.explain(time_ms, options.target, told=waiting.done)
    manifest = forecasts.forecaster(time_ms).manifest
    print(f"{pair}, forecast at the close of the candle of {utc(time_ms)}\nby {manifest['title']}"
          f", run {model_dir.name}\n\n{attribution_table(explanation, options.top)}")  # fmt: skip
    return 0


def drivers_of(
    record: RunRecord,
    model_dir: Path,
    datadir: Path,
    strategy: str,
    strategy_path: Path = STRATEGIES,
) -> Drivers:
    """Return what the report says about what drove the forecasts of `record`.

    A run that cannot be explained says why; its report is still worth reading.
    """
    try:
        run = SavedRun(
            model_dir=model_dir,
            datadir=datadir,
            strategy=strategy,
            strategy_path=strategy_path,
        )
        pairs = {pair: PairForecasts(run, pair) for pair in record.pairs}
        for forecasts in pairs.values():
            forecasts.load(*forecasts.span)
        return Drivers(
            forecasts=tuple(
                DrivenForecast(which=which, pair=pair, explanation=pairs[pair].briefly(time_ms))
                for which, pair, time_ms in chosen(record, pairs)
            ),
            overview={pair: f.overview(len(pairs)) for pair, f in pairs.items()},
        )
    except (PackError, FreqtradeException) as error:
        return Drivers(missing=str(error))


def chosen(record: RunRecord, pairs: Mapping[str, PairForecasts]) -> list[tuple[str, str, int]]:
    """Return (which, pair, forecast time) of the best, worst and latest trade's entry.

    A trade opens at the open of the candle after its forecast's. Without trades it is the latest
    forecast of each pair.
    """
    if not record.trades:
        return [("latest forecast", pair, int(f.given_ms[-1])) for pair, f in pairs.items()]
    picked: dict[tuple[str, int], list[str]] = {}
    for which, trade in (
        ("best", max(record.trades, key=lambda t: t.profit_quote)),
        ("worst", min(record.trades, key=lambda t: t.profit_quote)),
        ("latest", max(record.trades, key=lambda t: t.open_ms)),
    ):
        picked.setdefault((trade.pair, trade.open_ms - record.candle_ms), []).append(which)
    return [(f"{', '.join(w)} trade", pair, ms) for (pair, ms), w in picked.items()]


def _parsed(text: str) -> int:
    """Return an ISO 8601 time in milliseconds UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"expected a time such as 2025-06-01T12:00, got {text!r}", where="--time"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _reported(userdir: Path, model_dir: Path) -> dict[str, Any]:
    """Return strategy and data directory of the run's report, else of the newest backtest's.

    Reports of other kinds say nothing of a backtest, however new they are. Empty without any.
    """
    files = [f.path / "report.json" for f in report_folders(userdir / "reports", MAIN_KIND)]
    reports = [n for n in map(report_numbers, files) if n.get("run") and n.get("provenance")]
    if not reports:
        return {}
    own = [n for n in reports if n["provenance"].get("model_dir") == str(model_dir)]
    n = (own or reports)[0]
    return {
        "strategy": n["run"]["strategy"],
        "datadir": Path(n["provenance"]["datadir"]),
    }
