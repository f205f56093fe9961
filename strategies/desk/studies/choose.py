"""`breakwater choose`: what to run here, by what this installation has measured itself.

Reads the comparisons under the user directory's reports and trains nothing. Where no model passes,
it says so, with what each lacks and what can be done instead.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from freqtrade.configuration.load_config import load_from_files
from freqtrade.exchange import timeframe_to_msecs

from models.base.errors import ConfigError, InputError
from models.base.files import read_regular
from models.base.units import DAY_MS
from models.operate.control.commands import JOURNAL_FOLDER
from models.operate.control.home import DRY_RUN_HOME
from models.operate.journal.journal import Journal
from models.studies.choose.advice import Advice, Needs, Skill, WeighedModel, advise
from models.studies.choose.tables import MeasuredModel, measured_models
from models.trade.risk.gap import FOR_ENTRIES
from models.trade.risk.limits import HardLimits
from models.trade.risk.worst_hours import ASSUMED, recorded
from strategies.bot.styles import STYLES, Style
from strategies.desk.backtests.data import load_checked
from strategies.desk.terminal.places import CONFIGS, USER_DATA
from strategies.desk.terminal.typed import typed

HEDGE, VOLATILITY = "hedge", "volatility"
# What a person may want, and the styles that are made for it, the usual one first.
PURPOSES: Final[Mapping[str, tuple[Style, ...]]] = {
    "scalp": (Style.SCALP,),
    "intraday": (Style.INTRADAY_1H, Style.INTRADAY_15M),
    "swing": (Style.SWING,),
    "position": (Style.POSITION,),
    HEDGE: (),
    VOLATILITY: (),
}
_STOCK_DELAY_S: Final = 3.0  # Freqtrade's own loop, `make bench-live`
_MOST_SHOWN: Final = 8


@dataclass(frozen=True, kw_only=True)
class ChooseOptions:
    """What the person said; what is None is asked for at a terminal, else as usual."""

    style: str | None = None  # one of `PURPOSES`
    pair: str | None = None
    leverage: float | None = None  # of the whole account, at most
    skill: str | None = None
    data: Path | None = None
    cores: int = os.cpu_count() or 1  # that may train
    delay_s: float | None = None  # default: as this bot's journal has it
    userdir: Path = USER_DATA
    json: bool = False
    yes: bool = False  # ask nothing


@dataclass(frozen=True, kw_only=True)
class _Wish:
    """The same, complete."""

    purpose: str
    pair: str
    leverage: float
    skill: Skill
    delay_s: float
    delay_from: str


def run_choose(options: ChooseOptions, ask: Callable[[str], str] = typed) -> int:
    """Say what to run; return 0 where something passes, 1 where nothing does."""
    wish = _wish(options, ask if _may_ask(options) else _nobody)
    measured, unread = own_tables(options.userdir / "reports")
    judged = [(style, _advised(style, wish, options, measured)) for style in PURPOSES[wish.purpose]]
    chosen = [(style, a) for style, a in judged if a.chosen is not None]
    best = next(iter(chosen or judged), None)
    style, advice = (Style.NONE, None) if best is None else best
    told = {
        "purpose": wish.purpose, "pair": wish.pair, "style": style.value,
        "model": advice.chosen.name if advice and advice.chosen else None,
        "limits": _limits(wish), "delay_s": wish.delay_s,
        "against": {j.model.title: list(j.against) for _, a in judged for j in a.judged},
        "not_read": unread,
    }  # fmt: skip
    if options.json:
        print(json.dumps(told))
    else:
        print("\n".join(_said(wish, judged, style, options, unread)))
    return 0 if told["model"] or wish.purpose in (HEDGE, VOLATILITY) else 1


def own_tables(reports_dir: Path) -> tuple[list[MeasuredModel], list[str]]:
    """Return the models of all comparisons in a folder of reports, and what could not be read."""
    found: list[MeasuredModel] = []
    unread = []
    for path in sorted(reports_dir.glob("compare-*/report.json")):
        try:
            found += measured_models(_numbers(path), path.parent.name)
        except InputError as error:
            unread.append(f"{path.parent.name}: {error.problem}")
    return found, unread


def _numbers(path: Path) -> Mapping[str, Any]:
    try:
        loaded = json.loads(read_regular(path))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error
    if not isinstance(loaded, Mapping):
        raise InputError("expected one object", where=str(path))
    return loaded


# -- what is wanted ---------------------------------------------------------------------------


def _may_ask(options: ChooseOptions) -> bool:
    return not (options.yes or options.json) and sys.stdin is not None and sys.stdin.isatty()


def _nobody(question: str) -> str:
    return ""


def _wish(options: ChooseOptions, ask: Callable[[str], str]) -> _Wish:
    known = ", ".join(PURPOSES)
    purpose = options.style or ask(f"what for? {known} [intraday] ") or "intraday"
    if purpose not in PURPOSES:
        raise ConfigError(
            f"expected one of {known}, got {purpose!r}", where="--style", cure="see docs/styles.md"
        )
    coin = "LTC" if purpose == HEDGE else "BTC"
    pair = options.pair or ask(f"which pair? [{coin}/USDT:USDT] ") or f"{coin}/USDT:USDT"
    leverage = options.leverage or _number(ask("leverage of the account, at most? [2] "), 2.0)
    word = options.skill or ask(f"you are? {', '.join(Skill)} [{Skill.FREQTRADE}] ")
    delay_s, delay_from = _delay(options)
    return _Wish(
        purpose=purpose, pair=pair, leverage=leverage, skill=_skill(word or Skill.FREQTRADE),
        delay_s=delay_s, delay_from=delay_from,
    )  # fmt: skip


def _skill(word: str) -> Skill:
    try:
        return Skill(word)
    except ValueError as error:
        raise ConfigError(
            f"expected one of {', '.join(Skill)}, got {word!r}", where="--skill"
        ) from error


def _number(word: str, usual: float) -> float:
    try:
        number = float(word) if word else usual
    except ValueError:
        number = 0.0
    if not 0 < number <= 125:
        raise ConfigError(f"expected 0 < leverage <= 125, got {word!r}", where="--leverage")
    return number


def _delay(options: ChooseOptions) -> tuple[float, str]:
    """Return seconds from a close to its order, and who says so."""
    if options.delay_s is not None:
        return options.delay_s, "as you say"
    for home in (options.userdir, options.userdir / DRY_RUN_HOME):
        took = _journalled(home / JOURNAL_FOLDER)
        if took:
            return statistics.median(took) / 1000, f"median of {len(took)} in {home.name}'s journal"
    return _STOCK_DELAY_S, "as stock Freqtrade; no bot has run here yet"


def _journalled(folder: Path) -> list[float]:
    if not folder.is_dir():
        return []
    took = []
    for entry in Journal(folder).entries(kind="latency"):
        ends = entry.record.get("at_ms")
        took.append(ends.get("sent") if isinstance(ends, Mapping) else None)
    return [float(ms) for ms in took if isinstance(ms, int | float)]


# -- what is there ----------------------------------------------------------------------------


def _advised(
    style: Style, wish: _Wish, options: ChooseOptions, measured: Sequence[MeasuredModel]
) -> Advice:
    timeframe = STYLES[style].timeframe
    freqai = _freqai_of(style)
    needs = Needs(
        pair=wish.pair, timeframe=timeframe, candle_s=timeframe_to_msecs(timeframe) / 1000,
        skill=wish.skill, delay_s=wish.delay_s,
        retrain_hours=float(freqai.get("live_retrain_hours", 24)), cores=options.cores,
    )  # fmt: skip
    return advise(measured, needs)


def _limits(wish: _Wish) -> dict[str, float]:
    """Return what of equity a position may be, by what a repeat of the worst hour costs."""
    hard, worst = HardLimits(), recorded(wish.pair, at_marks=wish.purpose == HEDGE)
    room = {side: FOR_ENTRIES * hard.worst_hour_loss_frac / worst.against(n)
            for side, n in (("long", 1), ("short", -1))}  # fmt: skip
    return {
        **{side: round(min(most, wish.leverage), 2) for side, most in room.items()},
        "worst_fall_frac": worst.fall_frac,
        "worst_rise_frac": worst.rise_frac,
        "loses_at_asked_frac": round(min(wish.leverage * worst.fall_frac, 1.0), 3),
    }


def _said(
    wish: _Wish,
    judged: Sequence[tuple[Style, Advice]],
    style: Style,
    options: ChooseOptions,
    unread: Sequence[str],
) -> Iterator[str]:
    """Yield the answer, line by line: the verdict, why, how sure, the limits, and what is next."""
    if not judged:
        yield from _without_direction(wish, options)
    for each, advice in judged:
        yield from _of_style(each, advice, wish)
    yield from (f"not read: {line}" for line in unread)
    yield ""
    yield from _limits_said(wish)
    if options.data is not None and judged:
        yield from _history(options.data, wish, style)
    yield from ("", "next:", *_next(wish, judged, style, options))


def _of_style(style: Style, advice: Advice, wish: _Wish) -> Iterator[str]:
    made = STYLES[style]
    yield f"{style.value}, {wish.pair}, candles of {made.timeframe}"
    if advice.chosen is not None:
        m = advice.chosen
        yield f"  TAKE {m.title}: every bar is passed, net {m.net.value:+.1%} " \
              f"({m.net.low:+.1%} to {m.net.high:+.1%}) in {m.days:.0f} days"  # fmt: skip
    elif advice.judged:
        yield "  NO MODEL PASSES. No position by a forecast of direction."
    else:
        yield "  nothing was measured here on these candles, so no model can be recommended"
    for j in advice.judged[:_MOST_SHOWN]:
        yield from _judged(j)
    if advice.judged:
        yield f"  how sure: of models without any edge, as many as were tried here, the best " \
              f"would pass its first bar with a probability of {advice.luck:.0%}"  # fmt: skip
        yield f"  orders {wish.delay_s:.2f} s after the close ({wish.delay_from})"


def _judged(judged: WeighedModel) -> Iterator[str]:
    m = judged.model
    yield f"  {m.title} ({m.table}, {m.seeds} seed(s), {m.days:.0f} days, commit {m.commit})" + (
        ":" if judged.against else ": nothing against it"
    )
    yield from (f"    - {why}" for why in judged.against)


def _without_direction(wish: _Wish, options: ChooseOptions) -> Iterator[str]:
    kind, what = (
        ("hedge", "LitecoinHedge without a model (config_litecoin_hedge.json)")
        if wish.purpose == HEDGE
        else ("exposure", "VolatilityForecaster with VolatilityTarget")
    )
    yield f"{wish.purpose}, {wish.pair}: {what}"
    newest = max((options.userdir / "reports").glob(f"{kind}-*/report.json"), default=None)
    if newest is None:
        yield "  not measured here: what the project measured is in user_data/docs/evidence.md"
    else:
        yield f"  measured here: {newest.parent / 'index.html'}"


def _limits_said(wish: _Wish) -> Iterator[str]:
    told, coin = _limits(wish), wish.pair.partition("/")[0]
    assumed = " (assumed: nobody measured it)" if recorded(wish.pair) == ASSUMED else ""
    yield f"limits: {coin} once fell {told['worst_fall_frac']:.1%} and rose " \
          f"{told['worst_rise_frac']:.1%} within an hour{assumed}."  # fmt: skip
    lost, long, short = (told[name] for name in ("loses_at_asked_frac", "long", "short"))
    yield f"  At {wish.leverage:g}x such an hour takes {lost:.0%} of equity."
    yield f"  The pack holds {long:.2f}x long and {short:.2f}x short at most."


def _freqai_of(style: Style) -> Mapping[str, Any]:
    """Return the `freqai` block of a style's config, with what it builds on."""
    block: Mapping[str, Any] = load_from_files([str(CONFIGS / STYLES[style].config)])["freqai"]
    return block


