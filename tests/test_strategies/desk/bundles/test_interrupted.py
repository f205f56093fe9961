"""Ctrl-C while a bundle is imported or exported: one line, and nothing half written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from strategies.desk import cli
from strategies.desk.bundles import commands, install
from strategies.desk.bundles.fit import require_fit
from tests.test_strategies.desk.bundles.world import Desk, make_desk

Capture = pytest.CaptureFixture[str]
SAID = ["interrupted: only what was said to be done is sure to be"]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    return make_desk(tmp_path)


def ctrl_c(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["judged", "file", "folder", "pairs"])
def test_import_when_interrupted_then_what_served_still_does_and_the_next_one_works(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: Capture, step: str
) -> None:
    path = desk.written(desk.bundle())
    before = desk.files()
    capsys.readouterr()
    with monkeypatch.context() as broken:
        if step == "judged":
            broken.setattr(commands, require_fit.__name__, ctrl_c)
        elif step == "folder":
            broken.setattr(Path, "rename", ctrl_c)
        else:
            wanted = "pair_dictionary.json" if step == "pairs" else "_metadata.json"
            whole = install.write_atomic
            broken.setattr(
                install, "write_atomic",
                lambda place, data: ctrl_c() if place.name.endswith(wanted) else whole(place, data),
            )  # fmt: skip
        assert desk.take(path) == 130
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == SAID
    assert not list(desk.userdir.rglob("*.fresh*"))
    assert not (desk.models / "pair_dictionary.json").exists()
    if step == "judged":
        assert desk.files() == before
    assert desk.take(path) == 0
    assert desk.served()


def test_export_when_interrupted_then_there_is_no_file_or_the_one_before(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    assert desk.take(desk.written(desk.bundle())) == 0
    out = desk.folder / "out.bundle"
    line = ["bundle", "export", str(out), "--key", str(desk.key), "--userdir", str(desk.userdir)]
    monkeypatch.setattr(commands, "bundle_of", lambda _: desk.bundle())
    for content in (None, b"before"):
        if content is not None:
            out.write_bytes(content)
        there = sorted(desk.folder.iterdir())
        capsys.readouterr()
        with monkeypatch.context() as broken:
            broken.setattr(os, "replace", ctrl_c)
            assert cli.main(line) == 130
        assert capsys.readouterr().err.splitlines() == SAID
        assert sorted(desk.folder.iterdir()) == there
        assert not out.exists() or out.read_bytes() == content
    assert cli.main(line) == 0


def test_import_when_it_goes_well_then_freqtrade_says_nothing_between_the_lines(
    desk: Desk, capsys: Capture
) -> None:
    assert desk.take(desk.written(desk.bundle())) == 0
    assert capsys.readouterr().err == ""
