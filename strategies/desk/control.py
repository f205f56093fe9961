"""The commands on the machine: the state, the journal, and a person's word to the bot."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from models.base.errors import ConfigError, ControlError
from models.base.files import iso_ms, open_regular
from models.operate.control.commands import (
    CONTROL_FOLDER,
    DANGEROUS,
    JOURNAL_FOLDER,
    STOPPING,
    Commands,
    Said,
)
from models.operate.control.home import DRY_RUN_HOME
from models.operate.control.model_text import rollback_question
from models.operate.control.state import ControlMode, ControlState, Person, StateChanged
from models.operate.control.state_file import STATE_FILE
from models.operate.control.text import entry_text
from models.operate.journal.journal import Journal
from strategies.desk.homes import add_stage, homes_meant, whose
from strategies.desk.terminal.json_answers import add_json, line_values, print_json, shown_values
from strategies.desk.terminal.typed import leave_stdout, typed, whole_number

USERDIR = Path("user_data")
_MOMENT_MS: Final = 60_000  # between what control hears and the line of it
_SHOWING: Final = ("risk", "why")  # words that do nothing but show

Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


@dataclass(frozen=True)
class Word:
    """One word a person can say to the bot, and what it does with its argument."""

    name: str
    argument: str  # empty: it has none; with "?" it may be left out
    help: str
    say: Callable[[Commands, str, ControlState], object]  # commands, argument, state as shown


WORDS: Final = (
    Word("risk", "", "show the control state and the bot's last sign of life",
         lambda console, *_: console.risk()),
    Word("halt", "reason?", "forbid everything but closing",
         lambda console, reason, _: console.halt(person(), reason)),
    Word("reduce", "reason?", "forbid whatever raises exposure",
         lambda console, reason, _: console.reduce(person(), reason)),
    Word("resume", "number?", "lift every reason that stands, or the one of this number",
         lambda console, number, shown: console.resume(person(), shown, number)),
    Word("flatten", "reason?", "halt, and close every position in stages",
         lambda console, reason, shown: console.flatten(person(), reason, shown)),
    Word("hedge", "word?", "show the hedge override, or set it: a ratio, freeze or release",
         lambda console, word, shown: console.hedge(person(), word, shown)),
    Word("rollback", "pair?", "serve the model before again, of one pair or of all",
         lambda console, pair, _: console.rollback(person(), pair)),
    Word("why", "trade?", "why nothing is opened now, or what the journal knows about a trade",
         lambda console, trade, _: console.why(_trade_number(trade)) if trade
         else console.why_now()),
    Word("approve", "proposal", "let a proposed entry happen (review mode)",
         lambda console, proposal, _: console.approve(person(), proposal)),
    Word("deny", "proposal", "refuse a proposed entry (review mode)",
         lambda console, proposal, _: console.deny(person(), proposal)),
)  # fmt: skip


def add_commands(commands: Subcommands) -> None:
    """Add the control commands to the command line."""
    for word in WORDS:
        _add_word(commands, word)
    _add_journal(commands)
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
    watchdog.add_argument("--name", default="", help="what its messages call the bot")
    watchdog.add_argument("--pulse", type=int, help=argparse.SUPPRESS)  # the supervisor's end
    how = watchdog.add_mutually_exclusive_group()
    how.add_argument("--supervise", action="store_true", help="start it again if it dies or hangs")
    how.add_argument("--check", action="store_true", help="only say whether a watchdog looks")
    watchdog.set_defaults(run=_watchdog)


def _add_word(commands: Subcommands, word: Word) -> None:
    command = commands.add_parser(word.name, help=word.help)
    command.add_argument("--userdir", type=Path, default=USERDIR, help=f"default: {USERDIR}")
    if word.argument == "reason?":  # words as they come: nobody in a hurry thinks of quotes
        command.add_argument("argument", metavar="reason", nargs="*")
    elif word.argument.endswith("?"):
        command.add_argument("argument", metavar=word.argument[:-1], nargs="?", default="")
    elif word.argument:
        command.add_argument("argument", metavar=word.argument)
    if word.name in _SHOWING:
        add_json(command)
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
    journal.add_argument(
        "--first", type=int, help="verify: number of the oldest line that is to be here; 1"
    )
    journal.add_argument("--kind", default="", help='show: such lines only, as "entry"')
    journal.add_argument("--pair", default="", help="show: such lines only")
    journal.add_argument("--lines", type=whole_number, default=20, help="show: the newest; 20")
    add_json(journal)
    journal.set_defaults(run=_journal)


def person() -> Person:
    """Return whoever sits at this terminal."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # as in a container, of a user without a name
        name = f"user {os.getuid()}"
    return Person(name, "command line")


