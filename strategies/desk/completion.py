"""`breakwater completion`: what a shell needs to complete commands, options and their values.

Made from the command line itself, so it cannot name what is not there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.learn import catalog
from strategies.desk.terminal.names import (
    TIMEFRAMES,
    model_class,
    model_key,
    network_key,
    timeframe_name,
)


@dataclass(frozen=True)
class CompletedOption:
    """What may be typed for one option of a command, or for a word without one."""

    flags: tuple[str, ...]  # empty: a word by its place
    values: tuple[str, ...]  # that may follow; empty: any
    takes_value: bool
    is_path: bool


def run_completion(parser: argparse.ArgumentParser, shell: str) -> int:
    """Print the script of one shell; return the exit code."""
    print(SHELLS[shell](parser.prog, completed_commands(parser)))
    return 0


def completed_commands(parser: argparse.ArgumentParser) -> dict[str, tuple[CompletedOption, ...]]:
    """Return the commands with their options, in the order of the help."""
    found: dict[str, tuple[CompletedOption, ...]] = {}
    for action in parser._actions:  # argparse tells of itself in no other way
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found[name] = tuple(_options(command))
    return found


def _options(command: argparse.ArgumentParser) -> Iterator[CompletedOption]:
    for action in command._actions:
        if action.help != argparse.SUPPRESS:
            takes = action.nargs != 0
            yield CompletedOption(
                tuple(action.option_strings), _values(action), takes, action.type is Path
            )


def _values(action: argparse.Action) -> tuple[str, ...]:
    if action.choices is not None:
        return tuple(map(str, action.choices))
    kind: Any = action.type
    if kind in (model_key, model_class, network_key):
        return tuple(sorted(catalog.forecasters().values()))
    return TIMEFRAMES if kind is timeframe_name else ()


def _words(options: Sequence[CompletedOption]) -> str:
    flags = [flag for option in options for flag in option.flags]
    return " ".join([*flags, *(v for option in options if not option.flags for v in option.values)])


def _bash(prog: str, commands: Mapping[str, Sequence[CompletedOption]]) -> str:
    cases = []
    for name, options in commands.items():
        cases.append(f"    {name})")
        cases.append('      case "$before" in')
        for option in options:
            if option.flags and option.values:
                said = f'COMPREPLY=($(compgen -W "{" ".join(option.values)}" -- "$word"))'
                cases.append(f"        {'|'.join(option.flags)}) {said}; return ;;")
            elif option.flags and option.is_path:
                said = 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$word"))'
                cases.append(f"        {'|'.join(option.flags)}) {said}; return ;;")
            elif option.flags and option.takes_value:
                cases.append(f"        {'|'.join(option.flags)}) return ;;")
        cases.append("      esac")
        cases.append(f'      COMPREPLY=($(compgen -W "{_words(options)}" -- "$word")) ;;')
    body = "\n".join(cases)
    return f"""\
# {prog} completion bash; source it, or keep it in ~/.local/share/bash-completion/completions/{prog}
_{prog}() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{" ".join(commands)} --help --version" -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{body}
  esac
}}
complete -F _{prog} {prog}"""


def _zsh(prog: str, commands: Mapping[str, Sequence[CompletedOption]]) -> str:
    cases = []
    for name, options in commands.items():
        cases.append(f"    {name})")
        cases.append('      case "$words[CURRENT-1]" in')
        for option in options:
            if option.flags and (option.values or option.is_path):
                said = f"compadd -- {' '.join(option.values)}" if option.values else "_files"
                cases.append(f"        {'|'.join(option.flags)}) {said}; return ;;")
        cases.append("      esac")
        cases.append(f"      compadd -- {_words(options)} ;;")
    body = "\n".join(cases)
    return f"""\
#compdef {prog}
# {prog} completion zsh; keep it as _{prog} in a folder of $fpath
_{prog}() {{
  if (( CURRENT == 2 )); then
    compadd -- {" ".join(commands)} --help --version
    return
  fi
  case "$words[2]" in
{body}
  esac
}}
# Loaded for its first use, it is that use; read at a start, it only says what it is for.
if [ "$funcstack[1]" = "_{prog}" ]; then _{prog} "$@"; else compdef _{prog} {prog}; fi"""


def _fish(prog: str, commands: Mapping[str, Sequence[CompletedOption]]) -> str:
    lines = [
        f"# {prog} completion fish; keep it in ~/.config/fish/completions/{prog}.fish",
        f"complete -c {prog} -f",
        f"complete -c {prog} -n __fish_use_subcommand -a '{' '.join(commands)}'",
        f"complete -c {prog} -n __fish_use_subcommand -l version",
    ]
    for name, options in commands.items():
        seen = f"complete -c {prog} -n '__fish_seen_subcommand_from {name}'"
        for option in options:
            said = f" -a '{' '.join(option.values)}'" if option.values else ""
            for flag in (f for f in option.flags if f.startswith("--")):
                takes = " -r" if option.takes_value else ""
                files = " -F" if option.is_path else ""
                lines.append(f"{seen} -l {flag[2:]}{takes}{files}{said}")
            if not option.flags and said:
                lines.append(f"{seen}{said}")
    return "\n".join(lines)


SHELLS: Final[Mapping[str, Callable[[str, Mapping[str, Sequence[CompletedOption]]], str]]] = {
    "bash": _bash, "zsh": _zsh, "fish": _fish,
}  # fmt: skip