def _history(data: Path, wish: _Wish, style: Style) -> Iterator[str]:
    made = STYLES[style]
    candles = load_checked(data, wish.pair, made.timeframe)
    days = (int(candles.time_ms[-1]) - int(candles.time_ms[0])) / DAY_MS
    freqai = _freqai_of(style)
    asked = freqai.get("train_period_days", 1460)
    enough = "enough" if days > asked / 2 else "NOT ENOUGH"
    yield f"data: {days:.0f} days of {made.timeframe}, {enough}: the style trains on {asked}, " \
          "half of them at least"  # fmt: skip


def _next(
    wish: _Wish, judged: Sequence[tuple[Style, Advice]], style: Style, options: ChooseOptions
) -> Iterator[str]:
    data = options.data or Path("/path/to/freqtrade/data/binance")
    if wish.purpose == HEDGE:
        yield f"  breakwater hedge-report --data {data}"
        return
    if wish.purpose == VOLATILITY:
        yield f"  breakwater exposure --data {data}"
        return
    config = f"user_data/{STYLES[style].config}"
    if any(a.chosen for _, a in judged):
        yield f"  breakwater demo --config {config} --data {data}"
        yield "  then weeks of dry run: a backtest that passes is the least that can be asked"
        return
    yield f"  breakwater compare --config {config} --data {data} --folds 4 --seeds 3"
    yield "  breakwater choose --style volatility   (what can be forecast is how much it moves)"
    yield "  or run it dry: nothing is lost but time, and `breakwater why` says what is missing"
