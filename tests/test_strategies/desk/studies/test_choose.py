"""`breakwater choose`: an answer of what was measured here, or that nothing passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.operate.control.commands import JOURNAL_FOLDER
from models.operate.journal.journal import Journal
from models.serve.latency import CandleLatency
from strategies.desk.cli import main
from strategies.desk.studies import choose
from tests.test_models.studies.choose.measured import comparison, estimate, passing


def write(userdir: Path, numbers: dict[str, Any] | str, name: str = "compare-1") -> None:
    folder = userdir / "reports" / name
    folder.mkdir(parents=True)
    text = numbers if isinstance(numbers, str) else json.dumps(numbers)
    (folder / "report.json").write_text(text, encoding="utf-8")


def said(capsys: pytest.CaptureFixture[str], userdir: Path, *words: str) -> tuple[int, str]:
    code = main(["choose", "--userdir", str(userdir), *words])
    out = capsys.readouterr()
    return code, out.out + out.err


def test_choose_when_a_model_passes_then_it_is_named_with_what_is_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, comparison(passing(), passing("gru", seeds=1)))
    code, out = said(capsys, tmp_path, "--style", "intraday")
    assert code == 0
    assert "TAKE LSTM: every bar is passed, net +30.0% (+20.0% to +40.0%) in 240 days" in out
    assert "GRU (compare-1, 1 seed(s), 240 days, commit abc):" in out
    assert "how sure: " in out
    assert "5%" in out.partition("how sure")[2].splitlines()[0]
    assert "breakwater demo --config user_data/config_style_intraday_1h.json" in out


def test_choose_when_none_passes_then_it_says_so_and_what_to_do_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, comparison(passing(net_return=estimate(0.0))))
    code, out = said(capsys, tmp_path, "--yes")
    assert code == 1
    assert "NO MODEL PASSES" in out
    assert "its result after costs cannot be told from zero: +0.0% (-100.0% to +100.0%)" in out
    assert "breakwater choose --style volatility" in out


def test_choose_when_nothing_was_measured_then_nothing_is_recommended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, comparison(passing(), simulated=True))
    write(tmp_path, "{torn", "compare-2")
    write(tmp_path, {"kind": "compare", "format": 1, "run": {}, "models": []}, "compare-3")
    code, out = said(capsys, tmp_path, "--style", "scalp")
    assert code == 1
    assert "nothing was measured here on these candles" in out
    assert "not read: compare-2: cannot be read" in out
    assert "not read: compare-3: the comparison does not say its pair" in out
    assert "breakwater compare --config user_data/config_style_scalp.json" in out


def test_choose_when_leverage_is_asked_for_then_the_worst_hour_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out = said(capsys, tmp_path, "--leverage", "5", "--json")
    limits = json.loads(out)["limits"]
    assert limits["loses_at_asked_frac"] == 1.0
    assert limits["long"] == pytest.approx(0.9 * 0.25 / limits["worst_fall_frac"], abs=0.01)
    _, low = said(capsys, tmp_path, "--leverage", "0.1", "--json")
    assert json.loads(low)["limits"]["long"] == 0.1
    _, other = said(capsys, tmp_path, "--pair", "NEW/USDT:USDT", "--yes")
    assert "(assumed: nobody measured it)" in other


@pytest.mark.parametrize(
    ("style", "expected"),
    [("hedge", "LitecoinHedge without a model"), ("volatility", "VolatilityForecaster")],
)
def test_choose_when_no_direction_is_asked_for_then_it_answers_without_one(
    style: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = said(capsys, tmp_path, "--style", style)
    assert code == 0
    assert expected in out
    assert "not measured here" in out
    write(tmp_path, {}, "hedge-1")
    write(tmp_path, {}, "exposure-1")
    _, out = said(capsys, tmp_path, "--style", style)
    assert "measured here: " in out


def test_choose_when_a_bot_has_run_then_its_own_delay_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(tmp_path / JOURNAL_FOLDER)
    for sent in (100.0, 250.0, 4000.0):
        journal.append("latency", CandleLatency(pair="BTC", candle_ms=0, at_ms={"sent": sent}))
    journal.append("latency", CandleLatency(pair="BTC", candle_ms=0, at_ms={"data": 1.0}))
    _, out = said(capsys, tmp_path, "--json")
    assert json.loads(out)["delay_s"] == 0.25
    _, out = said(capsys, tmp_path, "--json", "--delay", "7")
    assert json.loads(out)["delay_s"] == 7.0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--style", "scalping"], "expected one of scalp, intraday, swing, position, hedge"),
        (["--skill", "guru"], "expected one of new, freqtrade, research, got 'guru'"),
        (["--delay", "nan"], "expected delay_s >= 0, got nan"),
    ],
)
def test_choose_when_it_is_typed_wrong_then_the_words_it_takes_are_said(
    words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = said(capsys, tmp_path, *words)
    assert code == 2
    assert expected in out


def test_choose_when_a_person_is_asked_then_an_empty_answer_takes_what_is_usual(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, comparison(passing(), timeframe="4h"))
    monkeypatch.setattr(choose, "_may_ask", lambda _: True)
    answers = iter(["swing", "", "3", ""])
    options = choose.ChooseOptions(userdir=tmp_path)
    assert choose.run_choose(options, lambda _: next(answers)) == 0
    out = capsys.readouterr().out
    assert "swing, BTC/USDT:USDT, candles of 4h" in out
    assert "At 3x" in out
