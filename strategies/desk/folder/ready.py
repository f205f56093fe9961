"""`breakwater doctor DIR`: whether a bot is ready for backtest, dry run and live; what is missing.

Asks the exchange its time, and with keys the account's name; changes nothing, anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from freqtrade.exceptions import FreqtradeException

from models.base.errors import PackError
from models.base.files import wall_clock_ms
from strategies.desk.folder.around import (
    looked_at_candles,
    looked_at_classes,
    looked_at_exchange,
    looked_at_files,
    looked_at_machine,
    stage_config,
)
from strategies.desk.folder.configs import STAGE_FILES
from strategies.desk.folder.finding import Finding, LookedAt, Weight, folder_environment, missing
from strategies.desk.folder.hedged import looked_at_worst_day
from strategies.desk.folder.live import (
    looked_at_account,
    looked_at_acknowledgement,
    looked_at_keys,
    looked_at_running,
    looked_at_settings,
    looked_at_telegram,
    looked_at_watchdog,
)
from strategies.desk.folder.record import known_folder
from strategies.desk.folder.services import ENVIRONMENT_FILE
from strategies.desk.folder.written import (
    backtest_line,
    installed_here,
    keys_words,
    trade_line,
)

_EVERY: Final = "every stage"


def run_ready(folder: Path, stage: str) -> int:
    """Print what each stage of a folder's bot lacks; 0 if the one asked for is ready."""
    looked, found = _looked(folder)
    asked = looked.record.asked
    print(f"{looked.folder}: {asked.style}, {asked.pair} on {asked.exchange}")
    for name, findings in found.items():
        said = name if name == _EVERY else f"{name}: {_verdict(found, name)}"
        print("\n".join(["", said, *map(str, findings)]))
    print(f"\nnext: {_next(looked, found, stage)}")
    return 1 if _lacking(found, stage) else 0


def ready_values(folder: Path, stage: str) -> dict[str, Any]:
    """Return the same for a program: what was found, and whether the stage asked for is ready."""
    looked, found = _looked(folder)
    asked = looked.record.asked
    return {
        "folder": str(looked.folder), "style": str(asked.style), "pair": asked.pair,
        "exchange": asked.exchange, "stage": stage, "ok": not _lacking(found, stage),
        "ready": {name: not _lacking(found, name) for name in STAGE_FILES},
        "found": [
            {"of": name, **asdict(one)} for name, findings in found.items() for one in findings
        ],
        "next": _next(looked, found, stage),
    }  # fmt: skip


def _looked(folder: Path) -> tuple[LookedAt, dict[str, list[Finding]]]:
    folder, record = known_folder(folder)
    looked = LookedAt(folder=folder, record=record, installed=installed_here())
    with folder_environment(folder) as unreadable:
        return looked, found_by_stage(looked, unreadable)


def _next(looked: LookedAt, found: Mapping[str, list[Finding]], stage: str) -> str:
    """Return what to type: the cure of what is missing first, or what follows."""
    lacking = _lacking(found, stage)
    return lacking[0].cure.splitlines()[0] if lacking else _following(looked, stage)


def found_by_stage(looked: LookedAt, unreadable: str) -> dict[str, list[Finding]]:
    """Return what was found for every stage, and for each of them besides."""
    found = list(looked_at_files(looked))
    if _is_whole(found):
        found += _unreadable_configs(looked)
    if not _is_whole(found):  # nothing more can be told
        return {_EVERY: found, **{name: [] for name in STAGE_FILES}}
    exchange = list(looked_at_exchange(looked))
    shared = [*found, *looked_at_machine(looked), *looked_at_classes(looked),
              *looked_at_worst_day(looked), *exchange]  # fmt: skip
    trading = {
        stage: [
            *looked_at_settings(looked, stage), *looked_at_telegram(looked, stage),
            *looked_at_running(looked, stage),
        ]
        for stage in ("dry-run", "live")
    }  # fmt: skip
    keys = list(looked_at_keys(looked, unreadable))
    live = [*keys, *looked_at_acknowledgement(looked), *looked_at_watchdog(looked),
            *looked_at_account(looked, [*exchange, *keys])]  # fmt: skip
    return {
        _EVERY: shared,
        "backtest": list(looked_at_candles(looked, wall_clock_ms())),
        "dry-run": trading["dry-run"],
        "live": [*trading["live"], *live],
    }


def _is_whole(found: Iterable[Finding]) -> bool:
    return all(one.weight is not Weight.MISSING for one in found)


def _unreadable_configs(looked: LookedAt) -> list[Finding]:
    """Return what Freqtrade says of each stage whose config it cannot read."""
    broken: dict[str, None] = {}
    for stage in STAGE_FILES:
        try:
            stage_config(looked, stage)
        except (PackError, FreqtradeException) as error:
            broken[str(error)] = None
    cure = f"mend it; the version before is in {looked.folder}/backup, or in your own copy"
    return [missing("configs", said, cure) for said in broken]


def _lacking(found: Mapping[str, list[Finding]], stage: str) -> list[Finding]:
    return [one for one in (*found[_EVERY], *found[stage]) if one.weight is Weight.MISSING]


def _verdict(found: Mapping[str, list[Finding]], stage: str) -> str:
    lacking = _lacking(found, stage)
    return f"not ready, {len(lacking)} missing" if lacking else "ready"


def _following(looked: LookedAt, stage: str) -> str:
    """Return what to type once a stage is ready."""
    folder, installed = looked.folder, looked.installed
    if stage == "backtest":
        return backtest_line(looked.record.asked, folder, installed)
    line = trade_line(folder, installed, stage)
    keys = stage == "live" and (folder / ENVIRONMENT_FILE).is_file()
    return f"{keys_words(folder)}; {line}" if keys else line
