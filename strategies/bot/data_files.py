"""One market data file: where it is, reading it, and cures that name its pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from freqtrade.candle_columns import get_candle_columns
from freqtrade.enums import CandleType
from freqtrade.misc import pair_to_filename
from pyarrow import ArrowException

from models.base.errors import InputError
from models.base.types import FloatArray, IntArray
from models.data.feeds.candles import timerange

MARKER: Final = "SIMULATED.json"  # its presence is what makes a data directory simulated
_UTC: Final = ("UTC", "Etc/UTC")  # names of the one zone that is read
_LISTED: Final = 8  # file names shown when one is missing


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One file of a Freqtrade data directory, and the span a run needs of it.

    Examples
    --------
    >>> from functools import partial
    >>> of = partial(DataFile, datadir=Path("d"), timeframe="1h")
    >>> of(pair="BTC/USDT:USDT", candle_type=CandleType.MARK).path.as_posix()
    'd/futures/BTC_USDT_USDT-1h-mark.feather'
    >>> of(pair="BTC/USDT", candle_type=CandleType.SPOT).path.as_posix()
    'd/BTC_USDT-1h.feather'
    """

    datadir: Path
    pair: str
    timeframe: str
    candle_type: CandleType
    start_ms: int | None = None  # None: all there is
    stop_ms: int | None = None

    @property
    def path(self) -> Path:
        """Where Freqtrade keeps it."""
        stem = f"{pair_to_filename(self.pair)}-{self.timeframe.replace('M', 'Mo')}"
        if self.candle_type == CandleType.SPOT:
            return self.datadir / f"{stem}.feather"
        return self.datadir / "futures" / f"{stem}-{self.candle_type.value}.feather"

    def read(self) -> tuple[IntArray, dict[str, FloatArray]]:
        """Return the file's times and its value columns by name.

        Raises
        ------
        InputError
            If the file is missing or unreadable, lacks a column, or a date is empty.
        """
        path = self.path
        if not path.is_file():
            raise InputError(
                f"expected the file {path.name}, found {listing(path.parent, near=path.name)}",
                where=str(path),
                cure=self.cure(self.download()),
            )
        try:
            frame = pd.read_feather(path)
        except (ArrowException, OSError, ValueError) as error:
            raise InputError(
                f"expected a feather file, could not read {path.name} "
                f"({path.stat().st_size} bytes): {error}",
                where=str(path),
                cure=self.cure(f"delete the file, then {self.download()}"),
            ) from error
        return self._columns(frame)

    def checked(self, checks: list[Callable[[], None]]) -> None:
        """Run checks of this file's data; raise all they say as one error that names the pair."""
        errors: list[InputError] = []
        for check in checks:
            try:
                check()
            except InputError as error:
                errors.append(error)
        if not errors:
            return
        cure = "; ".join(error.cure for error in errors)
        cure = cure.replace("freqtrade download-data", self._command())
        # A check that names the kind of file itself would have it named twice.
        cure = cure.replace(f"{self._kinds()} --candle-types funding_rate", self._kinds())
        problem = "\n".join(error.problem for error in errors)
        raise InputError(problem, where=errors[-1].where, cure=self.cure(cure))

    def cure(self, real: str) -> str:
        """Return `real`, or what to do where the data are simulated."""
        if not (self.datadir / MARKER).is_file():
            return real
        return (
            f"this is simulated data: delete {self.datadir}, it is written again when needed; "
            "or choose a run within the simulated span"
        )

    def download(self) -> str:
        """Return the command that downloads the file."""
        if self.start_ms is None or self.stop_ms is None:
            return f"{self._command()} --timerange <from>-<to>"
        return f"{self._command()} --timerange {timerange(self.start_ms, self.stop_ms)}"

    def _command(self) -> str:
        mode = "spot" if self.candle_type == CandleType.SPOT else "futures"
        return (
            f"freqtrade download-data --exchange binance --trading-mode {mode} "
            f"--pairs {self.pair} --timeframes {self.timeframe}{self._kinds()}"
        )

    def _kinds(self) -> str:
        plain = self.candle_type in (CandleType.SPOT, CandleType.FUTURES)
        return "" if plain else f" --candle-types {self.candle_type.value}"

    def _columns(self, frame: pd.DataFrame) -> tuple[IntArray, dict[str, FloatArray]]:
        wanted = get_candle_columns(self.candle_type)
        funding = self.candle_type == CandleType.FUNDING_RATE
        if funding and "funding_rate" not in frame and "open" in frame:
            frame = frame.rename(columns={"open": "funding_rate"})  # how older files keep the rate
        fault = _column_fault(frame, wanted)
        if fault:
            raise InputError(
                f"expected other contents in {self.path.name}: {fault}",
                where=str(self.path),
                cure=self.cure(f"delete the file, then {self.download()}"),
            )
        # Whatever the unit on disk: milliseconds.
        time_ms = frame["date"].dt.tz_convert("UTC").dt.as_unit("ms").astype("int64").to_numpy()
        return time_ms, {c: frame[c].to_numpy(dtype=np.float64) for c in wanted[1:]}


def listing(folder: Path, near: str = "") -> str:
    """Return what lies in a folder, in words; files of the pair in the name `near` come first.

    Examples
    --------
    >>> listing(Path("no/such/folder"))
    'no such directory: no/such/folder'
    """
    if not folder.is_dir():
        return f"no such directory: {folder}"
    pair = near.split("-")[0]
    names = sorted(p.name for p in folder.iterdir() if p.is_file())
    names.sort(key=lambda name: name.split("-")[0] != pair)
    if not names:
        return f"no files in {folder}"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{len(names)} files in {folder}: {', '.join(names[:_LISTED])}{more}"


def _column_fault(frame: pd.DataFrame, wanted: list[str]) -> str:
    """Return what is wrong with the columns, or nothing."""
    missing = [c for c in wanted if c not in frame]
    types: dict[Any, Any] = {c: frame[c].dtype for c in wanted if c in frame}
    wrong = [c for c in types if c != "date" and not pd.api.types.is_numeric_dtype(types[c])]
    if "date" in types and not isinstance(types["date"], pd.DatetimeTZDtype):
        wrong.append("date")
    if missing or wrong:
        got = ", ".join(f"{c} ({t})" for c, t in frame.dtypes.items())
        faults = [f"missing {', '.join(missing)}"] if missing else []
        faults += [f"wrong type of {', '.join(wrong)}"] if wrong else []
        return (
            f"{'; '.join(faults)}; wanted {', '.join(wanted)} "
            f"(numbers, and dates with a time zone), got {got}"
        )
    empty = np.flatnonzero(frame["date"].isna())
    if empty.size:
        return f"{empty.size} dates are empty, the first in row {empty[0]}"
    zone = str(types["date"].tz)
    if zone in _UTC or not len(frame):
        return ""
    # Freqtrade takes the stamps as they are, and every fill is hours off.
    return f"dates in UTC wanted, got {zone}: row 0 is stamped {frame['date'].iloc[0]}"
