"""What is imported serves; what does not fit is refused by name, and nothing is written."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from onnx import load_from_string

from models.base.errors import ArtifactError
from models.base.fingerprint import identifier
from models.serve import rehearsal
from strategies.desk import cli
from strategies.desk.bundles import install as installing
from strategies.desk.bundles.contents import Bundle, BundledModel
from strategies.desk.bundles.fit import require_fit
from strategies.desk.bundles.keys import PINNED, make_key
from tests.test_contract import echo
from tests.test_strategies.desk.bundles.world import (
    BTC,
    FEATURES,
    LABELS,
    Desk,
    make_desk,
    model,
    receiver_at,
    write_config,
)

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)  # where Freqtrade leaves folders of its own
    return make_desk(tmp_path)


def test_bundle_when_imported_then_it_serves_and_says_until_when(
    desk: Desk, capsys: Capture
) -> None:
    bundle = desk.bundle()
    assert desk.take(desk.written(bundle)) == 0
    said = capsys.readouterr().out
    assert f"{BTC} is trusted until" in said
    assert "then entries stop, exits pass" in said
    assert list(desk.served()) == [BTC]
    [entry] = json.loads((desk.models / "pair_dictionary.json").read_text()).values()
    assert entry["trained_timestamp"] == bundle.models[0].trained_s
    (file,) = desk.models.rglob("*_model.arrays")
    assert file.read_bytes() == bundle.models[0].data
    assert not list(desk.userdir.rglob("*.pkl"))
    digest = hashlib.sha256((desk.folder / "a.bundle").read_bytes()).hexdigest()
    assert file.parent.name == f"bundle-{digest[:16]}"
    [beside] = desk.models.rglob("*_metadata.json")
    told = json.loads(beside.read_text(encoding="utf-8"))
    assert {*told["labels_mean"].values(), *told["labels_std"].values()} == {0.0}
    assert told["training_features_list"] == list(FEATURES)


def with_part(*path: str, value: Any) -> Callable[[Bundle], Bundle]:
    def change(bundle: Bundle) -> Bundle:
        parts = json.loads(json.dumps(bundle.parts))
        block = parts
        for name in path[:-1]:
            block = block.setdefault(name, {})
        block[path[-1]] = value
        return replace(bundle, parts=parts)

    return change


def with_model(data: Callable[[], bytes], **changes: Any) -> Callable[[Bundle], Bundle]:
    return lambda b: replace(b, models=[replace(b.models[0], data=data(), **changes)])


def newer_opset() -> bytes:
    graph = load_from_string(echo.graph_of(FEATURES))
    graph.opset_import[0].version = 99
    return model(onnx=graph.SerializeToString())


def of_market(market: str) -> bytes:
    names = [f"%-echo_gen_{market}", FEATURES[1]]
    return model(lambda m: m.update(feature_names=names))


LABELS_AT = ("freqai", "model_training_parameters", "labels", "horizon_candles")
FOREIGN: list[tuple[str, Callable[[Bundle], Bundle], str]] = [
    ("code", with_part("code", value="0123456789abcdef"), "code: expected .*, got 0123456789ab\n"),
    ("long", with_part("seed", value="9" * 70), f"seed: expected nothing, got {'9' * 60}\n"),
    ("many", lambda b: replace(b, parts={str(i): i for i in range(10)}),
     "7: expected nothing, got 7; and [0-9]+ more"),
    ("model", with_part("model", value="TCNForecaster"),
     "model: expected LSTMForecaster, got TCNForecaster"),
    ("strategy", with_part("strategy", value="VolatilityTarget"),
     "strategy: expected BitcoinCrossMargin, got VolatilityTarget"),
    ("timeframe", with_part("timeframe", value="4h"), "timeframe: expected 1h, got 4h"),
    ("horizon", with_part(*LABELS_AT, value=12),
     r"labels.horizon_candles: expected \S+, got 12"),
    ("features", with_part("freqai", "feature_parameters", "include_corr_pairlist", value=["ETH"]),
     r"include_corr_pairlist: expected \[\], got \['ETH'\]"),
    ("extra", with_part("freqai", "seed", value=7), "freqai.seed: expected 0, got 7"),
    ("pair", lambda b: replace(b, models=[replace(b.models[0], pair="ETH/USDT:USDT")]),
     "expected models of BTC/USDT:USDT, got ETH/USDT:USDT"),
    ("candle", with_model(lambda: model(lambda m: m.update(candle_ms=60_000))),
     "expected candle_ms 3600000, got 60000"),
    ("ahead", with_model(lambda: model(lambda m: m.update(horizon_candles=9))),
     "expected horizon_candles 4, got 9"),
    ("coin", with_model(lambda: of_market("ETH/USDTUSDT_1h")), "got ETH/USDTUSDT_1h"),
    ("candles", with_model(lambda: of_market("BTC/USDTUSDT_5m")), "got BTC/USDTUSDT_5m"),
    ("future", lambda b: replace(b, models=[replace(b.models[0], trained_s=1 << 32)]),
     "trained in the future"),
    ("opset", with_model(newer_opset), "this machine cannot run the network: .*opset"),
    ("pickle", with_model(lambda: b"\x80\x04K\x01."), "cannot read the arrays"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "why"), [case[1:] for case in FOREIGN], ids=[case[0] for case in FOREIGN]
)
def test_bundle_when_it_does_not_fit_then_it_is_refused_by_name_and_nothing_is_written(
    desk: Desk, capsys: Capture, change: Callable[[Bundle], Bundle], why: str
) -> None:
    assert desk.take(desk.written(change(desk.bundle()))) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(why, said.err), said.err
    assert "\n  cure:  " in said.err
    assert "Traceback" not in said.err
    assert list(desk.userdir.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "cure"),
    [(with_part("code", value="x"), "install the same version of the pack"),
     (with_part("freqai", "seed", value=7), "give both bots the same freqai block"),
     (with_part("model", value="x"), "name the bot the bundle was trained for")],
)  # fmt: skip
def test_bundle_when_it_is_of_another_bot_then_the_cure_is_of_what_differs_first(
    desk: Desk, change: Callable[[Bundle], Bundle], cure: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        require_fit(change(desk.bundle()), desk.receiver, int(time.time()), "")
    assert cure in caught.value.cure


def test_bundle_when_as_much_differs_as_is_shown_then_nothing_is_left_to_count(desk: Desk) -> None:
    parts = {**desk.receiver.parts, **{f"new {i}": i for i in range(8)}}
    with pytest.raises(ArtifactError, match="new 7: expected nothing, got 7\n"):
        require_fit(desk.bundle(parts=parts), desk.receiver, int(time.time()), "")


def test_models_when_what_served_before_is_not_whole_then_any_is_newer(desk: Desk) -> None:
    path = desk.written(desk.bundle())
    assert desk.take(path) == 0
    broken = {BTC: {"trained_timestamp": "later"}, "ETH/USDT:USDT": 5}
    (desk.models / "pair_dictionary.json").write_text(json.dumps(broken), encoding="utf-8")
    assert desk.take(path) == 0
    assert list(desk.served()) == [BTC]


def test_import_when_an_old_model_cannot_be_removed_then_the_new_one_serves_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree

    def stuck(path: Any, *args: Any, **how: Any) -> None:
        if not Path(path).name.startswith("bundle-"):
            remove(path, *args, **how)
        elif not how.get("ignore_errors"):
            raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(installing.shutil, "rmtree", stuck)
    bundle = desk.bundle()
    [one] = bundle.models
    for later in range(3):
        newer = replace(bundle, models=[replace(one, trained_s=one.trained_s + later)])
        assert desk.take(desk.written(newer)) == 0


def test_model_when_trained_a_little_ahead_of_this_clock_then_only_so_far(desk: Desk) -> None:
    bundle = desk.bundle()
    [one] = bundle.models
    require_fit(bundle, desk.receiver, one.trained_s - 300, "")
    with pytest.raises(ArtifactError, match="trained in the future"):
        require_fit(bundle, desk.receiver, one.trained_s - 301, "")


def test_receiver_when_read_then_it_says_how_long_a_model_is_trusted(desk: Desk) -> None:
    config = write_config(desk.folder / "hours.json", freqai={"expiration_hours": 7})
    assert receiver_at([config], desk.userdir).expiration_s == 7 * 3600


def test_signer_when_nobody_trusts_him_then_his_bundle_is_refused(
    desk: Desk, capsys: Capture
) -> None:
    path = desk.written(desk.bundle())
    assert desk.take(path, trust=False) == 2
    assert "nobody has said that he trusts this key" in capsys.readouterr().err
    make_key(desk.folder / "other")
    assert desk.take(path, "--trust", str(desk.folder / "other.pub"), trust=False) == 2
    assert "take it from the machine whose key you trust" in capsys.readouterr().err
    assert list(desk.userdir.iterdir()) == []


def test_signer_when_pinned_by_hand_then_his_next_bundles_are_taken_and_no_others(
    desk: Desk, capsys: Capture
) -> None:
    path = desk.written(desk.bundle())
    wrong = "0" * 8 + desk.fingerprint[8:]
    assert desk.take(path, "--pin", wrong, trust=False) == 2
    assert list(desk.userdir.iterdir()) == []
    assert desk.take(path, "--pin", desk.fingerprint, trust=False) == 0
    assert (desk.userdir / PINNED).read_bytes() == (desk.folder / "signing.pub").read_bytes()
    assert desk.take(path, trust=False) == 0
    make_key(desk.folder / "other")
    foreign = desk.written(desk.bundle(), "b.bundle", desk.folder / "other")
    capsys.readouterr()
    for more in ((), ("--pin", wrong)):
        before = desk.files()
        assert desk.take(foreign, *more, trust=False) == 2
        assert "moved away" in capsys.readouterr().err
        assert desk.files() == before


def test_models_when_older_than_those_that_serve_then_only_if_that_is_meant(
    desk: Desk, capsys: Capture
) -> None:
    bundle = desk.bundle()
    [newest] = bundle.models
    assert desk.take(desk.written(bundle)) == 0
    old = desk.written(
        replace(bundle, models=[replace(newest, trained_s=newest.trained_s - 400_000)]), "old"
    )
    before = desk.files()
    capsys.readouterr()
    assert desk.take(old) == 2
    assert "models that are older than those that serve: BTC/USDT:USDT" in capsys.readouterr().err
    assert desk.files() == before
    assert desk.take(old, "--older") == 0
    assert f"{BTC} is too old since" in capsys.readouterr().out


def test_import_when_repeated_then_the_newest_and_the_one_before_are_kept(desk: Desk) -> None:
    bundle = desk.bundle()
    [one] = bundle.models
    for later in (0, 0, 1, 2, 3):
        newer = replace(bundle, models=[replace(one, trained_s=one.trained_s + later)])
        assert desk.take(desk.written(newer)) == 0
    assert len(list(desk.models.glob("bundle-*"))) == 2
    assert list(desk.served()) == [BTC]


@pytest.mark.parametrize("step", ["rename", "write", "pairs"])
def test_import_when_it_ends_half_way_then_what_served_still_does_and_the_next_one_works(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: Capture, step: str
) -> None:
    bundle = desk.bundle()
    assert desk.take(desk.written(bundle)) == 0
    before, served = desk.files(), desk.served()
    [one] = bundle.models
    newer = desk.written(replace(bundle, models=[replace(one, trained_s=one.trained_s + 9)]), "b")
    with monkeypatch.context() as broken:
        if step == "rename":
            broken.setattr(Path, "rename", full)
        else:
            target = "pair_dictionary.json" if step == "pairs" else "_metadata.json"
            whole = installing.write_atomic
            broken.setattr(
                installing, "write_atomic",
                lambda path, data: full() if path.name.endswith(target) else whole(path, data),
            )  # fmt: skip
        assert desk.take(newer) == 2
        assert "No space left" in capsys.readouterr().err
    assert desk.served() == served
    if step != "pairs":
        assert desk.files() == before
    assert desk.take(newer) == 0


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_import_when_somebody_was_killed_in_it_then_what_he_left_is_gone(desk: Desk) -> None:
    left = desk.models / ".fresh-bundle"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    assert desk.take(desk.written(desk.bundle())) == 0
    assert not left.exists()


def test_place_when_it_is_a_link_then_nothing_is_written_behind_it(
    desk: Desk, capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    for link in (desk.models.parent, desk.models):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(tmp_path / "outside")
        assert desk.take(desk.written(desk.bundle())) == 2
        assert "expected a folder, got a link" in capsys.readouterr().err
        link.unlink()
    assert list((tmp_path / "outside").iterdir()) == []


def test_import_when_another_is_under_way_then_both_end_and_one_serves(desk: Desk) -> None:
    bundle = desk.bundle()
    paths = [
        desk.written(replace(bundle, versions={"numpy": str(i)}), f"{i}.bundle") for i in range(2)
    ]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(desk.take, paths) == [0, 0]
    assert list(desk.served()) == [BTC]


def test_bot_when_it_trains_by_itself_then_nothing_is_imported(desk: Desk, capsys: Capture) -> None:
    write_config(desk.config, breakwater={"training": "here"})
    assert desk.take(desk.written(desk.bundle())) == 2
    assert "config_serve.json" in capsys.readouterr().err
    assert list(desk.userdir.iterdir()) == []


def test_bot_when_its_models_never_expire_then_it_may_not_serve_what_nobody_renews(
    desk: Desk, capsys: Capture
) -> None:
    write_config(desk.config, freqai={"expiration_hours": 0})
    assert desk.take(desk.written(desk.bundle())) == 2
    assert "expected freqai.expiration_hours > 0, got 0" in capsys.readouterr().err


def test_import_when_typed_in_another_directory_then_the_packs_own_strategy_is_found(
    desk: Desk,
) -> None:
    write_config(desk.config, strategy_path="strategies", freqaimodel_path="freqaimodels")
    assert not Path("strategies").exists()
    assert desk.take(desk.written(desk.bundle())) == 0
    assert list(desk.served()) == [BTC]


def test_user_directory_when_missing_then_none_is_made(desk: Desk, capsys: Capture) -> None:
    path = desk.written(desk.bundle())
    desk.userdir.rmdir()
    assert desk.take(path) == 2
    assert "there is no such user directory" in capsys.readouterr().err
    assert not desk.userdir.exists()


def test_stage_when_live_then_the_models_are_not_the_dry_runs(desk: Desk) -> None:
    live = write_config(desk.folder / "live.json", dry_run=False)
    assert receiver_at([live], desk.userdir).folder != desk.receiver.folder
    assert receiver_at([live], desk.userdir).parts == desk.receiver.parts
    named, parts = desk.receiver.folder, desk.receiver.parts
    assert named == identifier(named, {**parts, "stage": "dry-run"})
    assert receiver_at([live], desk.userdir).folder == identifier(named, parts)


def test_whitelist_when_a_pair_has_no_model_then_that_is_said(desk: Desk, capsys: Capture) -> None:
    write_config(desk.config, exchange={"pair_whitelist": [BTC, "ETH/USDT:USDT"]})
    assert desk.take(desk.written(desk.bundle())) == 0
    assert "ETH/USDT:USDT has no model in it: no forecasts of it" in capsys.readouterr().out


def test_show_when_asked_then_it_tells_what_is_inside_and_runs_nothing(
    desk: Desk, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "_rehearse_elsewhere", lambda *_: pytest.fail("it ran"))
    card = model(lambda m: m.update(card={"warnings": ["worse than nothing"]}))
    path = desk.written(desk.bundle(models=[BundledModel(BTC, int(time.time()), LABELS, card)]))
    assert cli.main(["bundle", "show", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"signed by:   {desk.fingerprint}" in said
    assert "BitcoinCrossMargin, LSTMForecaster, candles of 1h" in said
    assert "2 features, horizon 4 candles" in said
    assert "card: worse than nothing" in said
    assert "yours to say" in said
    make_key(desk.folder / "other")
    assert cli.main(["bundle", "show", str(path), "--trust", f"{desk.key}.pub"]) == 0
    assert cli.main(["bundle", "show", str(path), "--trust", str(desk.folder / "other.pub")]) == 2
