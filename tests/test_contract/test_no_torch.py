"""The bot's process never imports torch: not for the adapter, the strategy, nor a prediction."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

from models.serve.predictor import Predictor
from tests.test_contract.echo import echo_artifact

BOT = """
import pickle, sys
import numpy as np
import freqaimodels.base.pack_model
import strategies.bot.forecast
import models.serve.predictor

predictor = pickle.load(open("predictor.pkl", "rb"))
rows = np.full((9, 2), 0.5, dtype=np.float32)
times = np.arange(9, dtype=np.int64) * predictor.manifest["candle_ms"]
out = predictor.predict(rows, times, ("%-echo", "%-sigma"))
assert np.isfinite(out["p_up"]).tolist() == [False] * 4 + [True] * 5
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""
TRAINER = """
import sys
import models.learn.nets.lstm
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""


def loaded(code: str, folder: Path) -> str:
    """Return the list of top-level packages a fresh interpreter holds after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder, check=True, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.splitlines()[-1]


def test_bot_when_it_has_predicted_then_torch_was_never_imported(tmp_path: Path) -> None:
    (tmp_path / "predictor.pkl").write_bytes(pickle.dumps(Predictor(echo_artifact())))
    packages = loaded(BOT, tmp_path)
    assert "'freqtrade'" in packages
    assert "'onnxruntime'" in packages
    assert "'torch'" not in packages


def test_trainer_when_it_imports_a_network_then_the_same_probe_sees_torch(tmp_path: Path) -> None:
    assert "'torch'" in loaded(TRAINER, tmp_path)


def test_bot_when_onnx_runtime_is_loaded_then_it_was_told_before_to_report_nothing(
    tmp_path: Path,
) -> None:
    code = (
        "import os, sys, models\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    assert loaded(code, tmp_path) == "1"
