"""The first search of a new process: import the engine's library, open the collection, search once, print the rows.

    python first_search.py ENGINE FOLDER VECTOR LIMIT DEPTH

VECTOR is a file of 384 float32 numbers. What is printed is printed as soon as it is known.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main(engine: str, folder: str, vector_file: str, limit: str, depth: str) -> None:
    """Search, and print."""
    from peers import make

    peer = make(engine, Path(folder))
    peer.open()

    import numpy as np

    rows, _ = peer.search(np.fromfile(vector_file, dtype=np.float32), int(limit), int(depth))
    os.write(1, f"rows {' '.join(str(row) for row in rows)}\n".encode())
    peer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
