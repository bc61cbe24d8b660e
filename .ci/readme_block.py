"""Print the first block of commands under a heading of the README: `readme_block.py "Start it"`."""

import re
import sys
from pathlib import Path


def first_block(heading: str) -> str:
    """Return the commands of the first `sh` block under *heading*."""
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", readme, re.M | re.S)
    block = section and re.search(r"^```sh\n(.*?)^```", section[1], re.M | re.S)
    if not block:
        raise SystemExit(f"README.md has no commands under {heading!r}")
    return block[1]


if __name__ == "__main__":
    sys.stdout.write(first_block(sys.argv[1]))
