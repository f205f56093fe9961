"""The losses on disk: a restart does not reset a limit, a person does."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from models.base.errors import InputError, PackError
from models.base.files import read_regular, write_atomic
from models.base.units import HOUR_MS
from models.trade.risk.losses import (
    LossState,
    Transfer,
    loss_state_from,
    observe_equity,
    to_mapping,
    transferred,
)

_OVERLAP_MS: Final = HOUR_MS  # transfers are asked for again: one may be listed late
_KEPT_MS: Final = 2 * _OVERLAP_MS
_SETTLE_MS: Final = 15_000  # a transfer may reach the wallet and its history one after the other
_JUMP_FRAC: Final = 0.005  # of equity; a smaller one may be taken for a gain or a loss meanwhile


class LossBook:
    """The losses in `losses.json`, with the transfers that have been counted into them.

    Resuming after a halt takes the equity of that moment as the new start of day, week and peak;
    otherwise the first look after it would halt again.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "losses.json"
        self.state: LossState | None = None
        self._armed_ms = 0
        self._counted: dict[str, int] = {}  # transfer -> its time
        self._until_ms: int | None = None  # transfers are counted up to here
        self._wallet: float | None = None  # balance at the last observation
        self._waits_ms: int | None = None  # since when a jump is without an explanation
        self._closings: dict[str, int] = {}  # pair -> its last closing fill not counted yet
        self._observed = False  # anything in this run
        self._is_redated = False  # and the file has the wrong date still
        with contextlib.suppress(FileNotFoundError):
            try:
                self._load(json.loads(read_regular(self._path)))
            except FileNotFoundError:
                raise  # nothing counted yet
            except (
                OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, PackError,
            ) as error:  # fmt: skip
                raise InputError(
                    f"the losses cannot be read: {error}",
                    where=str(self._path),
                    cure="look at the file; remove it to start counting anew",
                ) from error

    def _load(self, kept: Mapping[str, Any]) -> None:
        self.state, self._armed_ms = loss_state_from(kept["losses"]), int(kept["armed_ms"])
        if "transfers" in kept:  # written by a version that did not know of them: none counted
            self._counted = {str(k): int(v) for k, v in kept["transfers"]["counted"].items()}
            self._until_ms = int(kept["transfers"]["until_ms"])

    def redate(self, now_ms: int) -> int:
        """Set a date ahead of now aside, and return by how much it was, milliseconds; 0 if by none.

        A clock was wrong when it was written. What was lost stays; it counts on from now.
        """
        self._closings = {pair: min(t, now_ms) for pair, t in self._closings.items()}
        if self.state is None or self.state.time_ms <= now_ms:
            return 0
        ahead_ms = self.state.time_ms - now_ms
        self.state, self._is_redated = replace(self.state, time_ms=now_ms), True
        if self._until_ms is not None:
            self._until_ms = min(self._until_ms, now_ms)
        self._waits_ms = None
        return ahead_ms

    def closed(self, pair: str, now_ms: int) -> None:
        """Note a fill that took from a position: what it lost is in no equity observed so far."""
        self._closings[pair] = now_ms

    @property
    def uncounted(self) -> tuple[str, ...]:
        """What the losses do not contain yet, in words; nothing new may be opened on them."""
        waits = [f"the result of a fill in {pair}" for pair in sorted(self._closings)]
        if not self._observed:
            waits.append("the equity since the start")
        if self._waits_ms is not None:
            waits.append("the reason of a jump in equity")
        return tuple(waits)

    def asks(self, wallet_quote: float) -> bool:
        """Whether there may be transfers not counted yet: only they, fills and fees move it.

        While a jump waits for its reason they are asked for in every look, or it would wait on
        where a person resumes meanwhile, or the balance is back to what it was.
        """
        return self._waits_ms is not None or self._wallet != wallet_quote

    def since_ms(self, now_ms: int) -> int:
        """Return from when on transfers are to be asked for."""
        return (now_ms if self._until_ms is None else self._until_ms) - _OVERLAP_MS

    def observe(
        self,
        now_ms: int,
        equity_quote: float,
        armed_ms: int,
        transfers: Sequence[Transfer] | None = None,
        wallet_quote: float | None = None,
    ) -> LossState | None:
        """Fold in one more equity and write it down; return the state.

        Parameters
        ----------
        armed_ms
            When a person last resumed.
        transfers
            Of `since_ms` on; None if nobody asked or nobody answered: references stay.
        wallet_quote
            Balance the equity contains. With transfers, a jump of both that none of them explains
            is waited with for a moment.
        """
        # Armed at a time that has not come: somebody resumed while a clock was wrong, and another
        # date is another word of a person.
        is_newer = armed_ms > self._armed_ms or (armed_ms and now_ms < self._armed_ms != armed_ms)
        before = None if is_newer else self.state
        news = [t for t in transfers or () if t.id not in self._counted]
        if transfers is not None:
            if before is not None:
                # At the very first look, what is listed is in the equity already.
                moved = 0.0 if self._until_ms is None else sum(t.amount_quote for t in news)
                if self._is_early(before, now_ms, equity_quote, moved):
                    return self.state
                before = transferred(before, moved, equity_quote) if moved else before
            self._count(news, now_ms)
            self._wallet = wallet_quote
        seen = observe_equity(before, now_ms, equity_quote)
        self._closings = {p: t for p, t in self._closings.items() if t >= now_ms}
        self._observed = True
        kept, is_news = self.state, bool(news) or before is None or self._is_redated
        if kept is None or is_news or seen != replace(kept, time_ms=seen.time_ms):
            self._armed_ms = armed_ms if is_newer else self._armed_ms
            self._write(seen, self._armed_ms)
            self._is_redated = False
        self.state = seen
        return seen

    def _is_early(
        self, before: LossState, now_ms: int, equity_quote: float, moved_quote: float
    ) -> bool:
        """Whether wallet and history of transfers have not both heard of a transfer yet."""
        expected = before.equity_quote + moved_quote
        if abs(equity_quote - expected) < _JUMP_FRAC * abs(before.equity_quote):
            self._waits_ms = None
            return False
        if self._waits_ms is None:
            self._waits_ms = now_ms
        if now_ms - self._waits_ms < _SETTLE_MS:
            return True
        self._waits_ms = None
        return False

    def _count(self, news: Sequence[Transfer], now_ms: int) -> None:
        kept = self._counted | {t.id: t.time_ms for t in news}
        self._counted = {k: v for k, v in kept.items() if v >= now_ms - _KEPT_MS}
        self._until_ms = now_ms

    def _write(self, seen: LossState, armed_ms: int) -> None:
        kept: dict[str, Any] = {"losses": to_mapping(seen), "armed_ms": armed_ms}
        if self._until_ms is not None:
            kept["transfers"] = {"counted": self._counted, "until_ms": self._until_ms}
        write_atomic(self._path, json.dumps(kept).encode())
