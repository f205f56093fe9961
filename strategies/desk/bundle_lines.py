"""The command lines of `bundle key`, `bundle export`, `bundle show` and `bundle import`."""

from __future__ import annotations

import argparse
from pathlib import Path

from strategies.desk.control import Subcommands
from strategies.desk.terminal.places import FREQAIMODELS, STRATEGIES, USER_DATA


def add_bundle(commands: Subcommands) -> None:
    """Add the commands that carry models to a machine that does not train."""
    bundle = commands.add_parser("bundle", help="carry models to a machine that does not train")
    words = bundle.add_subparsers(required=True, metavar="word")
    key = words.add_parser("key", help="make a pair of keys: FILE signs, FILE.pub is passed on")
    key.add_argument("file", type=Path)
    key.set_defaults(run=_key)
    export = words.add_parser("export", help="write a bot's models, signed, to one file")
    export.add_argument("file", type=Path)
    export.add_argument("--key", type=Path, required=True, help="private key that signs")
    export.add_argument("--userdir", type=Path, default=USER_DATA, help="the bot's; user_data")
    export.add_argument("--identifier", default="", help="which models, where there are several")
    export.set_defaults(run=_export, leaves=lambda o: [o.file.parent])
    show = words.add_parser("show", help="what is in a bundle; nothing of it is run")
    show.add_argument("file", type=Path)
    show.add_argument("--trust", type=Path, help="public key that has to have signed it")
    show.set_defaults(run=_show)
    _add_import(words)


def _add_import(words: Subcommands) -> None:
    take = words.add_parser("import", help="put a bundle's models where a bot serves from")
    take.add_argument("file", type=Path)
    take.add_argument("--config", type=Path, action="append", required=True, help="the bot's")
    take.add_argument("--userdir", type=Path, default=USER_DATA, help="the bot's; user_data")
    take.add_argument("--strategy", default="", help="default: the config's")
    take.add_argument("--freqaimodel", default="", help="the bot's; default: the config's")
    whose = take.add_mutually_exclusive_group()
    whose.add_argument("--trust", type=Path, help="public key that has to have signed it")
    whose.add_argument("--pin", default="", help="fingerprint to trust from now on")
    take.add_argument("--older", action="store_true", help="also in place of newer models")
    take.set_defaults(run=_import, leaves=lambda o: [o.userdir / "models"])


def _key(options: argparse.Namespace) -> int:
    from strategies.desk.bundles.commands import run_key

    return run_key(options.file)


def _export(options: argparse.Namespace) -> int:
    from strategies.desk.bundles.commands import run_export

    return run_export(options.file, options.userdir, options.identifier, options.key)


def _show(options: argparse.Namespace) -> int:
    from strategies.desk.bundles.commands import run_show

    return run_show(options.file, options.trust)


def _import(options: argparse.Namespace) -> int:
    from strategies.desk.backtests.configured import configured_by
    from strategies.desk.bundles.commands import run_import
    from strategies.seams.quiet_log import without_freqtrade_log

    config = configured_by(options.config, options.userdir)
    # The shipped configs name the pack's folders as a checkout has them; this may be anywhere.
    for name, own in (("strategy_path", STRATEGIES), ("freqaimodel_path", FREQAIMODELS)):
        if config.get(name) == own.name and not Path(own.name).is_dir():
            config[name] = str(own)
    for name in ("strategy", "freqaimodel"):
        config[name] = getattr(options, name) or config.get(name)
    with without_freqtrade_log():
        return run_import(
            options.file, options.userdir, config,
            trust=options.trust, pin=options.pin, older=options.older,
        )  # fmt: skip
