"""What a bot keeps of its models: no pickles, whole after a kill, refused if not its own."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from freqtrade.exceptions import OperationalException
from freqtrade.freqai import freqai_interface
from freqtrade.freqai.data_drawer import FreqaiDataDrawer

from models.base.errors import ArtifactError, PackError
from models.serve import rehearsal
from strategies.seams.freqai_drawer import ANSWERS
from tests.hostile import Marks
from tests.places import ROOT
from tests.test_freqaimodels.bots import BTC, Bot, running


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bot:
    monkeypatch.setattr(freqai_interface.time, "sleep", lambda seconds: None)
    return running(Bot(tmp_path))


@pytest.fixture(autouse=True)
def nothing_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "_rehearsed", set())


def folder(bot: Bot) -> Path:
    return Path(bot.model.full_path)


def again(tmp_path: Path) -> Bot:
    """The bot started again on what it left."""
    return Bot(tmp_path, hours=6)


def files(bot: Bot) -> list[Path]:
    return [path for path in folder(bot).rglob("*") if path.is_file()]


def test_bot_when_restarted_then_models_and_answers_come_back_bit_for_bit(
    bot: Bot, tmp_path: Path
) -> None:
    bot.model.dd.save_historic_predictions_to_disk()
    before, served = bot.model.dd.historic_predictions[BTC], bot.model.dd.model_dictionary[BTC]
    started = again(tmp_path)
    pd.testing.assert_frame_equal(started.model.dd.historic_predictions[BTC], before)
    started.candle()
    assert started.candle()["do_predict"] == 1
    back = started.model.dd.model_dictionary[BTC]
    assert (back.artifact.onnx, back.artifact.weights) == (
        served.artifact.onnx,
        served.artifact.weights,
    )
    assert json.dumps(back.manifest) == json.dumps(served.manifest)
    np.testing.assert_array_equal(back.history, served.history)
    np.testing.assert_array_equal(back.history_time_ms, served.history_time_ms)
    assert started.executor.jobs == []


def test_bot_when_it_has_run_then_there_is_no_pickle_in_its_folder(bot: Bot) -> None:
    bot.model.dd.save_historic_predictions_to_disk()
    names = {path.name.rsplit("_", 1)[-1] for path in files(bot)}
    assert {"model.arrays", "metadata.json", "predictions.arrays", "dictionary.json"} <= names
    assert [path for path in files(bot) if path.suffix in {".pkl", ".joblib"}] == []
    assert [path for path in files(bot) if path.read_bytes().startswith(b"\x80")] == []


def test_bot_when_somebody_left_pickles_under_freqais_names_then_none_of_them_runs(
    bot: Bot, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    planted = pickle.dumps({BTC: Marks(ran)})
    model = next(path for path in files(bot) if path.name.endswith("_model.arrays"))
    stem = str(model).removesuffix("_model.arrays")
    for path in (
        folder(bot) / "historic_predictions.pkl", folder(bot) / "historic_predictions.backup.pkl",
        Path(f"{stem}_model.joblib"), Path(f"{stem}_feature_pipeline.pkl"),
        Path(f"{stem}_label_pipeline.pkl"), Path(f"{stem}_trained_df.pkl"),
    ):  # fmt: skip
        path.write_bytes(planted)
    started = again(tmp_path)
    started.candle()
    assert started.candle()["do_predict"] == 1
    assert not ran.exists()
    # The control: FreqAI's own drawer runs it.
    with pytest.raises(Exception, match=r".*"):
        FreqaiDataDrawer(folder(bot), started.model.config)
    assert ran.exists()


def test_bot_when_its_model_is_replaced_then_it_is_refused_told_once_and_the_bot_goes_on(
    bot: Bot, tmp_path: Path
) -> None:
    model = next(path for path in files(bot) if path.name.endswith("_model.arrays"))
    sound = model.read_bytes()
    started = again(tmp_path)
    for content in (
        pickle.dumps({BTC: Marks(tmp_path / "ran")}), sound[:-1], b"",
        sound.replace(b"echo", b"ohce"),
    ):  # fmt: skip
        model.write_bytes(content)
        for _ in range(2):
            with pytest.raises(ArtifactError, match="cannot read the arrays"):
                started.candle()
    assert not (tmp_path / "ran").exists()
    said = [m for m in started.provider.messages if "is refused" in m]
    assert 1 <= len(said) <= 4
    assert "trained anew" in said[0]
    # The cure, as it is told.
    folder(bot).rename(tmp_path / "away")
    cured = Bot(tmp_path, hours=20)
    cured.candle()
    assert cured.retrain() == 1


def test_model_file_when_swapped_between_looks_then_the_bytes_that_were_checked_are_loaded(
    bot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = next(path for path in files(bot) if path.name.endswith("_model.arrays"))
    other = tmp_path / "other"
    other.write_bytes(pickle.dumps(Marks(tmp_path / "ran")))
    own = rehearsal._rehearse_elsewhere

    def swapped(data: bytes, where: str) -> None:
        own(data, where)
        model.unlink()
        model.symlink_to(other)

    monkeypatch.setattr(rehearsal, "_rehearse_elsewhere", swapped)
    started = again(tmp_path)
    started.candle()
    assert started.candle()["do_predict"] == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (ANSWERS, b"\x80\x04", "cannot read the arrays"),
        ("pair_dictionary.json", b"[]", "expected a JSON object, got list"),
        ("pair_dictionary.json", b"{", "expected JSON"),
        ("pair_dictionary.json", b"[" * 100_000, "expected JSON"),
        ("pair_dictionary.json", b'{"BTC/USDT:USDT": 3}', "a table"),
        ("pair_dictionary.json", b'{"BTC/USDT:USDT": {"model_filename": "../x", "data_path": "x",'
         b' "trained_timestamp": 1}}', "a name, no path"),
        ("pair_dictionary.json", b'{"BTC/USDT:USDT": {"model_filename": "x", "data_path": "x",'
         b' "trained_timestamp": 1e99}}', "trained_timestamp: UTC seconds, got '1e+99'"),
        ("pair_dictionary.json", b'{"BTC/USDT:USDT": {"model_filename": "x", "data_path": "x",'
         b' "trained_timestamp": 99999999999999999999}}', "trained_timestamp"),
        ("pair_dictionary.json", b'{"BTC/USDT:USDT": {"model_filename": "x", "data_path": "x",'
         b' "trained_timestamp": NaN}}', "trained_timestamp"),
        ("global_metadata.json", b"null", "expected a JSON object"),
    ],
)  # fmt: skip
def test_start_when_a_file_of_the_folder_is_not_what_it_was_then_refused_with_file_and_cure(
    bot: Bot, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    bot.model.dd.save_historic_predictions_to_disk()
    (folder(bot) / name).write_bytes(content)
    with pytest.raises(OperationalException) as caught:
        again(tmp_path)
    assert said in str(caught.value)
    assert name in str(caught.value)
    assert "cure" in str(caught.value)


@pytest.mark.parametrize("name", [ANSWERS, "pair_dictionary.json", "global_metadata.json"])
def test_start_when_no_file_stands_in_a_files_place_then_refused_at_once(
    bot: Bot, tmp_path: Path, name: str
) -> None:
    path = folder(bot) / name
    path.unlink(missing_ok=True)
    for place, said in ((os.mkfifo, "a FIFO"), (os.mkdir, "a folder"),
                        (lambda p: os.symlink("/dev/zero", p), "a device")):  # fmt: skip
        place(path)
        with pytest.raises(OperationalException, match=f"got {said}"):
            again(tmp_path)
        path.rmdir() if path.is_dir() else path.unlink()


def test_answers_when_the_file_is_mutated_then_it_is_refused(bot: Bot) -> None:
    bot.model.dd.save_historic_predictions_to_disk()
    sound = (folder(bot) / ANSWERS).read_bytes()
    rng, refused = random.Random(0), 0
    for _ in range(300):
        data = bytearray(sound)
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (folder(bot) / ANSWERS).write_bytes(data)
        try:
            bot.model.dd.load_historic_predictions_from_disk()
        except PackError:
            refused += 1
    assert refused >= 299


KILLED = """
import sys
from pathlib import Path
from tests.test_freqaimodels.bots import Bot, running
from freqtrade.freqai import freqai_interface
freqai_interface.time.sleep = lambda seconds: None
bot = running(Bot(Path(sys.argv[1])))
print("running", flush=True)
while True:
    bot.candle()
    bot.retrain()
    bot.model.dd.save_historic_predictions_to_disk()
    bot.model.dd.save_drawer_to_disk()
"""


STARTED = """
import sys
from pathlib import Path
from tests.test_freqaimodels.bots import BTC, Bot
bot = Bot(Path(sys.argv[1]), hours=int(sys.argv[2]))
bot.candle()
print(bot.served().split()[0], "answers" if BTC in bot.model.dd.historic_predictions else "none")
"""


def test_bot_when_killed_while_it_saves_then_the_next_one_starts_on_what_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freqai_interface.time, "sleep", lambda seconds: None)
    rng = random.Random(3)
    for round_ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"running\n"
        time.sleep(rng.uniform(0.1, 0.8))
        process.send_signal(signal.SIGKILL)
        process.wait()
        # In a process of its own too: a bot keeps its folder locked as long as it lives.
        started = subprocess.run(
            [sys.executable, "-c", STARTED, str(tmp_path), str(40 + round_)], cwd=ROOT,
            capture_output=True, text=True, check=True, timeout=120,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert started.stdout.split() == ["echo", "answers"], started.stderr
