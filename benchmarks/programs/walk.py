"""The least that telling whether files have changed can cost: a new interpreter looks at every one of them.

    python walk.py FOLDER

Prints their number. vai is not imported.
"""

from __future__ import annotations

import os
import sys


def main(folder: str) -> None:
    """Stat every file below the folder."""
    stamps = [os.stat(os.path.join(parent, name)) for parent, _, names in os.walk(folder) for name in names]  # noqa: PTH116, PTH118 - the fastest way
    print(len(stamps))


if __name__ == "__main__":
    main(sys.argv[1])
