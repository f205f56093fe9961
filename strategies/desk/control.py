"""The commands on the machine: the state, the journal, and a person's word to the bot."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from models.base.errors import ConfigError, ControlError
from models.operate.control.commands import (
    CONTROL_FOLDER,
    DANGEROUS,
    JOURNAL_FOLDER,
    Commands,
    hedge_meaning,
)
from models.operate.control.state import Person
from models.operate.control.text import entry_text
from models.operate.journal.journal import Journal
from strategies.desk.homes import add_stage, homes_meant, whose

USERDIR = Path("user_data")

Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


@dataclass(frozen=True)
class Word:
    """One word a person can say to the bot, and what it does with its argument."""

    name: str
    argument: str  # empty: it has none; with "?" it may be left out
    help: str
    say: Callable[[Commands, str], str]


WORDS: Final = (
    Word("risk", "", "show the control state and the bot's last sign of life",
         lambda console, _: console.risk()),
    Word("halt", "reason?", "forbid everything but closing",
         lambda console, reason: console.halt(person(), reason)),
    Word("reduce", "reason?", "forbid whatever raises exposure",
         lambda console, reason: console.reduce(person(), reason)),
    Word("resume", "", "let the bot trade again",
         lambda console, _: console.resume(person())),
    Word("flatten", "reason?", "halt, and close every position in stages",
         lambda console, reason: console.flatten(person(), reason)),
    Word("hedge", "word?", "show the hedge override, or set it: a ratio, freeze or release",
         lambda console, word: console.hedge(person(), word)),
    Word("why", "trade", "what the journal knows about a trade",
         lambda console, trade: console.why(_trade_number(trade))),
    Word("approve", "proposal", "let a proposed entry happen (review mode)",
         lambda console, proposal: console.approve(person(), proposal)),
    Word("deny", "proposal", "refuse a proposed entry (review mode)",
         lambda console, proposal: console.deny(person(), proposal)),
)  # fmt: skip


def add_commands(commands: Subcommands) -> None:
    """Add the control commands to the command line."""
    for word in WORDS:
        _add_word(commands, word)
    _add_journal(commands)
    accept = commands.add_parser("acknowledge", help="see and accept the risk, before going live")
    accept.add_argument("--config", type=Path, action="append", required=True, help="the bot's")
    accept.add_argument("--userdir", type=Path, help="the bot's; default: as configured")
    accept.add_argument("--data", type=Path, help="a Freqtrade data directory with real candles")
    accept.set_defaults(run=_acknowledge)
    claim = commands.add_parser("claim", help="say that a folder of state is this bot's")
    claim.add_argument("--config", type=Path, action="append", required=True, help="the bot's")
    claim.add_argument("--userdir", type=Path, help="the bot's; default: as configured")
    claim.add_argument("--strategy", default="", help="the bot's; default: as configured")
    claim.set_defaults(run=_claim)
    watchdog = commands.add_parser("watchdog", help="look after the account if the bot cannot")
    watchdog.add_argument("--config", type=Path, action="append", help="the bot's")
    watchdog.add_argument("--userdir", type=Path, help="the bot's; default: as configured")
    watchdog.add_argument(
        "--bot", type=Path, nargs="+", action="append", metavar="FILE",
        help="one of several: its config files, and its user directory",
    )  # fmt: skip
    watchdog.add_argument("--pulse", type=int, help=argparse.SUPPRESS)  # the supervisor's end
    how = watchdog.add_mutually_exclusive_group()
    how.add_argument("--supervise", action="store_true", help="start it again if it dies or hangs")
    how.add_argument("--check", action="store_true", help="only say whether a watchdog looks")
    watchdog.set_defaults(run=_watchdog)


def _add_word(commands: Subcommands, word: Word) -> None:
    command = commands.add_parser(word.name, help=word.help)
    command.add_argument("--userdir", type=Path, default=USERDIR, help=f"default: {USERDIR}")
    if word.argument.endswith("?"):
        command.add_argument("argument", metavar=word.argument[:-1], nargs="?", default="")
    elif word.argument:
        command.add_argument("argument", metavar=word.argument)
    if word.name in DANGEROUS:
        command.add_argument("--yes", action="store_true", help="do not ask again")
    add_stage(command)
    command.set_defaults(run=partial(_run, word))


def _add_journal(commands: Subcommands) -> None:
    journal = commands.add_parser("journal", help="check or read the journal")
    journal.add_argument("what", choices=("verify", "show"))
    journal.add_argument("--userdir", type=Path, default=USERDIR, help=f"default: {USERDIR}")
    add_stage(journal)
    journal.add_argument("--expect", default="", help="verify: a head hash written down earlier")
    journal.add_argument("--kind", default="", help='show: such lines only, as "entry"')
    journal.add_argument("--pair", default="", help="show: such lines only")
    journal.add_argument("--lines", type=int, default=20, help="show: the newest; 20")
    journal.set_defaults(run=_journal)


def person() -> Person:
    """Return whoever sits at this terminal."""
    return Person(getpass.getuser(), "command line")


def _run(word: Word, options: argparse.Namespace) -> int:
    """Say the word to the bot, or to each, of the user directory."""
    homes, codes = homes_meant(options.userdir, options.stage, word.name), []
    for home in homes:
        if len(homes) > 1:
            print(whose(home))
        codes.append(_say(word, argparse.Namespace(**{**vars(options), "userdir": home})))
    return max(codes)


def _say(word: Word, options: argparse.Namespace) -> int:
    # A word said in the wrong folder must not look as if a bot had heard it.
    if not (options.userdir / CONTROL_FOLDER).is_dir():
        raise ControlError(
            "no bot has run with this user directory",
            where=str(options.userdir),
            cure=f"give the bot's --userdir; a bot not yet started is halted by a file "
            f"{CONTROL_FOLDER}/HALT in it",
        )
    console = Commands(options.userdir)
    argument: str = options.argument if word.argument else ""
    shown_only = word.name == "hedge" and not argument
    if word.name in DANGEROUS and not shown_only and not options.yes:
        print(console.risk())
        if word.name == "hedge":
            print(f"about to: {hedge_meaning(argument)}")
        if input(f"type {word.name} to go on: ").strip() != word.name:
            raise ControlError(f"{word.name} was not confirmed; nothing has changed")
    print(word.say(console, argument))
    return 0


def _acknowledge(options: argparse.Namespace) -> int:
    from strategies.desk.acknowledge import run_acknowledge

    return run_acknowledge(options.config, options.userdir, options.data, person())


def _claim(options: argparse.Namespace) -> int:
    from strategies.desk.claim import run_claim

    return run_claim(options.config, options.userdir, options.strategy, person())


def _watchdog(options: argparse.Namespace) -> int:
    from strategies.desk.watch.process import check_watchdog, run_watchdog
    from strategies.desk.watch.several import watch_each, watched_bot
    from strategies.desk.watch.supervise import run_supervised

    if bool(options.bot) == bool(options.config):
        raise ConfigError(
            "expected the bot's --config files, or a --bot for each of several bots",
            cure="as `breakwater watchdog --config user_data/config_bitcoin.json`",
        )
    if options.bot:
        bots = [watched_bot(paths) for paths in options.bot]
        if options.check:
            return max(check_watchdog(bot.configs, bot.userdir) for bot in bots)
        return watch_each(bots, ["--supervise"] if options.supervise else [])
    if options.check:
        return check_watchdog(options.config, options.userdir)
    if options.supervise:
        return run_supervised(options.config, options.userdir)
    return run_watchdog(options.config, options.userdir, options.pulse)


def _trade_number(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ControlError(f"expected the number of a trade, got {word!r}") from None


def _journal(options: argparse.Namespace) -> int:
    (home,) = homes_meant(options.userdir, options.stage, "journal")
    journal = Journal(home / JOURNAL_FOLDER)
    if options.what == "show":
        shown = journal.entries(kind=options.kind, pair=options.pair, limit=options.lines)
        print("\n\n".join(entry_text(entry) for entry in shown) or "no such lines")
        return 0
    found = journal.verify(expect=options.expect)
    print(f"{found.lines} lines in {found.files} files, from number {found.first or 0}")
    if found.torn:
        print("the last write was cut off; the next one repairs it")
    if found.fault:
        print(f"BROKEN: {found.fault}")
        return 1
    print(f"the chain holds; head {found.head}")
    return 0
