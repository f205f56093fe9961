"""How a Freqtrade setting is judged: at what is effective, wherever it came from.

Freqtrade lets a config file, an environment variable, a parameter file and a subclass override
what a strategy says of its own stops and exits. `strategies.account.safety_table` has a row for
each of those settings; what a row means is here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from freqtrade.enums import TRADE_MODES, RunMode

from models.base.config import shown


class Purpose(StrEnum):
    """What a strategy is for, which decides what its stops and exits have to be."""

    FORECAST = "forecast"  # every position has a working stop
    HEDGE = "hedge"  # a leg has none: one that stops out leaves the position naked


class Where(StrEnum):
    """The runs a setting is judged in."""

    EVERYWHERE = "everywhere"
    TRADING = "dry-run and live"
    LIVE = "live"
    BACKTEST = "backtests"


class Cure(StrEnum):
    """What happens to a value that does not hold."""

    REFUSE = "refused"
    OVERRIDE = "overridden"  # the bot starts with the rule's own value, and says so


@dataclass(frozen=True)
class Need:
    """What a setting has to be.

    Parameters
    ----------
    wanted
        In words, after "expected": "true", "from 0.05 to 0.25".
    holds
        Whether a value will do; is given the whole config too.
    instead
        The safe value, which stands in for a wrong one where a position is open; None where the
        setting has done its work before a strategy starts.
    cure
        What a person does about a wrong one, where it is not to set what stands in for it.
    """

    wanted: str
    holds: Callable[[Any, Mapping[str, Any]], bool]
    instead: Any = None
    cure: str = ""


ANYTHING: Final = Need("anything", lambda value, config: True)


def exactly(value: Any) -> Need:
    """Return the rule that a setting is `value`, and that this stands in for any other.

    Examples
    --------
    >>> exactly(True).wanted, exactly(True).holds(1, {}), exactly(-10.0).holds(-10, {})
    ('true', False, True)
    """
    strict = isinstance(value, bool)  # 1 is not true; a text may be a member of an enum

    def same(given: Any, _: Mapping[str, Any]) -> bool:
        return bool(given == value) and isinstance(given, bool) is strict

    return Need(in_config(value), same, value)


def one_of(*values: Any, instead: Any = None) -> Need:
    """Return the rule that a setting is one of `values`; texts in any case."""
    known = {_plain(value) for value in values}
    words = " or ".join(in_config(value) for value in values)
    return Need(words, lambda given, _: _hashable(given) and _plain(given) in known, instead)


def within(low: float, high: float, instead: float | None = None) -> Need:
    """Return the rule that a setting is a number in [low, high].

    Examples
    --------
    >>> rule = within(-0.5, -0.02)
    >>> [rule.holds(value, {}) for value in (-0.5, -0.99, True, None, float("nan"))]
    [True, False, False, False, False]
    """

    def inside(given: Any, _: Mapping[str, Any]) -> bool:
        return type(given) in (int, float) and low <= given <= high

    return Need(f"from {low:g} to {high:g}", inside, instead)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the table.

    Parameters
    ----------
    name
        Dotted, as in a config: "order_types.exit". Of an attribute of the strategy both the
        attribute and the config are looked at, because Freqtrade reads now one, now the other.
    why
        Why safety leans on it, or why it does not.
    forecast, hedge
        What it has to be in either kind of strategy.
    absent
        What it is where nobody sets it.
    where, cure
        The runs it is judged in, and what happens to a value that does not hold.
    """

    name: str
    why: str
    forecast: Need
    hedge: Need
    absent: Any = None
    where: Where = Where.EVERYWHERE
    cure: Cure = Cure.REFUSE
    early: bool = False  # Freqtrade reads it before a strategy starts, and after it is made

    def rule(self, kind: Purpose) -> Need:
        """Return what it has to be in a strategy of this kind."""
        return self.hedge if kind is Purpose.HEDGE else self.forecast

    def judged_in(self, mode: RunMode) -> bool:
        """Return whether it is judged in a run of this mode."""
        return {
            Where.EVERYWHERE: True,
            Where.TRADING: mode in TRADE_MODES,
            Where.LIVE: mode is RunMode.LIVE,
            Where.BACKTEST: mode not in TRADE_MODES,
        }[self.where]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A setting that is not what safety needs."""

    setting: Setting
    rule: Need
    value: Any
    source: str  # in words: "the environment (FREQTRADE__STOPLOSS)"

    def __str__(self) -> str:
        return (
            f"{self.setting.name}: expected {self.rule.wanted}, got {in_config(self.value)} from "
            f"{self.source}; {self.setting.why}"
        )

    @property
    def cure(self) -> str:
        """Return what a person can do about it."""
        if self.rule.cure:
            return f"{self.rule.cure}, in {self.source}"
        if self.rule.instead is None:
            return f"mend {self.setting.name} in {self.source}"
        return (
            f"take {self.setting.name} out of {self.source}, or set {in_config(self.rule.instead)}"
        )


# What Freqtrade hangs on a strategy under the name of a block, and is none: once it trades, the
# FreqAI model in the place of FreqAI's settings.
_OBJECTS: Final = frozenset({"freqai"})


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The settings of a strategy as they are in effect."""

    kind: Purpose
    strategy: Any  # Freqtrade's IStrategy, read by the names in Freqtrade's own list
    config: Mapping[str, Any]

    def faults(self, settings: Sequence[Setting]) -> list[Fault]:
        """Return what does not hold, in the table's order; one entry a setting."""
        mode = self.config["runmode"]
        found = (self._fault(setting) for setting in settings if setting.judged_in(mode))
        return [fault for fault in found if fault is not None]

    def _fault(self, setting: Setting) -> Fault | None:
        rule = setting.rule(self.kind)
        for value in self._values(setting):
            if not _holds(rule, value, self.config):
                source = self._source(setting.name)
                return Fault(setting=setting, rule=rule, value=value, source=source)
        return None

    def _values(self, setting: Setting) -> Iterator[Any]:
        """Yield every value Freqtrade may act on."""
        path = setting.name.split(".")
        owner = self._attribute(path[0])
        if path[0] in self.config or owner is None:
            yield dig(self.config, path, setting.absent)
        if owner is not None:
            yield dig({path[0]: owner}, path, setting.absent)

    def _attribute(self, name: str) -> Any:
        # Freqtrade sets its own list of names on the strategy; no protocol has them.
        return None if name in _OBJECTS else getattr(self.strategy, name, None)

    def _source(self, name: str) -> str:
        """Return where a value can be changed, in words."""
        variable, top = "FREQTRADE__" + name.upper().replace(".", "__"), name.split(".")[0]
        found = [name for name in os.environ if name.upper() == variable]
        if found:
            return f"the environment ({found[0]})"
        if top in (self.config.get("original_config") or {}):
            return "the config"
        if self._attribute(top) is not None:
            return "the strategy or its parameter file"
        return "the config or the command line"


