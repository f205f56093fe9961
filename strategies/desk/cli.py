"""`breakwater`: the pack's command line, beside Freqtrade's own."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from typing import Any, Final, NoReturn

from freqtrade.exceptions import FreqtradeException

from models.base.errors import PackError
from strategies.desk.audit_line import add_audit
from strategies.desk.backtest_lines import add_backtests, add_explain
from strategies.desk.bot_page_lines import add_bot_pages
from strategies.desk.bundle_lines import add_bundle
from strategies.desk.choose_line import add_choose
from strategies.desk.claims_line import add_claims
from strategies.desk.control import add_commands
from strategies.desk.crowd_lines import add_crowds
from strategies.desk.folder_lines import add_folders
from strategies.desk.risk_lines import add_risk
from strategies.desk.shared_lines import RunCommand, require_place
from strategies.desk.study_lines import add_studies
from strategies.desk.surrounding_lines import add_surroundings
from strategies.desk.terminal.names import near
from strategies.desk.terminal.places import pack_version
from strategies.desk.terminal.signals import ToldToEnd, hearing_the_end
from strategies.desk.terminal.typed import leave_stdout, make_speakable
from strategies.desk.validate_line import add_validate

_OWN: Final = ("", "models", "strategies", "freqaimodels")
_OF_TAILS: Final = ("arch", "pyextremes")
_SIGNALLED, _CLOSED = 128, 141  # as a shell says it
# As argparse words it; elsewhere its own words stay.
_CHOICE: Final = re.compile(
    r"(?P<where>argument .+?): invalid choice: '(?P<word>.*)' \(choose from (?P<known>.+)\)",
    re.DOTALL,
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an expected error is printed as a message, never as a traceback."""
    make_speakable()
    parser = _parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help()
        return 0
    options = parser.parse_args(arguments)
    run: RunCommand = options.run
    try:
        with hearing_the_end():
            require_place(options)
            code = run(options)
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # whoever read it has read enough
        leave_stdout()
        return _CLOSED
    except (PackError, FreqtradeException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written
        if getattr(options, "pulse", None) is not None:
            raise  # to a supervisor 2 means settings that no second try would mend
        print(f"error: {error}\n  cure:  look at disk and permissions", file=sys.stderr)
        return 2
    except KeyboardInterrupt as ended:
        print("interrupted: only what was said to be done is sure to be", file=sys.stderr)
        return _ended(ended)
    except ModuleNotFoundError as error:
        if _library(error) in _OWN:
            raise  # not a missing extra, a mistake of ours
        whose, extras = ("scenarios", "tails,report") if _library(error) in _OF_TAILS else (
            "a machine that trains and reports", "train,report"
        )  # fmt: skip
        print(f"error: {error}; {whose} needs pip install 'breakwater[{extras}]'", file=sys.stderr)
        return 2


def _library(error: ModuleNotFoundError) -> str:
    """Return the library that is not installed, or whose part is not."""
    return (error.name or "").split(".")[0]


def _ended(ended: KeyboardInterrupt) -> int:
    """Return the exit code of a command that was interrupted, and leave nothing of it behind."""
    if not isinstance(ended, ToldToEnd):
        return _SIGNALLED + signal.SIGINT
    with suppress(ModuleNotFoundError):  # a machine that only trades starts nothing that stays
        from strategies.desk.terminal.ended import end_what_was_started

        end_what_was_started()
    return _SIGNALLED + ended.number


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _NearParser(
        prog="breakwater", description=__doc__,
        epilog="exit codes: 0 done, 1 no answer or a check has found something, 2 not done, "
        "129 hung up, 130 interrupted, 141 nobody reads on, 143 told to end. "
        "Pages: user_data/docs, as troubleshooting.md",
    )  # fmt: skip
    parser.add_argument("--version", action=_Version, help="print the versions and leave")
    commands = parser.add_subparsers(required=True, metavar="command")
    add_backtests(commands)
    add_explain(commands)
    add_audit(commands)
    add_choose(commands)
    add_studies(commands)
    add_claims(commands)
    add_validate(commands)
    add_risk(commands)
    add_crowds(commands)
    add_surroundings(commands)
    add_folders(commands)
    add_bundle(commands)
    add_commands(commands)
    add_bot_pages(commands)
    completion = commands.add_parser("completion", help="print what a shell completes with")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    completion.set_defaults(run=lambda options: _completion(parser, options.shell))
    return parser


def _completion(parser: argparse.ArgumentParser, shell: str) -> int:
    from strategies.desk.completion import run_completion

    return run_completion(parser, shell)


class _NearParser(argparse.ArgumentParser):
    """Names the nearest of what it takes, where a word is none of it."""

    def error(self, message: str) -> NoReturn:
        wrong = _CHOICE.fullmatch(message)
        if wrong is not None:
            known = re.findall(r"'([^']+)'", wrong["known"])
            message = (
                f"{wrong['where']}: {wrong['word']} is none{near(wrong['word'], known)}\n"
                f"  one of {', '.join(known)}"
            )
        super().error(message)


class _Version(argparse.Action):
    """Prints the pack's version and Freqtrade's."""

    def __init__(self, option_strings: Sequence[str], dest: str, **told: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **told)

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: object
    ) -> None:
        print(f"{parser.prog} {pack_version()}, freqtrade {metadata.version('freqtrade')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
