"""What every engine of the catalogue promises, whatever it believes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from multiprocessing import get_context

import numpy as np
import pytest

from models.base.errors import AlignmentError, ConfigError, InputError
from models.scenarios.catalog import ENGINES, scenario_engine
from models.scenarios.chunked import block_bytes, check_memory
from models.scenarios.paths import CHUNK, CoinHistory, FittedEngine, PathBlock
from tests.test_models.scenarios.histories import COINS, garch_history

FIELDS = ("close", "low", "high", "funding", "answers")
each_engine = pytest.mark.parametrize("name", ENGINES)


@cache
def history() -> CoinHistory:
    return garch_history(12_000)


@cache
def fitted(name: str) -> FittedEngine:
    return scenario_engine(name).fit(history())


def joined(blocks: list[PathBlock]) -> dict[str, np.ndarray]:
    return {f: np.concatenate([getattr(b, f) for b in blocks]) for f in FIELDS}


def drawn(
    name: str, paths: int, steps: int = 12, seed: int = 3, first: int = 0
) -> dict[str, np.ndarray]:
    return joined(list(fitted(name).given(history()).draw(paths, steps, seed, first)))


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[f], other[f]) for f in FIELDS)


@each_engine
def test_engine_when_drawn_then_shapes_and_excursions_hold(name: str) -> None:
    steps = 200
    for block in fitted(name).given(history()).draw(CHUNK + 5, steps, 1):
        shape = (len(block), steps, len(COINS))
        assert all(getattr(block, f).shape == shape for f in FIELDS[:4])
        assert block.answers.shape == shape[:2]
        assert all(np.isfinite(getattr(block, f)).all() for f in FIELDS[:4])
        assert (block.low <= np.minimum(block.close, 0)).all()
        assert (block.high >= np.maximum(block.close, 0)).all()


@each_engine
def test_engine_when_fewer_paths_are_drawn_then_they_are_the_first_of_more(name: str) -> None:
    few, more = drawn(name, 7), drawn(name, CHUNK + 7)
    assert same(few, {f: x[:7] for f, x in more.items()})
    assert same(drawn(name, 7, first=CHUNK), {f: x[CHUNK:] for f, x in more.items()})
    assert not np.array_equal(few["close"], drawn(name, 7, seed=4)["close"])


@pytest.fixture(scope="module")
def two_processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
        yield pool


def stood(engine: FittedEngine, first: int) -> dict[str, np.ndarray]:
    return joined(list(engine.given(history()).draw(CHUNK, 12, 3, first)))


@each_engine
def test_engine_when_two_processes_draw_then_paths_are_the_same(
    name: str, two_processes: ProcessPoolExecutor
) -> None:
    whole = drawn(name, 2 * CHUNK)
    parts = [two_processes.submit(stood, fitted(name), k) for k in (0, CHUNK)]
    both = [part.result() for part in parts]
    assert same(whole, {f: np.concatenate([part[f] for part in both]) for f in FIELDS})


@each_engine
def test_engine_when_the_future_changes_then_paths_do_not(name: str) -> None:
    known_ms = int(history().time_ms[11_000])
    wild = history()
    later = (wild.time_ms >= known_ms)[:, None]
    changed = replace(
        wild,
        **{f: np.where(later, 3 * getattr(wild, f), getattr(wild, f)) for f in FIELDS[:4]},
    )
    blocks = []
    for h in (wild, changed):
        past = h.until(known_ms)
        engine = scenario_engine(name).fit(past)
        blocks.append(joined(list(engine.given(past).draw(5, 12, 1))))
    assert same(*blocks)
    past = changed.until(known_ms + 20 * changed.candle_ms)
    assert not same(
        blocks[0], joined(list(scenario_engine(name).fit(past).given(past).draw(5, 12, 1)))
    )


@each_engine
def test_engine_when_the_history_does_not_fit_then_it_is_refused(name: str) -> None:
    h = history()
    with pytest.raises(AlignmentError, match="as fitted"):
        fitted(name).given(replace(h, coins=("A", "B", "C")))
    with pytest.raises(InputError, match=r"at least .* rows of history .*, got 50"):
        scenario_engine(name).fit(h.until(int(h.time_ms[50])))


@each_engine
def test_engine_when_blocks_would_not_fit_then_it_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="MiB") as refused:
        next(fitted(name).given(history()).draw(1, 1_000_000, 1))
    assert "steps" in refused.value.cure
    with pytest.raises(InputError, match="at least 1 step"):
        next(fitted(name).given(history()).draw(1, 0, 1))


@each_engine
def test_memory_when_blocks_are_made_then_it_is_less_than_estimated(name: str) -> None:
    scenarios, steps = fitted(name).given(history()), 200
    tracemalloc.start()
    for _ in scenarios.draw(3 * CHUNK, steps, 1):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    estimate = block_bytes(steps, len(COINS))
    assert 0.25 * estimate < peak < estimate


def test_memory_when_the_cure_is_followed_then_it_fits() -> None:
    check_memory(70, 5, 50 * 2**20)
    with pytest.raises(InputError) as refused:
        check_memory(1_000, 5, 50 * 2**20)
    check_memory(int(refused.value.cure.split()[2]), 5, 50 * 2**20)


def test_catalogue_when_a_name_is_unknown_then_the_nearest_is_named() -> None:
    assert [scenario_engine(name).name for name in ENGINES] == list(ENGINES)
    with pytest.raises(ConfigError, match="did you mean 'bootstrap'"):
        scenario_engine("bootstrp")
