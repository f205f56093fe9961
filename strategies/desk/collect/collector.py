"""The collector: a process of its own that keeps what the feeds say, for weeks on end."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from models.base.files import Clock, Sync, locked, wall_clock_ms, write_atomic
from models.data.feeds.catalog import STATUS, CollectConfig
from models.data.feeds.store import day_of, enforce_quota
from models.operate.control.lease import take_lease
from strategies.account.config_files import config_of_files
from strategies.bot.config import pack_config
from strategies.desk.collect.source import Sleep
from strategies.desk.collect.status import report
from strategies.desk.collect.wiring import Wiring

logger = logging.getLogger(__name__)

_STATUS_S: Final = 5.0
_QUOTA_S: Final = 600.0


class Collector:
    """Runs the feeds, each in a task, until it is told to stop.

    One collector writes a folder at a time; a second one is refused.
    """

    def __init__(
        self,
        config: CollectConfig,
        root: Path,
        names: Sequence[str] = (),
        *,
        clock: Clock = wall_clock_ms,
        sleep: Sleep = asyncio.sleep,
        seed: int | None = None,
    ) -> None:
        self._config, self._root, self._clock, self._sleep = config, root, clock, sleep
        self._wiring = Wiring(config, root, clock, time.monotonic, sleep, random.Random(seed))
        self._feeds = self._wiring.feeds(names)

    async def run(self, *, once: bool = False) -> None:
        """Collect until SIGTERM or SIGINT, or until every feed has been asked once.

        Raises
        ------
        ControlError
            If another collector writes the folder.
        OSError
            If the folder cannot be written at all.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        with locked(self._root / ".lock", attempts=1):
            work = [self._ask_once()] if once else [feed.run() for feed in self._feeds]
            if not once:
                work.append(self._keep_within_quota())
            tasks = [asyncio.ensure_future(one) for one in work]
            reporting = asyncio.ensure_future(self._report())
            _stop_on_signals(tasks)
            try:
                with suppress(asyncio.CancelledError):
                    await asyncio.gather(*tasks)
            finally:
                for task in (*tasks, reporting):
                    task.cancel()
                await asyncio.gather(*tasks, reporting, return_exceptions=True)
                await self._wiring.close()
                for feed in self._feeds:
                    feed.close()
                self._write_status()

    async def _ask_once(self) -> None:
        await asyncio.gather(*(feed.round() for feed in self._feeds))

    async def _keep_within_quota(self) -> None:
        while True:
            try:
                gone = enforce_quota(
                    self._root, int(self._config.quota_gb * 1e9), day_of(self._clock())
                )
            except OSError as error:
                logger.error("the quota cannot be kept: %s", error)
            else:
                for day in gone:
                    logger.warning("records of %s deleted: the quota is %g GB", day,
                                   self._config.quota_gb)  # fmt: skip
            await self._sleep(_QUOTA_S)

    async def _report(self) -> None:
        while True:
            self._write_status()
            await self._sleep(_STATUS_S)

    def _write_status(self) -> None:
        status = {"time_ms": self._clock(), "feeds": [dict(feed.status()) for feed in self._feeds]}
        try:
            data = json.dumps(status).encode() + b"\n"
            write_atomic(self._root / STATUS, data, sync=Sync.NOTHING)
        except OSError as error:
            logger.error("no status written: %s", error)


def _stop_on_signals(tasks: Sequence[asyncio.Future[None]]) -> None:
    def stop() -> None:
        for task in tasks:
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def run_collect(
    configs: Sequence[Path], userdir: Path | None, names: Sequence[str], *, once: bool, status: bool
) -> int:
    """Collect the feeds of these config files, or say how old each is."""
    config = config_of_files(configs)
    settings = pack_config(config).collect
    root = settings.root(Path(userdir or config["user_data_dir"]))
    if status:
        lines, sound = report(settings, root, wall_clock_ms(), names)
        print("\n".join(lines))
        return 0 if sound else 1
    # Freqtrade has set up its own while reading the config, buffered and meant for a bot.
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    take_lease(
        root / "collector.lock", "breakwater collect", what=f"the feeds in {root}",
        cure="one collector serves every bot: end the other one, or name another folder in "
        "breakwater.collect",
    )  # fmt: skip
    logger.info("collecting into %s", root)
    collector = Collector(settings, root, names)
    asyncio.run(collector.run(once=once))
    if not once:
        logger.info("stopped")
        return 0
    lines, sound = report(settings, root, wall_clock_ms(), names)
    print("\n".join(lines))
    return 0 if sound else 1
