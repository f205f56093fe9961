"""`breakwater init`: a folder whole or none, whatever was asked; nothing asked where nobody is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from strategies.account.config_files import config_of_files
from strategies.bot.data_files import MARKER
from strategies.desk.cli import main
from strategies.desk.folder import create as create
from strategies.desk.folder.asked import BotStyle
from strategies.desk.folder.record import known_folder
from strategies.desk.folder.settings import judged_settings
from tests.places import ROOT
from tests.test_strategies.desk.folder.conftest import Make


def config(folder: Path, stage: str = "live") -> dict:
    return config_of_files([folder / f"config_{stage}.json"])


@pytest.mark.parametrize("style", list(BotStyle))
def test_style_when_its_folder_is_made_then_a_live_bot_starts_with_its_settings_and_classes(
    style: BotStyle, make: Make
) -> None:
    folder = make("--style", style)
    judged = judged_settings([folder / "config_live.json"], "")
    assert (judged.lines, judged.unjudged) == ((), "")
    live, dry, backtest = (config(folder, stage) for stage in ("live", "dry_run", "backtest"))
    assert (live["dry_run"], dry["dry_run"]) == (False, True)
    assert len({live["db_url"], dry["db_url"]}) == 2
    assert all(str(folder) in one["db_url"] for one in (live, dry))
    assert {str(one["user_data_dir"]) for one in (live, dry, backtest)} == {str(folder)}
    assert {one["initial_state"] for one in (live, dry)} == {"running"}
    assert live["api_server"]["listen_port"] > 1023
    assert (folder / "strategies" / f"{live['strategy']}.py").is_file()
    assert bool(live.get("freqaimodel")) == (style is not BotStyle.HEDGE)


def test_folder_when_stock_freqtrade_looks_into_it_then_it_finds_strategy_and_model(
    make: Make,
) -> None:
    folder = make()
    for command, name in (("list-strategies", "BitcoinCrossMargin"),
                          ("list-freqaimodels", "LSTMForecaster")):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "freqtrade", command, "-1", "--userdir", str(folder)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert name in done.stdout.split(), done.stderr


def test_pair_when_another_is_asked_for_then_everything_is_about_that(make: Make) -> None:
    live = config(make("--pair", "sol"))
    assert live["exchange"]["pair_whitelist"] == ["SOL/USDT:USDT"]
    assert live["freqai"]["identifier"] == "intraday_sol"
    assert live["freqai"]["model_training_parameters"]["labels"]["cascade_floor_frac"] == 0.04
    usdc = make("--pair", "BTC/USDC:USDC", name="usdc")
    assert config(usdc)["stake_currency"] == "USDC"
    assert judged_settings([usdc / "config_live.json"], "").lines == ()


def test_hedge_when_of_another_coin_then_that_is_hedged_and_does_not_hedge_itself(
    make: Make,
) -> None:
    folder = make("--style", "hedge", "--pair", "ETH/USDT:USDT", "--amount", "3")
    hedge = config(folder)["breakwater"]["hedge"]
    assert (hedge["primary"]["pair"], hedge["primary"]["amount_base"]) == ("ETH/USDT:USDT", 3)
    assert hedge["instruments"] == ["BTC/USDT:USDT"]
    assert judged_settings([folder / "config_live.json"], "").lines == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--exchange", "okx"), "got 'okx'; its cross margin, stops and tiers are not modelled"),
        (("--exchange", "bogus"), "got 'bogus', and ccxt knows none of that name"),
        (("--style", "fast"), "expected a style, got 'fast'"),
        (("--pair", "BTC/USDT"), "expected a perpetual, got 'BTC/USDT'"),
        (("--pair", "NOSUCHCOIN"), "no margin tiers for ['NOSUCHCOIN/USDT:USDT']"),
        (("--exchange", "loopback"), "expected --data, got nothing"),
        (("--exchange", "loopback", "--pair", "BTC/USDC:USDC"), "expected a perpetual in USDT"),
        (("--exchange", "loopback", "--data", "/nowhere"), "no such directory: /nowhere"),
        (("--style", "hedge", "--pair", "SOL"), "expected --amount, got nothing"),
        (("--amount", "3"), "expected no amount for intraday"),
        (("--amount", "nan"), "expected a number > 0, got 'nan'"),
    ],
)
def test_init_when_something_cannot_be_had_then_it_is_refused_by_name_and_nothing_is_there(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["init", "bot", "--yes", *words])
    except SystemExit as ended:  # argparse's own way
        code = int(ended.code or 0)
    assert code == 2
    error = capsys.readouterr().err
    assert said in error
    assert "cure:" in error or "usage:" in error
    assert list(tmp_path.iterdir()) == []


def test_data_when_simulated_then_no_real_bot_gets_them_and_a_replay_stays_marked(
    make: Make, candles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated = tmp_path / "simulated"
    shutil.copytree(candles, simulated)
    (simulated / MARKER).write_text('{"files": []}', encoding="utf-8")
    assert main(["init", str(tmp_path / "a"), "--yes", "--data", str(simulated)]) == 2
    assert "found simulated or replayed ones" in capsys.readouterr().err
    folder = make("--exchange", "loopback", "--data", str(simulated))
    assert (folder / "candles" / MARKER).is_file()


def test_data_when_given_then_only_what_the_bot_reads_is_copied_and_a_replay_lies_apart(
    make: Make, candles: Path
) -> None:
    before = {path: path.read_bytes() for path in candles.rglob("*.feather")}
    real = make("--data", str(candles), name="real")
    names = {path.name for path in (real / "data" / "binance" / "futures").iterdir()}
    assert names == {f"BTC_USDT_USDT-1h-{kind}.feather"
                     for kind in ("futures", "mark", "funding_rate")}  # fmt: skip
    replayed = make("--exchange", "loopback", name="replayed")
    assert {p.name for p in (replayed / "candles" / "futures").iterdir()} == names
    assert [p.name for p in (replayed / "data" / "binance").iterdir()] == [MARKER]
    assert {path: path.read_bytes() for path in candles.rglob("*.feather")} == before


def test_data_when_a_file_is_missing_then_it_is_named_with_the_download(
    candles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--style", "scalp", "--data", str(candles)]
    assert main(["init", str(tmp_path / "bot"), "--yes", *words]) == 2
    error = capsys.readouterr().err
    assert "expected BTC_USDT_USDT-5m-futures.feather, found" in error
    assert "freqtrade download-data" in error
    assert list(tmp_path.iterdir()) == []


def test_folder_when_something_is_there_then_it_is_refused_and_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken, file, empty = tmp_path / "taken", tmp_path / "file", tmp_path / "empty"
    taken.mkdir()
    empty.mkdir()
    (taken / "mine.txt").write_text("mine", encoding="utf-8")
    file.write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to(empty)
    for folder, found in ((taken, "found mine.txt"), (file, "found something else"),
                          (tmp_path / "link", "found something else")):  # fmt: skip
        assert main(["init", str(folder), "--yes"]) == 2
        assert found in capsys.readouterr().err
    assert [path.name for path in taken.iterdir()] == ["mine.txt"]
    assert main(["init", str(empty), "--yes"]) == 0
    assert main(["init", str(empty), "--yes"]) == 2


def test_folder_when_its_path_cannot_stand_in_a_unit_then_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / 'a"b'), "--yes"]) == 2
    assert "letters, digits, spaces" in capsys.readouterr().err


def test_folder_when_two_are_made_at_once_then_one_wins_and_the_other_says_so(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def meanwhile(*words: object) -> dict[str, str]:
        monkeypatch.undo()
        make()
        return files(*words)

    files = create.written_files
    monkeypatch.setattr(create, "written_files", meanwhile)
    assert main(["init", str(tmp_path / "bot"), "--yes", "--style", "hedge"]) == 2
    assert "error:" in capsys.readouterr().err
    assert known_folder(tmp_path / "bot")[1].asked.style is BotStyle.INTRADAY
    assert [path.name for path in tmp_path.iterdir()] == ["bot"]


def test_folder_when_it_cannot_be_written_there_then_it_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["init", "/proc/bot", "--yes"]) == 2
    error = capsys.readouterr().err
    assert "/proc/" in error
    assert "look at disk and permissions" in error


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("full")])
def test_folder_when_interrupted_then_nothing_is_left(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(create, "record_text", broken)  # after most files are there
    assert main(["init", str(tmp_path / "bot"), "--yes"]) in (2, 130)
    assert list(tmp_path.iterdir()) == []


def test_folder_when_killed_while_it_is_written_then_it_is_not_there(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        create.record_text = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        main(["init", str(tmp_path / "bot"), "--yes"])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (tmp_path / "bot").exists()
    assert main(["init", str(tmp_path / "bot"), "--yes"]) == 0


def test_questions_when_a_person_is_there_then_one_at_a_time_until_each_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    answers = ["fastest", "hedge", "okx", "", "SOL", "", "12", ""]

    def answer(question: str) -> str:
        asked.append(question)
        return answers[len(asked) - 1]

    monkeypatch.setattr("strategies.desk.terminal.typed.input", answer, raising=False)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    # Without an amount that is usual an empty answer ends it.
    assert main(["init", str(tmp_path / "bot")]) == 2
    answers[5] = "12"
    asked.clear()
    answers[6] = ""
    assert main(["init", str(tmp_path / "bot")]) == 0
    assert [question.split(" ")[0] for question in asked] == [
        "Style", "Style", "Exchange", "Exchange", "Pair", "How", "Candles",
    ]  # fmt: skip
    out = capsys.readouterr().out
    assert "expected a style, got 'fastest'" in out
    assert "got 'okx'" in out
    assert config(tmp_path / "bot")["breakwater"]["hedge"]["primary"]["amount_base"] == 12


def test_record_when_read_then_it_says_what_was_asked_and_knows_every_file(make: Make) -> None:
    folder = make("--style", "swing", "--pair", "ETH")
    _, record = known_folder(folder)
    assert (record.asked.style, record.asked.pair) == (BotStyle.SWING, "ETH/USDT:USDT")
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert set(record.files) == there - {"breakwater.json"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("not json", "expected JSON"),
        ("[]", "expected a JSON object"),
        ({"format": 2}, "expected format 1, got 2"),
        ({"files": {"a": 1}}, "expected files to be"),
        ({"files": {"../a": "b"}}, "expected a place in the folder"),
        ({"asked": None}, "expected asked to be a block"),
        ({"asked": {"style": "fast"}}, "broken"),
    ],
)
def test_record_when_broken_then_it_is_an_error_in_words(
    make: Make, change: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make() / "breakwater.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    text = change if isinstance(change, str) else json.dumps({**kept, **change})
    path.write_text(text, encoding="utf-8")
    for command in ("doctor", "upgrade", "acknowledge", "exchange"):
        assert main([command, str(path.parent)]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "cure:" in error
