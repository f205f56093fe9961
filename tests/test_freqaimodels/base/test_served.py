"""A bot that never trains: it serves what an import brought, and newer models with its next candle.

The models are those of a bot that has trained; they travel as a bundle does.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from freqtrade.exceptions import OperationalException
from freqtrade.freqai import freqai_interface

from models.base.protocols import MADE_OF
from models.base.types import Artifact
from models.serve import rehearsal
from models.serve.predictor import Predictor
from models.serve.saved import predictor_to_bytes
from strategies.desk.bundles.contents import Bundle, BundledModel
from strategies.desk.bundles.export import bundle_of
from strategies.desk.bundles.install import install_bundle
from tests.test_freqaimodels.bots import BTC, Bot, running


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bot:
    monkeypatch.setattr(freqai_interface.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(rehearsal, "_rehearse_elsewhere", lambda data, where: None)
    return running(Bot(tmp_path / "trainer", live_retrain_hours=24))


def served(folder: Path, bundle: Bundle, trained: Bot) -> Bot:
    """A bot elsewhere that has been brought the bundle, and its first answer."""
    models = folder / "models" / Path(trained.model.full_path).name
    install_bundle(bundle, "0" * 16, models, older=False)
    bot = Bot(folder, training="elsewhere", live_retrain_hours=24, hours=3)
    assert Path(bot.model.full_path) == models  # of the same config and code
    bot.candle()  # FreqAI's first answer is empty
    return bot


def titled(bundle: Bundle, title: str, later_s: int = 60) -> Bundle:
    """Return the bundle with its model named, and trained later."""
    [one] = bundle.models
    known = one.predictor("")
    manifest = {**known.manifest, "title": title}
    artifact = Artifact(known.artifact.onnx, manifest, known.artifact.weights)
    data = predictor_to_bytes(Predictor(artifact, known.history, known.history_time_ms))
    return replace(bundle, models=[replace(one, data=data, trained_s=one.trained_s + later_s)])


def bring(bot: Bot, bundle: Bundle, digest: str) -> None:
    install_bundle(bundle, digest, Path(bot.model.full_path), older=True)


def test_bot_when_trained_elsewhere_then_it_answers_as_the_trainer_and_trains_nothing(
    tmp_path: Path, trained: Bot
) -> None:
    bot = served(tmp_path / "trader", bundle_of(Path(trained.model.full_path)), trained)
    while bot.provider.hours > trained.provider.hours:
        trained.candle()
    mine, theirs = bot.candle(), trained.candle()
    assert mine["date"] == theirs["date"]
    assert mine["do_predict"] == 1
    assert mine.dropna().to_dict() == theirs.dropna().to_dict()
    assert bot.retrain() == 0
    assert bot.executor.jobs == []
    assert bot.pauses == [threading.TIMEOUT_MAX]  # its thread waits for the end of the bot


def test_bot_when_trained_elsewhere_then_it_downloads_what_a_forecast_needs_only(
    tmp_path: Path, trained: Bot
) -> None:
    bot = served(tmp_path / "trader", bundle_of(Path(trained.model.full_path)), trained)
    assert bot.model.config["freqai"]["train_period_days"] == 1
    noted = json.loads((Path(bot.model.full_path) / MADE_OF).read_text(encoding="utf-8"))
    assert noted["freqai"]["train_period_days"] == 20


@pytest.mark.parametrize("fast", ["auto", "off"])
def test_newer_model_when_imported_while_it_runs_then_the_next_candle_is_its(
    tmp_path: Path, trained: Bot, fast: str
) -> None:
    bundle = bundle_of(Path(trained.model.full_path))
    bot = served(tmp_path / "trader", bundle, trained)
    bot.model.fast._runs = fast == "auto"
    bot.candle()
    before = bot.served()
    bring(bot, titled(bundle, "newer"), "1" * 16)
    assert bot.served() == before  # not in the middle of a candle
    bot.model.catch_up()
    assert bot.served() == "newer"
    assert bot.trained_s() == bundle.models[0].trained_s + 60
    assert "another model serves now" in bot.provider.messages[-1]
    assert [bot.candle()["do_predict"] for _ in range(2)] == [1, 1]
    told = len(bot.provider.messages)
    bot.model.catch_up()
    assert len(bot.provider.messages) == told


def test_newer_model_when_it_cannot_serve_then_the_one_before_goes_on_and_it_is_told_once(
    tmp_path: Path, trained: Bot
) -> None:
    bundle = bundle_of(Path(trained.model.full_path))
    bot = served(tmp_path / "trader", bundle, trained)
    bot.candle()
    before = bot.served()
    bring(bot, titled(bundle, "newer"), "1" * 16)
    (file,) = (Path(bot.model.full_path) / f"bundle-{'1' * 16}").glob("*_model.arrays")
    file.write_bytes(b"something else")
    for _ in range(3):
        assert bot.candle()["do_predict"] == 1
        bot.model.catch_up()
    assert bot.served() == before
    refused = [m for m in bot.provider.messages if "newer models are refused" in m]
    assert len(refused) == 1
    assert "cannot read the arrays" in refused[0]
    bring(bot, titled(bundle, "mended"), "2" * 16)
    bot.model.catch_up()
    assert bot.served() == "mended"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"BTC/USDT:USDT": 1}'])
def test_file_of_pairs_when_broken_while_it_runs_then_the_models_go_on(
    tmp_path: Path, trained: Bot, text: str
) -> None:
    bot = served(tmp_path / "trader", bundle_of(Path(trained.model.full_path)), trained)
    (Path(bot.model.full_path) / "pair_dictionary.json").write_text(text, encoding="utf-8")
    bot.model.catch_up()
    assert "newer models are refused" in bot.provider.messages[-1]
    assert bot.candle()["do_predict"] == 1


def test_model_when_too_old_then_it_is_not_trusted_until_a_newer_one_comes(
    tmp_path: Path, trained: Bot
) -> None:
    bundle = bundle_of(Path(trained.model.full_path))
    bot = served(tmp_path / "trader", titled(bundle, "old", -80 * 3600), trained)
    last = bot.candle()
    assert (last["do_predict"], last["abstain"]) == (2, 1)
    bring(bot, bundle, "1" * 16)
    bot.model.catch_up()
    assert bot.candle()["do_predict"] == 1


def test_bot_when_nothing_was_imported_then_it_has_no_forecast_until_something_is(
    tmp_path: Path, trained: Bot
) -> None:
    bundle = bundle_of(Path(trained.model.full_path))
    bot = Bot(tmp_path / "trader", training="elsewhere", live_retrain_hours=24)
    assert [bot.candle()["do_predict"] for _ in range(2)] == [0, 0]
    bring(bot, bundle, "1" * 16)
    bot.model.catch_up()
    bot.candle()
    assert bot.candle()["do_predict"] == 1


@pytest.mark.parametrize(
    ("setting", "hours", "why"),
    [("elsewhere", 0, "expiration_hours > 0"), ("nowhere", 72, "training")],
)
def test_switch_when_it_cannot_be_meant_then_the_bot_does_not_start(
    tmp_path: Path, setting: str, hours: int, why: str
) -> None:
    with pytest.raises(OperationalException, match=why):
        Bot(tmp_path, training=setting, expiration_hours=hours)


def models_of(folder: Path) -> Sequence[BundledModel]:
    return bundle_of(folder).models


def test_export_when_the_folder_is_not_what_it_says_then_it_is_refused(trained: Bot) -> None:
    folder = Path(trained.model.full_path)
    [one] = models_of(folder)
    assert (one.pair, one.trained_s) == (BTC, trained.trained_s())
    renamed = folder.rename(folder.with_name("bitcoin--0123456789ab"))
    with pytest.raises(Exception, match="not what their folder is named after"):
        models_of(renamed)
    renamed.rename(folder)
    (folder / MADE_OF).rename(folder / "gone")
    with pytest.raises(Exception, match="what the models depend on is not noted"):
        models_of(folder)
