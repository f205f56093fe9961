"""``python -m strategies.desk.loopback``: the exchange without the pack's other commands."""

from __future__ import annotations

import argparse
import sys

from models.base.errors import PackError
from strategies.desk.loopback.options import add_exchange_options
from strategies.desk.loopback.serving import run_exchange

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="strategies.desk.loopback")
    add_exchange_options(parser)
    try:
        sys.exit(run_exchange(parser.parse_args()))
    except PackError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
