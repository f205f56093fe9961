"""Every block of settings, however deep, is checked: its keys, its types, and all at once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.config import from_mapping
from models.base.errors import ConfigError
from models.learn import catalog
from models.learn.training.settings import ModelSettings
from models.trade.decision.execution import OrderStyle
from strategies.account.hedge_config import HedgeConfig, HedgeMode, PrimaryConfig
from strategies.bot.config import PackConfig, pack_config
from strategies.bot.styles import Style
from strategies.seams.fast_mode import FastMode
from strategies.seams.training_place import TrainingPlace
from tests.places import USER_DATA

HEDGE: Final = {
    "mode": "elsewhere", "primary": {"amount_base": 20.0}, "instruments": ["BTC/USDT:USDT"],
}  # fmt: skip

TEXTS, NUMBERS = st.text(), st.integers() | st.floats()
LISTS = st.lists(st.integers(), min_size=1)
BLOCKS = st.dictionaries(st.text(max_size=3), st.integers(), min_size=1)
# Annotation -> values that are of another type. A bool is never a number, a text never a list.
WRONG: Final[Mapping[Any, st.SearchStrategy[Any]]] = {
    int: TEXTS | st.floats() | st.booleans() | LISTS | BLOCKS | st.none(),
    float: TEXTS | st.booleans() | LISTS | BLOCKS | st.none(),
    bool: TEXTS | NUMBERS | LISTS | BLOCKS | st.none(),
    str: NUMBERS | st.booleans() | LISTS | BLOCKS | st.none(),
    Sequence: TEXTS | NUMBERS | st.booleans() | LISTS | BLOCKS | st.none(),
    Mapping: TEXTS | NUMBERS | st.booleans() | LISTS | st.none(),
    HedgeMode: TEXTS | NUMBERS | LISTS | st.none(),
    FastMode: TEXTS | NUMBERS | LISTS | st.none(),
    TrainingPlace: TEXTS | NUMBERS | LISTS | st.none(),
    Style: TEXTS | NUMBERS | LISTS | st.none(),
    OrderStyle: TEXTS | NUMBERS | LISTS | st.none(),
}


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation itself."""
    return get_args(hint) if NoneType in get_args(hint) else (hint,)


def blocks_within(cls: type[Any]) -> Iterator[type[Any]]:
    """Yield a config dataclass and those of all blocks within it."""
    yield cls
    for hint in get_type_hints(cls).values():
        for kind in alternatives(hint):
            if dataclasses.is_dataclass(kind) and isinstance(kind, type):
                yield from blocks_within(kind)


CLASSES: Final = sorted(
    {
        *blocks_within(PackConfig),
        *blocks_within(ModelSettings),
        *(catalog.load(name).config for name in catalog.names()),
    },
    key=lambda cls: cls.__qualname__,
)


def wrong_values(hint: Any) -> st.SearchStrategy[Any]:
    """Return values that no alternative of an annotation allows."""
    kinds = alternatives(hint)
    kind = kinds[0]
    if dataclasses.is_dataclass(kind):
        values = WRONG[Mapping]
    else:
        origin = get_origin(kind)
        values = WRONG[Sequence if origin is tuple else origin or kind]
    return values.filter(lambda v: v is not None) if NoneType in kinds else values


def test_blocks_when_collected_then_the_deepest_are_among_them() -> None:
    names = {cls.__name__ for cls in CLASSES}
    assert {"ReadConfig", "CollectConfig", "HardLimits", "TrainingSettings", "TCNConfig"} <= names
    assert len(names) > 20


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_block_when_any_setting_is_of_another_type_then_it_is_refused_by_name(
    cls: type[Any], data: st.DataObject
) -> None:
    hints = get_type_hints(cls)
    name = data.draw(st.sampled_from([f.name for f in dataclasses.fields(cls)]))
    value = data.draw(wrong_values(hints[name]))
    with pytest.raises(ConfigError) as caught:
        from_mapping(cls, {name: value}, where="block")
    assert caught.value.where in ("block", f"block.{name}")
    assert caught.value.cure.startswith("known settings: ") or "; " in caught.value.cure
    assert name in f"{caught.value.where} {caught.value.problem}"


