"""``python -m strategies.desk.loopback``: the exchange without the pack's other commands."""

from __future__ import annotations

import argparse
import sys

from strategies.desk.loopback.options import add_exchange_options
from strategies.desk.loopback.serving import run_exchange

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="strategies.desk.loopback")
    add_exchange_options(parser)
    sys.exit(run_exchange(parser.parse_args()))
