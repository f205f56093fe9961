"""The model card: written from manifests and the report's numbers, for people."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from models.reports.backtest.build import backtest_numbers
from models.reports.backtest.card import model_card
from models.reports.backtest.record import RunRecord, TrainingRecord
from models.reports.text import show
from tests.test_contract import planted
from tests.test_models.reports.records import make_record


@pytest.fixture(scope="module")
def record() -> RunRecord:
    """A run whose newest training is a real one's manifest."""
    made = make_record()
    manifest = planted.planted_artifact("tcn").manifest
    training = TrainingRecord(pair=made.pairs[0], trained_until_ms=made.stop_ms, manifest=manifest)
    return dataclasses.replace(made, trainings=(*made.trainings, training))


@pytest.fixture(scope="module")
def card(record: RunRecord) -> str:
    return model_card(record, backtest_numbers(record))


def test_card_when_written_then_every_section_is_there_and_nothing_is_missing(card: str) -> None:
    sections = re.findall(r"^## (.*)$", card, re.M)
    assert [s.split(",")[0] for s in sections] == [
        "What it is", "What it was trained on", "How it did", "Calibration", "Speed",
        "Known weaknesses",
    ]  # fmt: skip
    assert card.startswith("# TCN for BTC/USDT:USDT 1h\n")
    assert "–" not in card  # a dash is a number nobody knows
    assert "None" not in card


def test_card_when_written_then_its_numbers_are_the_reports_and_the_manifests(
    record: RunRecord, card: str
) -> None:
    n, m = backtest_numbers(record), record.trainings[-1].manifest
    accuracy = n["forecast"]["pooled"]["direction"]["accuracy"]
    assert show(accuracy["value"], "pct") in card
    assert f"| parameters | {m['parameters']:,} |" in card
    assert f"| receptive field | {m['card']['receptive_field']} candles |" in card
    assert f"{m['rows']['train']:,} candles" in card
    assert f"{m['latency_us']['p50']:.0f} us (p50)" in card
    assert "| live | carried on from candle to candle; over" in card
    assert f"over {m['streaming']['candles']} candles it differs" in card
    assert all(text in card for text in m["card"]["failure_modes"])
    least, most = (np.exp(end(m["calibration"]["stretch"]["clock"])) for end in (min, max))
    assert f"| quantiles stretched by the hour | × {least:.2f} to × {most:.2f} |" in card


def test_card_when_coins_were_pooled_then_it_tells_what_each_gave_and_who_is_left_out(
    record: RunRecord, card: str
) -> None:
    assert "| pooled |" not in card
    last = record.trainings[-1]
    pool = {
        "pool": [{"title": "hedge BTC", "rows": 12240, "falls": 17, "squeezes": 8}],
        "pool_left_out": {"XRP/USDT:USDT": "no candles"},
    }
    told = dataclasses.replace(last, manifest={**last.manifest, **pool})
    card = model_card(dataclasses.replace(record, trainings=(told,)), backtest_numbers(record))
    assert "| pooled | 12,240 candles, 17 falls and 8 squeezes (hedge BTC) |" in card
    assert "| left out | XRP/USDT:USDT: no candles |" in card


def test_card_when_fine_tuned_then_it_tells_from_what_and_after_what(record: RunRecord) -> None:
    last = record.trainings[-1]
    source = {"from": "hedge LTC until 2025-04-05", "after": "the cascade of 2025-04-06 18:00 UTC"}
    told = dataclasses.replace(last, manifest={**last.manifest, "fine_tuned": source})
    card = model_card(dataclasses.replace(record, trainings=(told,)), backtest_numbers(record))
    assert (
        "| fine-tuned | from hedge LTC until 2025-04-05 after the cascade of 2025-04-06 18:00 UTC |"
    ) in card


def test_card_when_data_are_few_or_simulated_then_it_warns_first(card: str) -> None:
    head = card.split("\n## ")[0]
    assert "**Trained and tested on a simulated market" in head
    assert re.search(r"\*\*trained on \d+ rows; TCN needs about 6000", head)


def test_card_when_heads_are_absent_then_it_says_so(record: RunRecord) -> None:
    last = record.trainings[-1]
    manifest = {**last.manifest, "absent_heads": ["quantiles"]}
    changed = dataclasses.replace(record, trainings=(dataclasses.replace(last, manifest=manifest),))
    assert "- has no quantiles: those columns are NaN" in model_card(
        changed, backtest_numbers(changed)
    )


def test_card_when_the_past_is_not_carried_live_then_it_says_why(record: RunRecord) -> None:
    last = record.trainings[-1]
    manifest = {**last.manifest, "streaming": {"candles": 0, "gap_sd": [], "why": "it drifts"}}
    changed = dataclasses.replace(record, trainings=(dataclasses.replace(last, manifest=manifest),))
    assert "| live | from the whole context: it drifts |" in model_card(
        changed, backtest_numbers(changed)
    )


def test_card_when_nothing_was_trained_then_it_says_that(record: RunRecord) -> None:
    empty = dataclasses.replace(record, trainings=())
    assert "no trained model to describe" in model_card(empty, backtest_numbers(empty))