@pytest.mark.parametrize(
    ("block", "where", "said"),
    [
        ({"limits": {"max_leverag": 2}}, "limits", "did you mean 'max_leverage'"),
        ({"collect": {"quota": 2}}, "collect", "did you mean 'quota_gb'"),
        ({"collect": {"coins": ["LTC", 3]}}, "collect", "a list of coins"),
        ({"collect": {"addresses": {"coingecko": 3}}}, "collect", "a text for addresses.coingecko"),
        ({"hedge": {**HEDGE, "baseline": {"widht": 1.0}}}, "hedge.baseline", "mean 'width'"),
        ({"hedge": {**HEDGE, "baseline": {"width": "1"}}}, "hedge.baseline", "number or nothing"),
        ({"hedge": {**HEDGE, "primary": {"sied": "long"}}}, "hedge.primary", "mean 'side'"),
        (
            {"hedge": {**HEDGE, "primary": {"read": {"exchnge": "okx", "symbol": "LTC/USDT"}}}},
            "hedge.primary.read",
            "unknown setting 'exchnge'; did you mean 'exchange'?; expected exchange, got nothing; "
            "expected key_env, got nothing; expected secret_env, got nothing",
        ),
        ({"hedge": {"mode": "own"}}, "hedge", "expected primary, got nothing"),
        ({"pacing": 3}, "pacing", "expected a block of settings, got 3"),
        ({"review": {"enabled": 1}}, "review", "true or false for enabled, got 1"),
        ({"watchdog": {"every_s": True}}, "watchdog", "a number for every_s, got True"),
        ({"decision": {"without": "hazard"}}, "decision", "a list for without, got 'hazard'"),
    ],
)
def test_block_when_a_setting_within_is_wrong_then_its_full_path_is_named(
    block: dict[str, Any], where: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        pack_config({"breakwater": block})
    assert caught.value.where == f"breakwater.{where}"
    assert said in caught.value.problem
    assert caught.value.cure.startswith("known settings: ")


def test_blocks_when_several_are_wrong_then_all_are_named_at_once() -> None:
    wrong = {
        "limts": {},
        "limits": {"max_leverage": 20},
        "hedge": {**HEDGE, "primary": {"amount_base": "1"}, "policy": {"max_ration": 1.0}},
    }
    with pytest.raises(ConfigError) as caught:
        pack_config({"breakwater": wrong})
    said = str(caught.value)
    for part in (
        "breakwater: unknown setting 'limts'; did you mean 'limits'?",
        "breakwater.limits: expected 1 <= max_leverage <= 5, got 20",
        "breakwater.hedge.primary: expected a number for amount_base, got '1'",
        "breakwater.hedge.policy: unknown setting 'max_ration'; did you mean 'max_ratio'?",
    ):
        assert part in said


@pytest.mark.parametrize("path", sorted(USER_DATA.glob("config_*.json")), ids=str)
def test_shipped_configs_when_parsed_then_every_block_is_sound(path: Path) -> None:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(pack_config(loaded), PackConfig)
    blocks = (loaded.get("freqai") or {}).get("model_training_parameters") or {}
    assert isinstance(ModelSettings.from_blocks(blocks, where="freqai"), ModelSettings)


def test_numbers_when_written_whole_then_they_stay_so_and_fractions_do_too() -> None:
    parsed = pack_config({"breakwater": {"limits": {"max_leverage": 2, "margin_warn": 0.25}}})
    assert str(parsed.limits.max_leverage) == "2"
    assert parsed.limits.margin_warn == 0.25


def test_hedge_when_given_as_json_then_it_is_the_typed_block() -> None:
    hedge = pack_config({"breakwater": {"hedge": HEDGE}}).hedge
    assert hedge == HedgeConfig(
        mode=HedgeMode.ELSEWHERE,
        primary=PrimaryConfig(amount_base=20.0),
        instruments=("BTC/USDT:USDT",),
    )
