"""Draw the pictures of README anew: `python -m tests.pictures telegram`, `... report --run DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.pictures.report import draw_report
from tests.pictures.telegram import draw_conversation, held_conversation
from tests.places import ROOT, USER_DATA

PICTURES = ROOT / "user_data" / "docs" / "pictures"


def main() -> None:
    """Draw one picture, where it belongs or where it is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("what", choices=("report", "telegram"))
    newest = USER_DATA / "reports" / "latest"
    parser.add_argument("--run", type=Path, default=newest, help="folder of the report drawn")
    parser.add_argument(
        "--out", type=Path, default=PICTURES, help="default: user_data/docs/pictures"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.what == "report":
        picture = draw_report(options.run)
    else:
        picture = draw_conversation(held_conversation())
    (options.out / f"{options.what}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