def _run(word: Word, options: argparse.Namespace) -> int:
    """Say the word to the bot, or to each, of the user directory."""
    try:
        homes = homes_meant(options.userdir, options.stage, _meant(word, options))
    except OSError as error:
        raise _not_allowed(f"{word.name} was not carried out", error) from error
    if len(homes) == 1:
        return _say(word, argparse.Namespace(**{**vars(options), "userdir": homes[0]}))
    codes = []
    for home in homes:  # one that cannot be told must not keep the other from hearing it
        if not getattr(options, "json", False):  # each line names its home
            print(whose(home))
        try:
            codes.append(_say(word, argparse.Namespace(**{**vars(options), "userdir": home})))
        except ControlError as error:
            print(f"error: {error}", file=sys.stderr)
            codes.append(2)
    return max(codes)


def _meant(word: Word, options: argparse.Namespace) -> str:
    """Return the word as two bots would be asked it: `why` of no trade shows, as `risk` does."""
    return "risk" if word.name == "why" and not options.argument else word.name


def _say(word: Word, options: argparse.Namespace) -> int:
    # A word said in the wrong folder must not look as if a bot had heard it.
    if not (options.userdir / CONTROL_FOLDER).is_dir():
        raise ControlError(
            "no bot has run with this user directory",
            where=str(options.userdir),
            cure=f"give the bot's --userdir; a live bot not yet started is halted by a file "
            f"{CONTROL_FOLDER}/HALT in it, a dry run by {DRY_RUN_HOME}/{CONTROL_FOLDER}/HALT",
        )
    argument = " ".join(_words(options.argument)) if word.argument else ""
    if word.name not in STOPPING:
        _require_readable(options.userdir / CONTROL_FOLDER / STATE_FILE)
    console = Commands(options.userdir)
    if word.name in _SHOWING and options.json:
        print_json(shown_values(word.name, console, _asked_trade(argument)))
        return _found(word, console, argument)
    try:
        said = _confirmed(word, console, argument, options)
    except OSError as error:
        undone = f"{word.name} was not carried out{_but(word, console)}"
        raise _not_allowed(undone, error) from error
    if isinstance(said, Said) and said.unwritten:
        raise ControlError(
            f"{word.name} was not carried out: {said.unwritten}",
            where=str(options.userdir / CONTROL_FOLDER),
            cure="run it as the user the bot runs as; or halt by Telegram, or end the bot",
        )
    try:
        print(said, flush=True)
    except OSError as error:
        if word.name in _SHOWING:
            raise
        leave_stdout()  # it is done all the same, and a caller goes by that
        print(f"{word.name} is done; what it says could not be shown: {error}", file=sys.stderr)
    return _found(word, console, argument)


def _found(word: Word, console: Commands, argument: str) -> int:
    """Return the exit code of a word that is done: 1 if it asked something nobody could answer."""
    if word.name != "why":
        return 0
    trade = _asked_trade(argument)
    known = console.has_answer() if trade is None else console.knows(trade)
    return 0 if known else 1


def _but(word: Word, console: Commands) -> str:
    """Return what a word that failed has done all the same: a flatten halts before it closes."""
    halted = word.name == "flatten" and console.store.on_disk().mode is ControlMode.HALTED
    return ", no position is closed, but control is HALTED all the same" if halted else ""


def _words(argument: str | list[str]) -> list[str]:
    """Return an argument word by word, be it one or as many as were typed."""
    return [argument] if isinstance(argument, str) else argument


def _require_readable(path: Path) -> None:
    """Refuse to speak of a state that this user may not read: to the bot it is another one."""
    try:
        os.close(open_regular(path))
    except FileNotFoundError:
        return  # HALTED, as the bot reads it
    except OSError as error:
        raise _not_allowed("what the bot may do cannot be read", error) from error


def _confirmed(word: Word, console: Commands, argument: str, options: argparse.Namespace) -> object:
    """Say the word, where it is dangerous only to the state the person has seen."""
    asks = word.name in DANGEROUS and not (word.name == "hedge" and not argument)
    while True:
        shown = console.store.read()
        if asks and not options.yes:
            print(console.risk(shown))
            if word.name == "hedge":
                print(f"about to: {console.hedge_question(argument)}")
            if word.name == "rollback":
                print(rollback_question(console.store.folder, argument))
            if typed(f"type {word.name} to go on: ") != word.name:
                raise ControlError(f"{word.name} was not confirmed; nothing has changed")
        try:
            return word.say(console, argument, shown)
        except StateChanged as error:
            if not asks or options.yes:
                raise
            print(f"{error.problem}. It is now:")


