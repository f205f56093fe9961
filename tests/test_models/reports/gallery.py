"""Every kind of report page, written by the code that writes them, from small records."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from models.reports.backtest.page import write_report
from models.reports.cascades.page import write_cascades
from models.reports.claims.page import write_claims
from models.reports.compare.page import write_comparison
from models.reports.exposure.page import write_exposure
from models.reports.hedge.page import write_hedge_report
from models.reports.maker.page import write_maker
from models.reports.page import index_page
from models.reports.scenarios.page import write_scenarios
from models.reports.stress.numbered import write_numbered
from models.reports.stress.page import write_stress
from models.reports.validate.page import write_validation
from models.studies.claims.claimed import delay_curve
from models.studies.compare import measure_models
from tests.test_models.reports.cascades import sample as cascades
from tests.test_models.reports.claims import sample as claims
from tests.test_models.reports.compare import sample as compare
from tests.test_models.reports.crowding import sample as crowding
from tests.test_models.reports.drift import sample as drift
from tests.test_models.reports.exposure import sample as exposure
from tests.test_models.reports.maker import sample as maker
from tests.test_models.reports.outlook import sample as outlook
from tests.test_models.reports.records import idle_record, make_record
from tests.test_models.reports.scenarios import sample as scenarios
from tests.test_models.reports.stress import sample as stress
from tests.test_models.reports.validate import sample as validate
from tests.test_models.reports.venues import sample as venues
from tests.test_models.studies.compare.worlds import TRADING, constant, entry, knowing, truth
from tests.test_models.studies.hedge.sample import make_scene, sample

NOW = 1_700_000_000_000


def write_gallery(folder: Path) -> dict[str, Path]:
    """Write all pages below `folder`; return name -> page. The list of them comes last."""
    pages = {**_backtests(folder), **_studies(folder)}
    empty = folder / "none"
    empty.mkdir()
    (empty / "index.html").write_text(index_page(empty), encoding="utf-8")
    found = {name: path / "index.html" for name, path in pages.items()}
    return {**found, "no reports": empty / "index.html", "index": folder / "index.html"}


def _backtests(folder: Path) -> dict[str, Path]:
    record = make_record(days=45)
    idle = idle_record(record, believed=0.1)
    target = dataclasses.replace(
        record, title="VolatilityTarget with VolatilityForecaster", strategy="VolatilityTarget",
        decision=None, refused={"the spread is … wide": 3}, failures=("Fatal exception: a fault",),
        forecasts=(),
    )  # fmt: skip
    real = dataclasses.replace(idle, data_label="real", decision=None, forecasts=(), trainings=())
    return {
        "backtest": write_report(record, folder),
        "no trade": write_report(idle, folder),
        "target": write_report(target, folder),
        "no forecast": write_report(real, folder),
    }


def _studies(folder: Path) -> dict[str, Path]:
    t = truth()
    models = [entry("base", constant(t)), entry("x", knowing(t))]
    rows = measure_models(models, t, TRADING, "base")
    tables, _, _ = cascades.sample()
    ways = exposure.rows("careful")
    curves = {row["title"]: np.linspace(1.0, 1.3, 90) for row in ways}
    numbers, figures, _ = sample(make_scene())
    judged, none = scenarios.study(), scenarios.study("")
    drawn = scenarios.figures(judged)
    signals = [maker.row("sure", -3.2), maker.row("coin", -9.0, is_control=True)]
    return {
        "compare": write_comparison(rows, compare.RUN, folder, NOW),
        "cascades": write_cascades(tables, cascades.RUN, folder, NOW),
        "claims": write_claims(claims.rows(), delay_curve(claims.CLOSE), claims.RUN, folder, NOW),
        "crowding": crowding.write(folder, NOW),
        "exposure": write_exposure(ways, curves, exposure.RUN, folder, NOW),
        "maker": write_maker(signals, maker.RUN, folder, NOW),
        "hedge": write_hedge_report(numbers, figures, folder, NOW),
        "stress": write_stress(stress.ROWS, stress.NAIVE, stress.RUN, folder, NOW),
        "number": write_numbered([stress.HELD, stress.BROKEN], stress.NUMBERED_RUN, folder, NOW),
        "scenarios": write_scenarios(judged, drawn, scenarios.RUN, folder, NOW),
        "no engine": write_scenarios(none, {}, scenarios.RUN, folder, NOW),
        "validate": write_validation(validate.report(), validate.RUN, folder, NOW),
        "venues": venues.write(folder, NOW),
        "drift": drift.write(folder, NOW),
        "outlook": outlook.write(folder, NOW),
        "silent": outlook.write_silent(folder, NOW),
    }
