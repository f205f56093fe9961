"""The real bot whose market drifts: it trains, refuses a worse model, promotes a better one, and
goes back on a person's word; killed in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.base.types import Artifact
from models.serve.predictor import Predictor
from models.serve.saved import predictor_from_bytes, predictor_to_bytes
from strategies.desk.cli import main
from tests.test_integration.drifting_bot import Drifting, drifted_market

OUTAGE, SHADOW = 10, 7  # days


def spoil(path: Path) -> None:
    """Make the model in a file sure that the price always moves beyond its cost."""
    model = predictor_from_bytes(path.read_bytes())
    calibration = model.manifest["calibration"]
    down, flat, up = calibration["prior_logits"]
    sure = {"prior_logits": [down, flat - 9.0, up]}
    manifest = {**model.manifest, "calibration": {**calibration, **sure}}
    artifact = replace(model.artifact, manifest=manifest)
    path.write_bytes(predictor_to_bytes(Predictor(artifact, model.history, model.history_time_ms)))


def trained(model: Path) -> Artifact:
    return predictor_from_bytes(model.read_bytes()).artifact


@pytest.mark.slow
def test_live_run_when_the_market_drifts_then_it_trains_and_a_worse_model_never_serves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Drifting(tmp_path / "bot", drifted_market(tmp_path / "market"))
    desk.folder.mkdir()
    with desk.running(days=0) as bot:
        bot.wait_for(desk.serving, "a first model", 600)
        bot.wait_for(desk.is_saved, "its file")
        bot.wait_for(lambda: "first" in desk.events(), "its line")
        bot.kill()
    assert desk.events() == ["first"]

    # Ten days of another market come while it is down.
    desk.later(OUTAGE)
    with desk.running(days=OUTAGE) as bot:
        bot.wait_for(lambda: desk.book().shadow, "a second model in its shadow", 600)
        bot.wait_for(lambda: "shadow" in desk.events(), "its line")
        assert bot.troubles() == []
        bot.kill()
    waiting = desk.book()
    assert waiting.shadow is not None
    assert desk.serving() == 1
    assert waiting.shadow.why.startswith("alarm: ")
    assert desk.events()[:1] == ["first"]
    assert {"alarm", "due", "shadow"} <= set(desk.events())
    desk.later(SHADOW)
    (folder,) = (desk.userdir / "models").glob("*--*")
    second = folder.relative_to(desk.folder) / "generations" / "generation-2.arrays"

    # A worse one is refused.
    worse = desk.copied(tmp_path / "worse")
    spoil(worse.folder / second)
    with worse.running(days=OUTAGE + SHADOW) as bot:
        bot.wait_for(lambda: worse.book().quarantined, "a model in quarantine")
        bot.wait_for(lambda: "quarantined" in worse.events(), "its line")
        assert "is in quarantine: its loss is higher by more than its error" in (
            worse.commands.risk().text
        )
        assert bot.troubles() == []
    assert worse.serving() == 1
    assert worse.events()[-1] == "quarantined"
    assert worse.commands.journal.verify().fault == ""

    # A better one serves, until a person goes back.
    better = desk.copied(tmp_path / "better")
    for path in (better.folder / folder.relative_to(desk.folder)).glob("sub-train-*/*.arrays"):
        spoil(path)
    with better.running(days=OUTAGE + SHADOW) as bot:
        bot.wait_for(lambda: better.book().earlier, "the second model to serve")
        assert better.serving() == 2
        assert main(["rollback", "--userdir", str(better.userdir), "--yes"]) == 0
        assert "in its next loop" in capsys.readouterr().out
        bot.wait_for(lambda: not better.book().earlier, "the first model to serve again")
        assert bot.troubles() == []
        bot.wait_for(lambda: "rolled_back" in better.events(), "its line")
    assert better.serving() == 1
    assert better.book().quarantined[-1].why.startswith("rolled back by ")
    assert better.events()[-2:] == ["promoted", "rolled_back"]
    served = next((better.folder / folder.relative_to(desk.folder)).glob("sub-train-*/*.arrays"))
    assert Artifact.digest(trained(served).onnx) == trained(served).manifest["onnx_sha256"]
