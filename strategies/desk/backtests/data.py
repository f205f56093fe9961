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
from strategies.desk.backtests.simulated_data import (
    default_simulation,
    read_marker,
    write_simulated,
)

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


def choose_datadir(explicit: Path | None, userdir: Path, timeframe: str = "1h") -> Path:
    """Return the data directory of a run: the one asked for, else real data, else simulated.

    Parameters
    ----------
    explicit
        What the user asked for; it is used or refused, never replaced by another.
    userdir
        Freqtrade's user directory. Downloaded candles in ``data/binance`` come first; without
        them ``data/simulated`` is used, and written first if there is none.
    timeframe
        Of the simulated candles; those of other lengths than 1h have a directory of their own.

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
        if not (downloaded / MARKER).is_file():
            return downloaded
        print(f"{downloaded} is not used: {MARKER} says that its candles are a replay's, not the "
              "market's; --data names others", flush=True)  # fmt: skip
    usual = timeframe == "1h"
    simulated = Path(userdir) / "data" / ("simulated" if usual else f"simulated-{timeframe}")
    if not (simulated / MARKER).is_file():
        write_simulated(simulated) if usual else default_simulation(simulated, timeframe)
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