def _not_allowed(what: str, error: OSError) -> ControlError:
    return ControlError(
        f"{what}: {error}", cure="run it as the user the bot runs as; look at disk and permissions"
    )


def _claim(options: argparse.Namespace) -> int:
    from strategies.desk.claim import run_claim

    return run_claim(options.config, options.userdir, options.strategy, person())


def _watchdog(options: argparse.Namespace) -> int:
    from strategies.desk.watch.process import check_watchdog, run_watchdog
    from strategies.desk.watch.several import refuse_one_account, watch_each, watched_bot
    from strategies.desk.watch.supervise import run_supervised
    from strategies.desk.watch.unhurried import log_unhurried

    if bool(options.bot) == bool(options.config):
        raise ConfigError(
            "expected the bot's --config files, or a --bot for each of several bots",
            cure="as `breakwater watchdog --config user_data/config_bitcoin.json`",
        )
    if options.bot:
        bots = [watched_bot(paths) for paths in options.bot]
        if options.check:
            return max(check_watchdog(bot.configs, bot.userdir) for bot in bots)
        refuse_one_account(bots)
        log_unhurried()  # reading the configs, Freqtrade has set up its own
        return watch_each(bots, ["--supervise"] if options.supervise else [])
    if options.check:
        return check_watchdog(options.config, options.userdir)
    if options.supervise:
        return run_supervised(options.config, options.userdir, options.name)
    return run_watchdog(options.config, options.userdir, options.pulse, options.name)


def _asked_trade(word: str) -> int | None:
    return _trade_number(word) if word else None


def _trade_number(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ControlError(f"expected the number of a trade, got {word!r}") from None


def _journal(options: argparse.Namespace) -> int:
    (home,) = homes_meant(options.userdir, options.stage, "journal")
    journal = Journal(home / JOURNAL_FOLDER)
    try:
        if not journal.is_begun():
            raise ControlError(
                "no journal was found: nothing can be said of it",
                where=str(journal.folder),
                cure="give the bot's --userdir; one that has traded and has no journal lost it",
            )
        return _shown(journal, options) if options.what == "show" else _verified(home, options)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _not_allowed("the journal cannot be read", error) from error


def _shown(journal: Journal, options: argparse.Namespace) -> int:
    shown = journal.entries(kind=options.kind, pair=options.pair, limit=options.lines)
    if options.json:
        print_json(list(map(line_values, shown)))
    else:
        print("\n\n".join(entry_text(entry) for entry in shown) or "no such lines")
    return 0 if shown else 1


def _verified(home: Path, options: argparse.Namespace) -> int:
    """Print what can be concluded from the chain, and what cannot; 1 unless it is whole."""
    journal = Journal(home / JOURNAL_FOLDER)
    found = journal.verify(expect=options.expect)
    first = found.first or 0
    print(f"{found.lines} lines in {found.files} files, from number {first}")
    if found.torn:
        print("the last write was cut off; the next one repairs it")
    if found.fault:
        print(f"BROKEN: {found.fault}")
        return 1
    if not found.lines:
        print("BROKEN: there are files and not one whole line")
        return 1
    has_state = (home / CONTROL_FOLDER).is_dir()
    if has_state and (why := Commands(home).strange()):
        print(f"NOT THIS BOT'S: {why}")
        return 1
    wanted = 1 if options.first is None else options.first
    if first != wanted:
        print(_incomplete(first, wanted))
        return 1
    if first == 1 and has_state and (why := _older_word(home, found.first_ms or 0)):
        print(f"INCOMPLETE: {why}")
        return 1
    before = "" if first == 1 else f" from line {first} on; of the lines before nothing is said"
    print(f"the chain holds{before}; head {found.head}")
    if not options.expect:
        print(
            "no line was changed, moved or removed, unless by somebody who wrote all of it anew: "
            "that a head written down elsewhere would show (--expect)"
        )
    return 0


def _older_word(home: Path, first_ms: int) -> str:
    """Return what control was told before the journal began, or nothing; both are written down."""
    heard = [notice.time_ms for notice in Commands(home).store.read().notices if notice.n]
    if not heard or min(heard) + _MOMENT_MS >= first_ms:
        return ""
    return (
        f"control was told something at {iso_ms(min(heard))}, the first line is of "
        f"{iso_ms(first_ms)}: older lines are not here. Put them back beside these"
    )


def _incomplete(first: int, wanted: int) -> str:
    if first < wanted:
        return f"INCOMPLETE: expected the first line to be number {wanted}, it is {first}"
    return (
        f"INCOMPLETE: lines {wanted} to {first - 1} are not here; the others hang together. "
        "Moved away or removed, that cannot be told: put the older files back beside these, or, "
        f"if you keep them elsewhere, verify with --first {first}"
    )
