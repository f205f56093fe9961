"""The command lines of `demo`, `hedge-report` and `explain`."""

from __future__ import annotations

import argparse
from pathlib import Path

from strategies.desk.control import Subcommands
from strategies.desk.shared_lines import add_command, backtest_places, given_options
from strategies.desk.terminal.names import model_class
from strategies.desk.terminal.typed import DATA_HELP


def add_backtests(commands: Subcommands) -> None:
    demo = add_command(
        commands, "demo", _demo, "backtest on real or simulated data, with a report",
        backtest_places,
    )  # fmt: skip
    demo.add_argument("--data", type=Path, help=DATA_HELP)
    demo.add_argument("--model", type=model_class, help="LSTMForecaster")
    demo.add_argument("--strategy", help="default: the config's")
    demo.add_argument("--strategy-path", type=Path, help="folder that has it; the config's")
    demo.add_argument("--timerange", help="YYYYMMDD-YYYYMMDD; default: the last 240 days")
    demo.add_argument("--config", type=Path, help="default: config_bitcoin.json")
    demo.add_argument("--userdir", type=Path, help="default: user_data")
    hedge = add_command(
        commands, "hedge-report", _hedge_report, "backtest of the Litecoin hedge, with a report",
        backtest_places,
    )  # fmt: skip
    hedge.add_argument("--data", type=Path, help=DATA_HELP)
    hedge.add_argument("--timerange", help="YYYYMMDD-YYYYMMDD; default: 2021 to the newest candle")
    hedge.add_argument("--config", type=Path, help="default: config_litecoin_hedge.json")
    hedge.add_argument("--model", type=model_class, help="one that may lean on the baseline")
    hedge.add_argument("--userdir", type=Path, help="default: user_data")


def add_explain(commands: Subcommands) -> None:
    explain = add_command(
        commands, "explain", _explain, "what drove one forecast of the newest run"
    )
    explain.add_argument("--time", required=True, help="its candle's open, as 2025-06-01T12:00 UTC")
    explain.add_argument("--pair", help="default: the run's first")
    targets = "advantage (p_up - p_down), return, cascade_down or cascade_up"
    explain.add_argument("--target", help=targets)
    explain.add_argument("--top", type=int, help="drivers shown; 12")
    explain.add_argument("--data", type=Path, help="the run's data directory; default: as reported")
    explain.add_argument("--strategy", help="the run's strategy; default: as reported")
    explain.add_argument("--strategy-path", type=Path, help="folder that has it; the pack's")
    explain.add_argument("--userdir", type=Path, help="default: user_data")


def _demo(options: argparse.Namespace) -> int:
    from strategies.desk.backtests.demo import DemoOptions, run_demo

    return run_demo(DemoOptions(**given_options(options)))


def _hedge_report(options: argparse.Namespace) -> int:
    from strategies.desk.backtests.hedge import HedgeOptions, run_hedge

    return run_hedge(HedgeOptions(**given_options(options)))


def _explain(options: argparse.Namespace) -> int:
    from strategies.desk.backtests.explain import ExplainOptions, run_explain

    return run_explain(ExplainOptions(**given_options(options)))
