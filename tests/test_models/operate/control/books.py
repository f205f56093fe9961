"""A book of models as a bot would keep it, for tests of who reads it."""

from __future__ import annotations

from models.operate.control.model_book import Generation, ModelBook, PairBook, Watched

BTC = "BTC/USDT:USDT"
DAY_MS = 86_400_000


def generation(number: int) -> Generation:
    return Generation(
        number=number, title=f"lstm {number}", digest=f"{number:064}", trained_ms=number * DAY_MS,
        why="30 days in a calm market",
    )  # fmt: skip


PAIR = PairBook(
    pair=BTC, trained_ms=9 * DAY_MS, serving=generation(2), first=generation(1),
    earlier=(generation(1),), ratio=1.2,
    watched={"loss": Watched(cusum=2.0, threshold=7.5, total=0.1, rows=3, days=8)},
    watched_ms=12 * DAY_MS,
)  # fmt: skip
BOOK = ModelBook(
    identifier="bot--1", next_number=4, shadow_ms=7 * DAY_MS, calm_ms=30 * DAY_MS,
    volatile_ms=7 * DAY_MS, volatile_ratio=1.5,
)  # fmt: skip
