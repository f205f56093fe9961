"""What an import shares with the collector, and what is typed."""

from __future__ import annotations

import json
from datetime import date

import pytest

from models.base.errors import ConfigError
from models.data.feeds.catalog import ARCHIVE
from models.data.feeds.store import FeedRecord, Origin, Writer, days, enforce_quota
from strategies.desk.archive.importing import run_feeds_import
from strategies.desk.archive.layout import planned_files
from strategies.desk.cli import main
from tests.feeds import archive
from tests.feeds.archive import archive_file, epoch_ms
from tests.feeds.imports import DAYS, command, tree
from tests.places import USER_DATA


def test_quota_when_it_is_exceeded_then_what_was_imported_neither_counts_nor_goes(served, tmp_path):
    _, url = served
    assert main(command(url, tmp_path)) == 0
    root, before = tmp_path / "feeds", tree(tmp_path)
    origin = Origin("mempool", "LTC", "litecoinspace")
    for day in ("2026-01-01", "2026-01-02"):
        Writer(root, origin).append([FeedRecord(epoch_ms(day), epoch_ms(day), {"waiting": 1.0})])
    size = sum(p.stat().st_size for paths in days(root).values() for p in paths)
    assert size < 200
    assert enforce_quota(root, size, "2026-01-02") == []
    assert enforce_quota(root, 0, "2026-01-02") == ["2026-01-01"]
    assert {k: v for k, v in tree(tmp_path).items() if "mempool" not in k} == before


def test_status_when_feeds_were_imported_then_they_are_shown_beside_the_collected_ones(
    served, tmp_path, capsys
):
    _, url = served
    assert main(command(url, tmp_path)) == 0
    config = USER_DATA / "config_litecoin_hedge.json"
    given = ["collect", "--config", str(config), "--userdir", str(tmp_path), "--status"]
    assert main(given) == 1
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    (row,) = [words for words in shown if words[:3] == ["open_interest", "LTC", "imported"]]
    assert row[-1] == ARCHIVE
    assert float(row[3]) > 24 * 365  # hours
    assert ["open_interest", "LTC", "missing", "never", "-"] in shown  # the collector's own


def test_import_when_a_config_names_folder_address_and_coins_then_they_are_used(
    served, tmp_path, capsys
):
    _, url = served
    config = tmp_path / "more.json"
    config.write_text(json.dumps({"breakwater": {"collect": {
        "folder": str(tmp_path / "elsewhere"), "coins": ["LTC"],
        "addresses": {ARCHIVE: url + "/"},
    }}}))  # fmt: skip
    base = USER_DATA / "config_litecoin_hedge.json"
    asked = ["--from", DAYS[0], "--to", DAYS[0], "--kinds", "metrics"]
    assert main(["feeds", "import", "--config", str(base), "--config", str(config), *asked]) == 0
    assert list((tmp_path / "elsewhere" / "open_interest" / "LTC" / ARCHIVE).iterdir())
    assert f"from {url}/, {DAYS[0]} to {DAYS[0]}" in capsys.readouterr().out


def test_command_when_something_on_it_is_wrong_then_it_is_refused_by_name(tmp_path, capsys):
    url = "http://127.0.0.1:9"
    for change, said in (
        (["--symbols", "LTC/USDT:USDT"], "expected a symbol as LTCUSDT, got 'LTC/USDT:USDT'"),
        (["--symbols", "../../x"], "expected a symbol"),
        (["--archive", "ftp://x"], "expected the archive's address as https://host"),
        (["--from", "2022-02-01"], "expected --from by 2022-01-07"),
        (["--kinds", "bookDepth"], "the archive has none yet"),
    ):
        assert main([*command(url, tmp_path), *change]) == 2
        assert said in capsys.readouterr().err
    for change in (["--from", "yesterday"], ["--kinds", "klines"]):
        with pytest.raises(SystemExit):
            main([*command(url, tmp_path), *change])
        assert change[1] in capsys.readouterr().err
    assert not (tmp_path / "feeds").exists()


def test_plan_when_it_reaches_today_then_only_what_should_be_published_is_asked_for(tmp_path):
    def periods(kind: str, start: str, stop: str, today: str) -> list[str]:
        files = planned_files([kind], ["LTCUSDT"], *map(date.fromisoformat, (start, stop, today)))
        return [file.period for file in files]

    assert periods("fundingRate", "2022-01-15", "2022-03-01", "2022-03-08") == ["2022-01"]
    assert periods("fundingRate", "2022-01-15", "2022-03-01", "2022-03-09") == [
        "2022-01",
        "2022-02",
    ]
    assert periods("bookDepth", "2022-12-30", "2023-01-02", "2026-01-01") == [
        "2023-01-01", "2023-01-02",
    ]  # fmt: skip
    common = {
        "configs": [],
        "userdir": tmp_path,
        "symbols": [],
        "archive": "",
        "kinds": ["metrics"],
    }
    with pytest.raises(ConfigError, match="by 2022-01-08, the last day there is"):
        run_feeds_import(**common, start=date(2022, 1, 9), stop=None,
                         clock=lambda: epoch_ms("2022-01-10 12:00"))  # fmt: skip
    with pytest.raises(ConfigError, match="by 2022-01-09, the last day there is"):
        run_feeds_import(**common, start=date(2022, 1, 10), stop=date(2022, 1, 20),
                         clock=lambda: epoch_ms("2022-01-10 12:00"))  # fmt: skip


def test_files_when_named_then_addresses_are_the_archives():
    assert [archive_file(kind, "2023-01-01").path for kind in archive.ARCHIVE_KINDS] == [
        "/data/futures/um/daily/metrics/LTCUSDT/LTCUSDT-metrics-2023-01-01.zip",
        "/data/futures/um/daily/bookDepth/LTCUSDT/LTCUSDT-bookDepth-2023-01-01.zip",
        "/data/futures/um/daily/premiumIndexKlines/LTCUSDT/5m/LTCUSDT-5m-2023-01-01.zip",
        "/data/futures/um/monthly/fundingRate/LTCUSDT/LTCUSDT-fundingRate-2023-01.zip",
    ]
