"""`make numbers`: every measured table of the pages again, each by the command that made it.

A page says of a table: "Measured: `command`; commit abc1234 (2026-11-30)." The commands are run
one after the other in a user directory of their own; what was run at this commit and went well is
not run again. Hours, on all models: `--list` shows what would be run, `--only` picks some.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.learn import catalog
from strategies.desk.backtests.results import commit
from tests.places import ROOT
from tests.test_contract.pages import DOCS, README, text

DATA, EVENTS = "/path/to/freqtrade/data/binance", "a folder of the nine crashes"
EVENT: Final = "/path/to/events/"  # one of them, beside the data
CRASHES: Final = "/path/to/crashes"  # all of them, beside the data
_LINE: Final = re.compile(r"^Measured: (?:`([^`]+)`|by no command)(.*)$", re.MULTILINE)
_TAIL: Final = 20  # lines of an output without a table


@dataclass(frozen=True)
class Measurement:
    """A table's origin: the page and section it stands in, and the command; empty if none."""

    page: str
    section: str
    command: str
    note: str = ""  # what the page says besides


def measurements(pages: Sequence[Path] = (README, *DOCS)) -> Iterator[Measurement]:
    """Yield what the pages say they measured, a command each, in their order."""
    for page in pages:
        for part in re.split(r"^(?=#)", text(page), flags=re.MULTILINE):
            heading = part.partition("\n")[0].lstrip("# ")
            for command, note in _LINE.findall(part):
                for one in _spelled_out(command, note):
                    yield Measurement(page.name, heading, one, note.strip(" ;,."))


def _spelled_out(command: str, note: str) -> list[str]:
    """Return the commands that "once per row" and "then `x` in its place" stand for.

    Examples
    --------
    >>> _spelled_out("breakwater probe one -x", ", then `two` and `three` in its place")
    ['breakwater probe one -x', 'breakwater probe two -x', 'breakwater probe three -x']
    """
    if "MODEL=..." in command:
        names = [catalog.load(name).forecaster for name in catalog.names()]
        return [command.replace("MODEL=...", f"MODEL={name}") for name in names if name]
    out = [command]
    if "in its place" in note:
        words = command.split()
        others = re.findall(r"`([^`]+)`", note.partition("in its place")[0])
        out += [" ".join([*words[:2], other, *words[3:]]) for other in others]
    return out


def arguments(found: Measurement, data: Path, events: Path | None, userdir: Path) -> list[str]:
    """Return the words to run; empty where no command, or no folder of crashes, is there."""
    where = events if EVENTS in found.note else data
    beside = EVENT in found.command or CRASHES in found.command
    if not found.command or where is None or (beside and events is None):
        return []
    command = found.command.replace(DATA, str(where)).replace(CRASHES, str(events))
    words = shlex.split(command.replace(EVENT, f"{events}/"))
    if words[0] == "make":
        return [*words, f"USERDIR={userdir}"]
    if words[0] == "python":
        return [sys.executable, *words[1:]]
    program = Path(sys.executable).with_name(words[0])
    takes_userdir = words[1] not in ("worst-hours", "liquidation")
    return [str(program), *words[1:], *(["--userdir", str(userdir)] if takes_userdir else [])]


def run(found: Sequence[Measurement], data: Path, events: Path | None, userdir: Path) -> int:
    """Run each command once, keep its output, and write `numbers.md`; return the exit code."""
    userdir.mkdir(parents=True, exist_ok=True)
    at, kept = commit(), userdir / "done.json"
    done: dict[str, dict[str, str | int]] = (
        json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    )
    commands = list(dict.fromkeys(m.command for m in found if arguments(m, data, events, userdir)))
    started = time.monotonic()
    for number, command in enumerate(commands, start=1):
        before = done.get(command, {})
        if before.get("commit") == at and before.get("code") == 0:
            print(f"[{number}/{len(commands)}] at {at} already: {command}", flush=True)
            continue
        print(f"[{number}/{len(commands)}] {command}", flush=True)
        one = next(m for m in found if m.command == command)
        log = userdir / f"{number:02d}-{re.sub(r'[^a-z]+', '-', command.lower())[:40]}.log"
        with log.open("w", encoding="utf-8") as file:
            code = subprocess.run(
                arguments(one, data, events, userdir), cwd=ROOT, stdout=file,
                stderr=subprocess.STDOUT, env=os.environ | {"PYTHONUNBUFFERED": "1"}, check=False,
            ).returncode  # fmt: skip
        done[command] = {"commit": at, "code": code, "log": log.name}
        kept.write_text(json.dumps(done, indent=1), encoding="utf-8")
        spent = time.monotonic() - started
        print(f"    exit code {code}; {log}; {spent:.0f} s since the start", flush=True)
    (userdir / "numbers.md").write_text(page(found, done, userdir), encoding="utf-8")
    print(f"numbers: {userdir / 'numbers.md'}")
    return int(any(done.get(command, {}).get("code") for command in commands))


def page(found: Sequence[Measurement], done: dict[str, dict[str, str | int]], userdir: Path) -> str:
    """Return what every command gave, by page and section, as Markdown."""
    out = ["# Numbers, by the commands of the pages\n"]
    for one in found:
        out.append(f"## {one.page}: {one.section}\n")
        if not one.command:
            out.append(f"No command of the pack gives it: {one.note}\n")
        elif one.command not in done:
            out.append(f"`{one.command}` was not run ({one.note}).\n")
        else:
            was = done[one.command]
            lines = (userdir / str(was["log"])).read_text(encoding="utf-8").splitlines()
            tables = [line for line in lines if line.startswith("|")]
            shown = "\n".join(tables) if tables else "\n".join(["```text", *lines[-_TAIL:], "```"])
            out.append(
                f"`{one.command}`; commit {was['commit']}; exit code {was['code']}\n\n{shown}\n"
            )
    return "\n".join(out)


def main(typed: Sequence[str] | None = None) -> int:
    """Run what is asked for; return 0 if all went well."""
    parser = argparse.ArgumentParser(prog="make numbers", description=__doc__)
    parser.add_argument("--data", type=Path, help="a Freqtrade data directory (holds futures/)")
    parser.add_argument("--events", type=Path, help="a folder of data directories of crashes")
    parser.add_argument("--userdir", type=Path, default=ROOT / "user_data" / "numbers")
    parser.add_argument("--only", nargs="+", default=[], help="words in a page's name or command")
    parser.add_argument("--list", action="store_true", help="show the commands, run none")
    options = parser.parse_args(typed)
    found = [
        m for m in measurements()
        if not options.only or any(word in f"{m.page} {m.command}" for word in options.only)
    ]  # fmt: skip
    if not found:
        parser.error(f"no measured table has one of {options.only} in its page's name or command")
    if options.list:
        print("\n".join(f"{m.page}: {m.command or 'no command: ' + m.note}" for m in found))
        return 0
    if options.data is None or not (options.data / "futures").is_dir():
        parser.error(f"expected --data with a folder futures/ in it, got {options.data}")
    return run(found, options.data.resolve(), options.events, options.userdir.resolve())


if __name__ == "__main__":
    sys.exit(main())