def dig(values: Any, path: Sequence[str], absent: Any) -> Any:
    """Return the value at `path` of nested mappings, `absent` where there is none.

    Examples
    --------
    >>> dig({"order_types": {"exit": "limit"}}, ["order_types", "exit"], "market")
    'limit'
    >>> dig({"order_types": {}}, ["order_types", "emergency_exit"], "market")
    'market'
    """
    for name in path:
        if not isinstance(values, Mapping) or values.get(name) is None:
            return absent
        values = values[name]
    return values


def in_config(value: Any) -> str:
    """Return a value as a config would have it; a block by the names in it only.

    Examples
    --------
    >>> in_config(True), in_config("limit"), in_config(None), in_config({"password": "p"})
    ('true', '"limit"', 'nothing', 'a block with password')
    >>> in_config("postgresql://ann:password@host/trades")
    'a text of 37 characters'
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and shown(value) == repr(str(value)):
        return f'"{value}"'
    if isinstance(value, Mapping):
        if all(type(v) in (int, float) for v in value.values()):
            return str(dict(value))
        return "a block with " + (", ".join(map(str, value)) or "nothing in it")
    return shown(value)  # a long text may be a key


def _holds(rule: Need, value: Any, config: Mapping[str, Any]) -> bool:
    """Return whether a value will do; one that cannot be judged will not."""
    try:
        return rule.holds(value, config)
    except (TypeError, ValueError, KeyError, AttributeError):
        return False


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str(value).lower()
    return (type(value), value)  # 1 is not true


def _hashable(value: Any) -> bool:
    return value is None or isinstance(value, str | bool | int | float)
