"""What the page about growing tells to type, typed: Ray's lines parsed, a server's programs run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from freqtrade.persistence import Trade, init_db

from models.learn.training.settings import ModelSettings
from tests.places import ROOT
from tests.postgres import PASSWORD, rows, running_server
from tests.test_contract import pages
from tests.test_contract.pages import PAGES, Command

(PAGE,) = [page for page in PAGES if page.name == "growing.md"]
ALL = [command for page in PAGES for command in pages.typed(page)]
RAY = sorted({command.line for command in ALL if command.program == "ray"})


@pytest.mark.parametrize("line", RAY)
def test_ray_line_when_parsed_then_ray_s_own_parser_takes_it(line: str) -> None:
    with warnings.catch_warnings(action="ignore"):  # of Ray's own, about its libraries
        from ray.scripts.scripts import cli
    _, name, *words = Command.of(line).words
    cli.commands[name].make_context(name, list(words))


def test_config_when_the_page_shows_one_then_the_pack_takes_it() -> None:
    (block,) = re.findall(r"^```json\n(.*?)^```$", pages.text(PAGE), re.MULTILINE | re.DOTALL)
    blocks = json.loads(block)["freqai"]["model_training_parameters"]
    assert ModelSettings.from_blocks(blocks, where="the page").training.executor == "ray"


def lines(*programs: str) -> list[Command]:
    """Return what the page tells to type to one of the programs, `sudo -u postgres` left out."""
    found = [Command.of(c.line.removeprefix("sudo -u postgres ")) for c in pages.typed(PAGE)]
    return [command for command in found if command.program in programs]


def test_database_lines_when_typed_on_a_real_server_then_they_make_fill_and_save_a_database(
    tmp_path: Path,
) -> None:
    with running_server() as server:
        at = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port)}
        who = {"PGUSER": "breakwater", "PGPASSWORD": PASSWORD, "PYTHONPATH": str(ROOT)}
        env = {**os.environ, **at, **who}

        def typed(command: Command, answer: str = "", **more: str) -> None:
            done = subprocess.run(
                command.words, cwd=tmp_path, env=env | more, input=answer, text=True, check=False,
                timeout=120, start_new_session=True, capture_output=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr

        made, filled, saved = lines("createuser", "createdb"), lines("freqtrade"), lines("pg_dump")
        assert [len(made), len(saved)] == [2, 1]
        for command in made:
            typed(command, "bots-own-word\nbots-own-word\n")
        (convert,) = [command for command in filled if "convert-db" in command.words]
        told = re.match(r"FREQTRADE__DB_URL=(\S+) ", convert.line)
        assert told is not None
        url = told[1].replace("PASSWORD", "bots-own-word").replace(":5432/", f":{server.port}/")
        (tmp_path / "user_data").mkdir()  # as in a checkout
        old(tmp_path / "tradesv3.sqlite")
        freqtrade = Command(convert.line, (sys.executable, "-m", "freqtrade", *convert.words[1:]))
        typed(freqtrade, FREQTRADE__DB_URL=url)
        assert rows(url, "SELECT pair, is_open FROM trades") == [
            {"pair": "BTC/USDT:USDT", "is_open": True}
        ]
        typed(saved[0])
        assert "BTC/USDT:USDT" in (tmp_path / "bot_trades.sql").read_text(encoding="utf-8")


def old(file: Path) -> None:
    """Write a trades database in a file, with an open trade."""
    init_db(f"sqlite:///{file}")
    trade = Trade(
        pair="BTC/USDT:USDT", exchange="binance", amount=1.0, stake_amount=1.0, open_rate=1.0,
        fee_open=0.0, fee_close=0.0, is_open=True,
    )  # fmt: skip
    Trade.session.add(trade)
    Trade.commit()
    Trade.session.remove()
