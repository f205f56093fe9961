"""How far each coin may go within an hour by scenarios, as entries are sized by it.

It only ever makes an hour worse than the record has it, and never worse than what is assumed of a
coin nobody knows: no wick of a broken feed and no engine gone astray shuts a bot out. What was said
last counts until something newer is. Where scenarios spoke of a coin once and have been silent for
a day, it is not opened: that a wild hour was coming nobody would have said.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from models.base.errors import InputError
from models.base.files import Clock, iso_ms
from models.base.units import DAY_MS
from models.operate.control.shocks import (
    SILENT_MS,
    CoinShocks,
    PairShock,
    Unforeseen,
    read_shocks,
    write_shocks,
)
from models.trade.risk.worst_hours import WorstHour, no_worse_than_assumed

logger = logging.getLogger(__name__)

FORGOTTEN_MS: Final = 30 * DAY_MS  # so long behind the newest, a coin is as one never known
_NONE: Final = CoinShocks(known=(), missing=())


class Foresight:
    """The newest shocks of one bot, in memory and in its control folder.

    Parameters
    ----------
    folder
        The bot's control folder; what a life before has left there counts. Where it cannot be
        read, `unread` says so until something is said anew, and sizes go by the record alone.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self.unread = ""
        try:
            self._shocks = read_shocks(folder, now_ms=clock()) or _NONE
        except InputError as error:
            self._shocks, self.unread = _NONE, f"what was said last cannot be read: {error.problem}"
            logger.warning("shocks: %s", error)
        self.hours = self._hours()

    def until(self, pair: str) -> int:
        """Return the close of the newest hour that is known of a pair; 0 of one never known."""
        known = (one.until_ms for one in self._shocks.known if one.pair == pair)
        return next(known, 0)

    def take(
        self,
        known: Sequence[PairShock],
        missing: Sequence[Unforeseen],
        followed: Collection[str],
    ) -> None:
        """Go by what was computed anew, and write it down.

        Parameters
        ----------
        followed
            Pairs the bot follows now: why nothing is known of any other is not kept.

        Raises
        ------
        OSError
            If it cannot be written; the bot goes by it all the same.
        """
        said = {one.pair: one for one in self._shocks.known}
        whys = {one.pair: one for one in (*self._shocks.missing, *missing)}
        oldest_ms = self._clock() - SILENT_MS
        for one in known:
            whys.pop(one.pair, None)
            if one.pair not in said and one.until_ms < oldest_ms:  # old news is no word of now
                why = f"its candles end at {iso_ms(one.until_ms)}"
                whys[one.pair] = Unforeseen(pair=one.pair, why=why)
            elif one.pair not in said or one.until_ms >= said[one.pair].until_ms:
                said[one.pair] = one
        forgotten_ms = max((one.until_ms for one in said.values()), default=0) - FORGOTTEN_MS
        self._shocks = CoinShocks(
            known=tuple(one for one in said.values() if one.until_ms > forgotten_ms),
            missing=tuple(one for pair, one in whys.items() if pair in followed),
        )
        self.hours = self._hours()
        if known:
            self.unread = ""
        if (known or missing) and not self.unread:
            write_shocks(self._folder, self._shocks)

    @property
    def silences(self) -> dict[str, str]:
        """Why a pair is not opened until something new is said of it.

        Of a pair that nothing was ever said of, the record alone is gone by.
        """
        oldest_ms = self._clock() - SILENT_MS
        return {
            one.pair: self._silence(one) for one in self._shocks.known if one.until_ms < oldest_ms
        }

    def _silence(self, shock: PairShock) -> str:
        whys = (f" ({one.why})" for one in self._shocks.missing if one.pair == shock.pair)
        return (
            f"scenarios have said nothing of {shock.pair} since {iso_ms(shock.until_ms)}"
            f"{next(whys, '')}; breakwater.outlook.enabled: false and a restart do without them"
        )

    def _hours(self) -> dict[str, WorstHour]:
        """Return the worst that is held possible of each pair something was said of."""
        return {
            one.pair: no_worse_than_assumed(one.fall_frac, one.rise_frac)
            for one in self._shocks.known
        }
