"""What scenarios hold possible in the hour to come, as the guards size by it.

It only ever makes an hour worse than the record has it, and never worse than what is assumed of a
coin nobody knows: no wick of a broken feed, and no engine gone astray, has a position cut to
nothing. What was known last counts until something newer is. Where scenarios spoke once and have
been silent for a day, nothing is opened: that a wild hour was coming nobody would have said.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.base.errors import InputError
from models.base.files import Clock, iso_ms
from models.base.units import DAY_MS
from models.operate.control.shocks import PairShock, Shocks, read_shocks, shocks_from, write_shocks
from models.trade.risk.worst_hours import ASSUMED, WorstHour

SILENT_MS: Final = DAY_MS  # after a candle of which nothing is known, until nothing is opened


class Foresight:
    """The newest shocks of one bot, in memory and in its control folder.

    Parameters
    ----------
    folder
        The bot's control folder; what a life before has left there counts. Where it cannot be
        read, nothing is opened until it has been computed anew.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._shocks, self._unread = Shocks(engine="", candle_ms=0, known=()), ""
        try:
            self._shocks = read_shocks(folder) or self._shocks
        except InputError as error:
            self._unread = f"what scenarios said last cannot be read: {error}"

    def take(self, values: Mapping[str, Any]) -> None:
        """Go by what was computed anew, and write it down.

        Raises
        ------
        KeyError, TypeError, ValueError
            If these are no shocks; those before stay.
        OSError
            If they cannot be written; the bot goes by them all the same.
        """
        self._shocks, self._unread = self._shocks.followed_by(shocks_from(values)), ""
        write_shocks(self._folder, self._shocks)

    @property
    def hours(self) -> dict[str, WorstHour]:
        """The worst that is held possible of each pair something was ever said of."""
        return {one.pair: _bounded(one) for one in self._shocks.known}

    @property
    def silences(self) -> dict[str, str]:
        """Why nothing is opened in a pair, or by "" in any, until something new is said of it.

        Of a pair that nothing was ever said of, the record alone is gone by.
        """
        if self._unread:
            return {"": self._unread}
        oldest_ms = self._clock() - SILENT_MS - self._shocks.candle_ms
        whys = {one.pair: f" ({one.why})" for one in self._shocks.missing}
        return {
            one.pair: f"scenarios have said nothing of {one.pair} since {iso_ms(one.until_ms)}"
            f"{whys.get(one.pair, '')}: risk has more; breakwater.outlook.enabled: false does "
            "without them"
            for one in self._shocks.known
            if one.until_ms < oldest_ms
        }


def _bounded(shock: PairShock) -> WorstHour:
    return WorstHour(
        fall_frac=min(shock.fall_frac, ASSUMED.fall_frac),
        rise_frac=min(shock.rise_frac, ASSUMED.rise_frac),
    )
