"""The market data of a run: which directory it uses, real, downloaded or simulated."""

from __future__ import annotations

from pathlib import Path

from models.base.errors import InputError
from strategies.bot.data_files import MARKER, listing
from strategies.bot.market_data import (
    MARK_TIMEFRAME,
    DataSummary,
    FileSummary,
    check_datadir,
    load_checked,
    load_funding,
)
from strategies.desk.simulated_data import read_marker, write_simulated

__all__ = [
    "MARKER",
    "MARK_TIMEFRAME",
    "DataSummary",
    "FileSummary",
    "check_datadir",
    "choose_datadir",
    "load_checked",
    "load_funding",
    "read_marker",
    "write_simulated",
]


def choose_datadir(explicit: Path | None, userdir: Path) -> Path:
    """Return the data directory of a run: the one asked for, else real data, else simulated.

    Parameters
    ----------
    explicit
        What the user asked for; it is used or refused, never replaced by another.
    userdir
        Freqtrade's user directory. Downloaded candles in ``data/binance`` come first; without
        them ``data/simulated`` is used, and written first if there is none.

    Raises
    ------
    InputError
        If `explicit` is not a directory with futures candles.
    """
    if explicit is not None:
        _refuse_wrong(Path(explicit))
        return Path(explicit)
    downloaded = Path(userdir) / "data" / "binance"
    if _has_futures(downloaded):
        return downloaded
    simulated = Path(userdir) / "data" / "simulated"
    if not (simulated / MARKER).is_file():
        write_simulated(simulated)
    return simulated


def _refuse_wrong(datadir: Path) -> None:
    if _has_futures(datadir):
        return
    cure = "give the directory that holds futures/<PAIR>-<timeframe>-futures.feather"
    if datadir.name == "futures" and _has_futures(datadir.parent):
        cure = f"give its parent, {datadir.parent}"
    found = listing(datadir / "futures" if datadir.is_dir() else datadir)
    raise InputError(
        f"expected a data directory with futures candles, got {datadir}: {found}",
        where=str(datadir),
        cure=f"{cure}; or leave the setting out to use downloaded or simulated data",
    )


def _has_futures(datadir: Path) -> bool:
    return any((datadir / "futures").glob("*-futures.feather"))
