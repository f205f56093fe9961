"""A model is found again only while code, settings and data are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.fingerprint import code_digest, data_digest, identifier, models_digest


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    for name in (
        "models/base/heads.py",
        "models/evaluate/report.py",
        "freqaimodels/A.py",
        "strategies/S.py",
        "strategies/desk/cli.py",
        "tests/test_a.py",
        "models/notes.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["models/base/heads.py", "freqaimodels/A.py", "strategies/S.py"])
def test_code_digest_when_a_file_behind_a_forecast_changes_then_it_does(
    pack: Path, name: str
) -> None:
    before = code_digest(pack)
    assert code_digest(pack) == before
    (pack / name).write_text("x = 2\n", encoding="utf-8")
    changed = code_digest(pack)
    assert changed != before
    (pack / name).rename((pack / name).with_name("renamed.py"))
    assert code_digest(pack) not in (before, changed)


@pytest.mark.parametrize(
    "name",
    [
        "models/evaluate/report.py",
        "strategies/desk/cli.py",
        "tests/test_a.py",
        "models/notes.txt",
    ],
)
def test_code_digest_when_a_file_without_influence_changes_then_it_stays(
    pack: Path, name: str
) -> None:
    before = code_digest(pack)
    (pack / name).write_text("x = 2\n", encoding="utf-8")
    assert code_digest(pack) == before


def test_data_digest_when_a_file_changes_goes_or_is_renamed_then_it_does(tmp_path: Path) -> None:
    a, b = tmp_path / "a.feather", tmp_path / "b.feather"
    a.write_bytes(b"1")
    b.write_bytes(b"2")
    seen = {data_digest([a, b])}
    assert data_digest([b, a]) in seen  # order does not matter
    b.write_bytes(b"3")
    seen.add(data_digest([a, b]))
    b.unlink()
    seen.add(data_digest([a, b]))
    seen.add(data_digest([a]))
    assert len(seen) == 4


@given(base=st.text("abc-_", min_size=1, max_size=8), value=st.integers())
def test_identifier_when_made_again_from_its_own_result_then_it_is_the_same(
    base: str, value: int
) -> None:
    once = identifier(base, {"x": value})
    assert identifier(once, {"x": value}) == once
    assert identifier(base, {"x": value + 1}) != once
    assert once.startswith(base)


def test_identifier_when_parts_come_in_another_order_then_it_is_the_same() -> None:
    assert identifier("a", {"x": 1, "y": {"p": 2, "q": 3}}) == identifier(
        "a", {"y": {"q": 3, "p": 2}, "x": 1}
    )


def test_models_digest_when_any_source_of_models_changes_then_it_does_and_no_other_counts(
    pack: Path,
) -> None:
    before = models_digest(pack)
    (pack / "strategies/S.py").write_text("x = 2\n", encoding="utf-8")
    assert models_digest(pack) == before
    (pack / "models/evaluate/report.py").write_text("x = 2\n", encoding="utf-8")
    assert models_digest(pack) != before
