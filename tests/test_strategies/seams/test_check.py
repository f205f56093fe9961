"""What a bot does at its start about seams that are gone, and what the doctor says."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import Exchange
from freqtrade.freqai.data_drawer import FreqaiDataDrawer

from models.base.errors import ConfigError
from strategies.desk.cli import main
from strategies.seams import catalog, shadowed
from strategies.seams.catalog import libraries_of, seams_in
from strategies.seams.check import check_all
from strategies.seams.fast_mode import FastMode, fast_lane_runs, fast_mode
from strategies.seams.freqai_booking import ANSWER_BOOKING
from strategies.seams.record import Library
from tests.places import ROOT, USER_DATA


def config(runmode: RunMode, **more: Any) -> dict[str, Any]:
    return {"runmode": runmode, **more}


def test_live_when_a_seam_of_safety_is_gone_then_it_does_not_start_and_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(Exchange, "_contracts_to_amount")
    with pytest.raises(OperationalException) as refused:
        check_all(config(RunMode.LIVE))
    said = str(refused.value)
    assert "Exchange has no _contracts_to_amount" in said
    assert "strategies/seams/contract_sizes.py" in said
    assert "freqtrade==" in said
    assert "breakwater doctor" in said


@pytest.mark.parametrize("runmode", [RunMode.DRY_RUN, RunMode.BACKTEST])
def test_dry_run_and_backtest_when_a_seam_of_safety_is_gone_then_they_start_and_say_so(
    runmode: RunMode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(Exchange, "_contracts_to_amount")
    (gone,) = check_all(config(runmode))
    assert gone.seam.safety
    assert "seam gone: Exchange._contracts_to_amount" in caplog.text


def test_live_when_only_a_feature_is_gone_then_it_starts_and_says_once_what_is_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(Exchange, "_lev_prep")
    (gone,) = check_all(config(RunMode.LIVE))
    assert gone.seam.name.startswith("Exchange._lev_prep")
    assert caplog.text.count("two more requests on the way to each entry") == 1


def test_libraries_when_a_bot_has_neither_forecasts_nor_telegram_then_only_the_exchange_is_probed(
) -> None:  # fmt: skip
    on = {"enabled": True}
    assert libraries_of(config(RunMode.LIVE)) == (Library.EXCHANGE,)
    assert libraries_of(config(RunMode.LIVE, freqai=on, telegram=on)) == tuple(Library)
    backtest = config(RunMode.BACKTEST, freqai=on, telegram=on)
    assert libraries_of(backtest) == (Library.EXCHANGE, Library.FREQAI)


def test_catalogue_when_a_file_cannot_be_imported_then_it_counts_as_gone_for_safety(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "_FILES", {Library.EXCHANGE: ("no_such_file",)})
    (seam,) = seams_in([Library.EXCHANGE])
    assert seam.safety
    assert "ModuleNotFoundError" in seam.missing()
    assert seam.file == "strategies/seams/no_such_file.py"


# -- the fast lane's switch -----------------------------------------------------------------------


def test_fast_mode_when_nothing_is_said_then_it_is_auto_and_a_wrong_word_is_refused() -> None:
    assert fast_mode({}) is FastMode.AUTO
    assert fast_mode({"breakwater": {"fast": "off", "limits": {}}}) is FastMode.OFF
    with pytest.raises(ConfigError, match="auto, off"):
        fast_mode({"breakwater": {"fast": "of"}})


def test_fast_lane_when_a_seam_it_needs_is_gone_then_it_stays_off_and_says_which(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert fast_lane_runs({}, "booking", [ANSWER_BOOKING])
    assert not fast_lane_runs({"breakwater": {"fast": "off"}}, "booking", [ANSWER_BOOKING])
    assert caplog.text == ""
    monkeypatch.delattr(FreqaiDataDrawer, "load_data")
    assert not fast_lane_runs({}, "booking", [ANSWER_BOOKING])
    assert "the fast lane stays off (booking); FreqaiDataDrawer" in caplog.text


# -- another package of our name ------------------------------------------------------------------


def test_packages_when_they_are_ours_then_none_is_shadowed() -> None:
    assert shadowed.shadowed_packages() == {}


def test_start_when_another_package_has_our_name_then_it_is_refused_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "freqaimodels").mkdir()
    (tmp_path / "freqaimodels" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "freqaimodels", raising=False)
    for name in [name for name in sys.modules if name.startswith("freqaimodels.")]:
        monkeypatch.delitem(sys.modules, name)
    assert shadowed.shadowed_packages() == {"freqaimodels": str(tmp_path / "freqaimodels")}
    with pytest.raises(OperationalException, match="Another package has the name"):
        check_all(config(RunMode.BACKTEST))
    monkeypatch.delitem(sys.modules, "freqaimodels")


def test_packages_when_a_name_cannot_be_imported_then_that_is_said() -> None:
    (place,) = shadowed.shadowed_packages(("no_such_package",)).values()
    assert place.startswith("nowhere")


# -- the doctor -----------------------------------------------------------------------------------


def test_doctor_when_all_is_well_then_it_lists_every_seam_and_the_versions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert f"all {len(seams_in())} seams are as expected" in said
    for name in ("freqtrade", "ccxt", "onnxruntime", "python", "Exchange._api", "Telegram._init"):
        assert name in said


def test_doctor_when_given_a_config_then_it_judges_what_a_live_bot_would_start_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = ["--config", str(USER_DATA / "config_bitcoin.json")]
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("FREQTRADE__DRY_RUN", "false")
    assert main(["doctor", *shipped]) == 0
    assert "safety can rely on all of them" in capsys.readouterr().out
    loose = tmp_path / "loose.json"
    loose.write_text(json.dumps({"trailing_stop": True, "initial_state": "stopped"}))
    monkeypatch.setenv("FREQTRADE__USE_CUSTOM_STOPLOSS", "false")
    assert main(["doctor", *shipped, "--config", str(loose)]) == 1
    said = capsys.readouterr().out
    assert "- refused: use_custom_stoploss: expected true, got false from the environment" in said
    assert "- refused: trailing_stop: expected false, got true from the config" in said
    assert "- overridden: initial_state" in said
    assert "2 refused" in said


def test_doctor_when_a_feature_is_gone_then_it_says_what_is_off_and_ends_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(Exchange, "_lev_prep")
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "lacks: Exchange has no _lev_prep" in said
    assert "off:   two more requests on the way to each entry" in said
    assert "cure:" in said


def test_doctor_when_safety_is_gone_then_it_says_so_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(Exchange, "_contracts_to_amount")
    assert main(["doctor"]) == 1
    assert "live trading does not start" in capsys.readouterr().out


def test_exchange_seams_when_imported_alone_then_neither_freqai_nor_telegram_is_loaded() -> None:
    code = (
        "import sys; from strategies.seams.catalog import seams_in;"
        "from strategies.seams.record import Library;"
        "assert seams_in([Library.EXCHANGE]);"
        "print([m for m in ('telegram', 'freqtrade.freqai', 'torch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert logging.getLogger("strategies").propagate
