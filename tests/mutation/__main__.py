"""Print the mutation score of the guards: `python -m tests.mutation [every]`."""

from __future__ import annotations

import sys

from tests.mutation.run import report, run

if __name__ == "__main__":
    score = run(every=int(sys.argv[1]) if len(sys.argv) > 1 else 1, told=print)
    print(report(score))
