"""`breakwater init`: ask what is wanted, and write a bot's own folder whole or not at all."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from models.base.errors import ConfigError, PackError
from models.base.files import Sync, sync_folder, wall_clock_ms, write_atomic
from strategies.desk.folder.asked import (
    LOOPBACK,
    AskedBot,
    BotStyle,
    checked_amount,
    checked_exchange,
    checked_folder,
    checked_pair,
    checked_style,
    supported_exchanges,
    usual_pair,
)
from strategies.desk.folder.candles import (
    CandleSpan,
    checked_candles,
    copy_candles,
    files_read,
    settled_by,
    timerange_before,
)
from strategies.desk.folder.configs import shared_config
from strategies.desk.folder.record import RECORD_FILE, record_of_files, record_text
from strategies.desk.folder.written import (
    candles_of,
    download_line,
    installed_here,
    pack_line,
    written_files,
)
from strategies.desk.terminal.places import USER_DATA
from strategies.desk.terminal.typed import positive, typed

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class GivenOptions:
    """What the command line had; None where it said nothing."""

    style: str | None = None
    pair: str | None = None
    exchange: str | None = None
    data: Path | None = None
    amount: float | None = None
    yes: bool = False


def run_init(folder: Path, given: GivenOptions) -> int:
    """Write the folder of a bot, and say what to type next; 0 when it is there."""
    target = checked_folder(folder)
    asking = not given.yes and sys.stdin is not None and sys.stdin.isatty()
    questions = _Questions(asking)
    style = questions.ask("style", f"Style ({', '.join(BotStyle)})", given.style,
                          BotStyle.INTRADAY, checked_style)  # fmt: skip
    exchange = questions.ask(
        "exchange", f"Exchange ({', '.join((*supported_exchanges(), LOOPBACK))})", given.exchange,
        supported_exchanges()[0], checked_exchange,
    )  # fmt: skip
    pair = questions.ask("pair", "Pair", given.pair, usual_pair(style),
                         lambda word: checked_pair(word, exchange))  # fmt: skip
    amount = _amount(questions, style, pair, given.amount)
    data = _data(questions, exchange, given.data)
    asked = AskedBot(
        style=style, pair=pair, exchange=exchange, amount_base=amount, timerange="", train_days=0,
        api_port=_free_port(), loopback_port=_free_port() if exchange == LOOPBACK else 0,
        replay_from_ms=0, made_ms=wall_clock_ms(),
    )  # fmt: skip
    _make(target, asked, data)
    return 0


class _Questions:
    """One question at a time where a person is there to answer; else what was given, or the usual.

    Parameters
    ----------
    asking
        Whether there is a person.
    """

    def __init__(self, asking: bool) -> None:
        self._asking = asking

    def ask(
        self, name: str, words: str, given: str | None, usual: str, check: Callable[[str], _T]
    ) -> _T:
        """Return a checked answer; ConfigError where there is none and nothing is usual."""
        if given is not None:
            return check(given)
        while self._asking:
            answer = typed(f"{words} [{usual}]: " if usual else f"{words}: ") or usual
            if not answer:
                break  # nobody is there any more
            try:
                return check(answer)
            except PackError as error:
                print(f"  {error}")
        if not usual:
            raise ConfigError(f"expected --{name}, got nothing", where=f"--{name}",
                              cure=f"give it: {words[:1].lower()}{words[1:]}")  # fmt: skip
        return check(usual)


def _amount(questions: _Questions, style: BotStyle, pair: str, given: float | None) -> float:
    if given is not None or style is not BotStyle.HEDGE:
        return checked_amount(style, pair, given)
    usual = f"{checked_amount(style, pair, None):g}" if pair == usual_pair(style) else ""
    coin = pair.partition("/")[0]
    return questions.ask("amount", f"How many {coin} are to be hedged", None, usual, _coins)


def _coins(word: str) -> float:
    try:
        return positive(word)
    except argparse.ArgumentTypeError as error:
        raise ConfigError(str(error), where="--amount") from error


def _data(questions: _Questions, exchange: str, given: Path | None) -> Path | None:
    replays = exchange == LOOPBACK
    downloaded = USER_DATA / "data" / "binance"
    usual = str(downloaded) if replays and (downloaded / "futures").is_dir() else ""
    if given is not None:
        return checked_candles(given, real=not replays)
    if not replays:
        answer = questions.ask("data", "Candles to copy, a folder with futures/", None, "none",
                               lambda word: word)  # fmt: skip
        return None if answer == "none" else checked_candles(Path(answer), real=True)
    return questions.ask(
        "data", "Candles to replay, a Freqtrade data directory (holds futures/)", None, usual,
        lambda word: checked_candles(Path(word), real=False),
    )  # fmt: skip


def _make(target: Path, asked: AskedBot, data: Path | None) -> None:
    config = shared_config(asked, target)
    span = CandleSpan(timerange=timerange_before(asked.made_ms, asked.parts.backtest_days),
                      train_days=0, replay_from_ms=0)  # fmt: skip
    files: list[Path] = []
    if data is not None:
        files = files_read(config, data)
        span = settled_by(config, data, asked.parts.backtest_days)
    asked = AskedBot(**{**vars(asked), **vars(span)})
    place_whole(target, asked, lambda folder: _brought(folder, asked, files, data))
    print(_made(target, asked, config, data))


def _brought(folder: Path, asked: AskedBot, files: list[Path], data: Path | None) -> None:
    if data is not None:
        copy_candles(files, data, candles_of(asked, folder))


def place_whole(target: Path, asked: AskedBot, bring: Callable[[Path], None]) -> None:
    """Write a folder beside `target`, and let it take that name when all of it is there.

    Raises
    ------
    OSError
        If it cannot be written; nothing is at `target` then.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{token_hex(4)}.new")
    fresh.mkdir()
    try:
        files = written_files(asked, target, installed_here())
        bring(fresh)
        for name, text in files.items():
            put_file(fresh / name, text.encode())
        put_file(fresh / RECORD_FILE, record_text(record_of_files(asked, target, files)).encode())
        sync_folder(fresh)
        os.rename(fresh, target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    sync_folder(target.parent)


def put_file(path: Path, data: bytes) -> None:
    """Write a file and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, data, sync=Sync.CONTENT)


def _made(target: Path, asked: AskedBot, config: Mapping[str, Any], data: Path | None) -> str:
    here, installed = str(target), installed_here()
    candles = ", ".join(config["exchange"]["pair_whitelist"])
    brought = f"; candles of {candles} copied from {data}" if data else ""
    if asked.replays:
        following = f"{pack_line(installed, 'exchange', here)}    (in a terminal of its own)"
    elif data is None:
        following = download_line(asked, target, installed)
    else:
        following = pack_line(installed, "doctor", here)
    return (
        f"{target}: {asked.style}, {asked.pair} on {asked.exchange}{brought}\n"
        f"all commands with their paths: {target / 'README.md'}\nnext: {following}"
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
