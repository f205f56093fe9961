"""Print the mutation score: `python -m tests.mutation [options] [room ...]`."""

from __future__ import annotations

import argparse
import time
from functools import partial

from tests.mutation.plan import ROOMS
from tests.mutation.run import report, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("rooms", nargs="*", choices=[[], *ROOMS], help="all without any")
    parser.add_argument("--every", type=int, default=1, help="run only every N-th mutant")
    parser.add_argument("--first", type=int, default=0, help="from this one on")
    parser.add_argument("--only", default="", help="those whose name this expression is found in")
    given = parser.parse_args()
    for name in given.rooms or ROOMS:
        began = time.monotonic()
        score = run(
            [name],
            every=given.every,
            first=given.first,
            only=given.only,
            report_survivor=partial(print, flush=True),
        )
        print(f"{name} in {time.monotonic() - began:.0f} s: {report(score)}", flush=True)
