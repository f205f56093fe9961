"""The settings safety leans on, looked at when a bot starts and in every loop.

A value that does not hold is refused while nothing is at stake. Where a position is open a bot
that does not start would leave it alone: it starts, with the safe value in the wrong one's place,
and opens nothing. Freqtrade makes a strategy anew at every start and `/reload_config`, so both
come past here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from freqtrade.enums import TRADE_MODES
from freqtrade.persistence import Trade
from freqtrade.strategy import IStrategy

from models.base.errors import ConfigError
from models.operate.journal.records import Incident
from strategies.account.acknowledgement import leverage_settings
from strategies.account.safety_rules import Cure, Fault, Judged, Purpose, Setting, dig, in_config
from strategies.account.safety_table import SETTINGS
from strategies.human.control import Control

logger = logging.getLogger(__name__)

_KEY: Final = "settings"  # under which control keeps why nothing is opened
_SHOWN: Final = 5  # of what is wrong, in a message


class SettingsCheck:
    """Judges one strategy's settings at what is effective, and holds the safe ones.

    Parameters
    ----------
    strategy
        Freqtrade's, with the whole config.
    kind
        What it is for.
    control
        None in a backtest, which refuses and holds nothing.
    settings
        The table.
    """

    def __init__(
        self,
        strategy: IStrategy,
        kind: Purpose,
        control: Control | None,
        settings: Sequence[Setting] = SETTINGS,
    ) -> None:
        self._strategy, self._control, self._settings = strategy, control, settings
        self._judged = Judged(kind=kind, strategy=strategy, config=strategy.config)
        self._acknowledged = leverage_settings(strategy.config)
        self._overridden: list[str] = []  # to be said as soon as there is somebody to say it to
        self._standing: list[str] = []  # wrong at the start, while a position was open
        self._told: set[str] = set()  # settings that were put back since

    def made(self) -> None:
        """Override what Freqtrade reads before the strategy starts; call it in `__init__`."""
        # A backtest writes into the block, which is the class's.
        self._strategy.order_types = dict(self._strategy.order_types)
        self._override([s for s in self._settings if s.early])

    def start(self) -> None:
        """Override what may be, and refuse the rest.

        Raises
        ------
        ConfigError
            If a setting is not what safety needs and nothing is open; lists all of them.
        """
        self._override([s for s in self._settings if not s.early])
        faults = self._judged.faults(self._settings)
        wrong = [str(fault) for fault in faults] + self._unacknowledged()
        if wrong and not self._at_stake():
            raise _refusal(wrong, faults)
        for fault in faults:
            self._hold(fault)
        for line in wrong:
            logger.warning("nothing is opened: %s", line)
        self._standing = wrong
        for line in self._overridden:
            self._say(line, "overridden")
        self._open_nothing(wrong)

    def loop(self) -> None:
        """Put back what something has changed since the start; what cannot be opens nothing."""
        why = [*self._standing]
        # Blocks of the config are read once; what a strategy carries can be set at any time.
        carried = [s for s in self._settings if hasattr(self._strategy, s.name.split(".")[0])]
        for fault in self._judged.faults(carried):
            held, again = self._hold(fault), fault.setting.name in self._told
            if not held or again:  # somebody sets it in every loop
                why.append(str(fault))
            if held and not again:
                self._told.add(fault.setting.name)
                self._say(f"{fault}; put back", "changed while the bot ran")
        self._open_nothing(why)

    def _override(self, settings: Iterable[Setting]) -> None:
        rows = [s for s in settings if s.cure is Cure.OVERRIDE]
        for fault in self._judged.faults(rows):
            self._hold(fault)
            line = f"{fault}: {in_config(fault.rule.instead)} instead"
            logger.warning("%s", line)
            self._overridden.append(line)

    def _at_stake(self) -> bool:
        trading = self._strategy.config["runmode"] in TRADE_MODES
        return trading and bool(Trade.get_open_trades())

    def _unacknowledged(self) -> list[str]:
        """Return what is wrong where the strategy itself changes what a person acknowledges."""
        if self._control is None:
            return []
        now = leverage_settings(self._strategy.config)
        changed = [name for name, value in now.items() if value != self._acknowledged[name]]
        if not changed:
            return []
        return [
            f"{name}: the strategy sets it, {in_config(now[name])}, and a person has to "
            "acknowledge it; set it in the config, then breakwater acknowledge"
            for name in changed
        ]

    def _hold(self, fault: Fault) -> bool:
        """Put the safe value in the place of a wrong one; return whether there is such a value."""
        if fault.rule.instead is None:
            return False
        top, *path = fault.setting.name.split(".")
        config = self._strategy.config
        config[top] = _with(config.get(top), path, fault.rule.instead)
        owner = getattr(self._strategy, top, None)  # Freqtrade's own names, as in `Judged`
        try:
            if owner is not None:
                setattr(self._strategy, top, _with(owner, path, fault.rule.instead))
        except AttributeError:  # a property of a subclass
            return False
        return True

    def _open_nothing(self, why: Sequence[str]) -> None:
        if self._control is not None:
            more = f"; and {len(why) - _SHOWN} more, in the log" if len(why) > _SHOWN else ""
            text = f"unsafe settings: {'; '.join(why[:_SHOWN])}{more}" if why else ""
            self._control.forbid(_KEY, text)

    def _say(self, what: str, done: str) -> None:
        logger.warning("setting %s: %s", done, what)
        if self._control is not None:
            self._control.record("setting", Incident(what=what, done=done))
            self._strategy.dp.send_msg(f"Setting {done}. {what}", always_send=True)


def refuse_unsafe(kind: Purpose, config: Mapping[str, Any], strategy: IStrategy) -> None:
    """Refuse, in one line, the settings a bot of this configuration would not start with.

    Raises
    ------
    ConfigError
        If there are any; lists all of them.
    """
    faults = Judged(kind=kind, strategy=strategy, config=config).faults(SETTINGS)
    wrong = [str(fault) for fault in faults if fault.setting.cure is Cure.REFUSE]
    if wrong:
        raise ConfigError(f"stops and closing could not rely on: {'; '.join(wrong)}")


def _with(block: object, path: Sequence[str], value: object) -> object:
    """Return a copy of a setting's block with `value` at `path`; `value` itself without one."""
    if not path:
        return value
    held = dict(block) if isinstance(block, dict) else {}
    held[path[0]] = _with(dig(held, path[:1], {}), path[1:], value)
    return held


def _refusal(wrong: Sequence[str], faults: Sequence[Fault]) -> ConfigError:
    lines = "".join(f"\n- {line}" for line in wrong)
    cures = "; ".join(dict.fromkeys(fault.cure for fault in faults))
    return ConfigError(
        f"expected settings that stops and closing can rely on; the bot does not start:{lines}",
        where="config, environment, command line, parameter file and strategy together",
        cure=cures or "set it in the config",
    )
