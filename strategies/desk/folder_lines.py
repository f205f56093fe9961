"""The command lines of a bot's own folder: `init`, `upgrade`, `doctor` and `acknowledge`."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.base.errors import ConfigError
from strategies.desk.control import Subcommands, person
from strategies.desk.terminal.json_answers import add_json, print_json
from strategies.desk.terminal.typed import DATA_HELP, positive


def add_folders(commands: Subcommands) -> None:
    """Add the commands that make, judge and renew a bot's folder."""
    init = commands.add_parser("init", help="make a folder of a bot's own; asks at a terminal")
    init.add_argument("folder", type=Path, help="is not there yet")
    init.add_argument("--style", help="scalp, intraday, swing, position, hedge or volatility")
    init.add_argument("--pair", help="as SOL/USDT:USDT")
    init.add_argument("--exchange", help="binance, or loopback: candles replayed on this machine")
    init.add_argument("--data", type=Path, help=f"candles to copy: {DATA_HELP}")
    init.add_argument("--amount", type=positive, help="hedge: coins of the position to hedge")
    init.add_argument("--yes", action="store_true", help="never ask; take what is usual")
    init.set_defaults(run=_init)
    upgrade = commands.add_parser(
        "upgrade", help="renew a bot's folder that an earlier version has made"
    )
    upgrade.add_argument("folder", type=Path)
    upgrade.set_defaults(run=_upgrade)
    _add_doctor(commands)
    _add_acknowledge(commands)


def _add_doctor(commands: Subcommands) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="whether this Freqtrade is the one the pack knows, or a bot's folder is ready",
    )
    doctor.add_argument("folder", type=Path, nargs="?", help="a bot's own: what is missing there")
    doctor.add_argument(
        "--stage", choices=("backtest", "dry-run", "live"), default="backtest",
        help="of the folder's bot: what the exit code is about; default: backtest",
    )  # fmt: skip
    doctor.add_argument(
        "--config",
        type=Path,
        action="append",
        default=[],
        help="judge the settings of a bot with this config, too",
    )
    doctor.add_argument("--strategy", default="", help="default: the config's")
    doctor.add_argument("--freqaimodel", default="", help="the bot's; default: the config's")
    add_json(doctor)
    doctor.set_defaults(run=_doctor)


def _add_acknowledge(commands: Subcommands) -> None:
    accept = commands.add_parser("acknowledge", help="see and accept the risk, before going live")
    accept.add_argument("folder", type=Path, nargs="?", help="a bot's own, made by init")
    accept.add_argument("--config", type=Path, action="append", help="the bot's, without a folder")
    accept.add_argument("--userdir", type=Path, help="the bot's; default: as configured")
    accept.add_argument("--data", type=Path, help="a Freqtrade data directory with real candles")
    accept.set_defaults(run=_acknowledge)


def _init(options: argparse.Namespace) -> int:
    from strategies.desk.folder.create import GivenOptions, run_init

    return run_init(
        options.folder,
        GivenOptions(
            style=options.style, pair=options.pair, exchange=options.exchange, data=options.data,
            amount=options.amount, yes=options.yes,
        ),
    )  # fmt: skip


def _upgrade(options: argparse.Namespace) -> int:
    from strategies.desk.folder.upgrade import run_upgrade

    return run_upgrade(options.folder)


def _doctor(options: argparse.Namespace) -> int:
    from strategies.seams.quiet_log import without_freqtrade_log

    if options.folder is not None:
        from strategies.desk.folder.ready import ready_values, run_ready

        with without_freqtrade_log():
            if not options.json:
                return run_ready(options.folder, options.stage)
            values = ready_values(options.folder, options.stage)
        print_json(values)
        return 0 if values["ok"] else 1
    if options.json:
        return _doctor_for_programs(options)
    from strategies.desk.doctor import run_doctor

    code = run_doctor()
    if not options.config:
        return code
    # Not before the probes have said what of Freqtrade is not as expected.
    from strategies.desk.folder.settings import judge_settings

    with without_freqtrade_log():
        refused = judge_settings(options.config, options.strategy, options.freqaimodel)
    return max(code, min(refused, 1))


def _doctor_for_programs(options: argparse.Namespace) -> int:
    from strategies.desk.doctor import doctor_values
    from strategies.seams.quiet_log import without_freqtrade_log

    values, code = doctor_values(), 0
    if options.config:
        from strategies.desk.folder.settings import judged_settings

        with without_freqtrade_log():
            judged = judged_settings(options.config, options.strategy, options.freqaimodel)
        code = min(judged.refused, 1)
        values["settings"] = {
            "strategy": judged.strategy, "found": judged.lines, "refused": judged.refused,
            "unjudged": judged.unjudged,
        }  # fmt: skip
    print_json(values)
    return code if values["ok"] else 1


def _acknowledge(options: argparse.Namespace) -> int:
    from strategies.desk.acknowledge import run_acknowledge
    from strategies.seams.quiet_log import without_freqtrade_log

    if (options.folder is None) is not bool(options.config):
        raise ConfigError(
            "expected a bot's own folder, or its --config files",
            cure="as `breakwater acknowledge DIR`",
        )
    with without_freqtrade_log():
        if options.folder is None:
            return run_acknowledge(options.config, options.userdir, options.data, person())
        from strategies.desk.folder_commands import acknowledge_folder

        return acknowledge_folder(options.folder, options.data, person())
