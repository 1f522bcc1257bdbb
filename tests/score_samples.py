"""A reranker that reads only so far, whose every value can be computed; and a program that fills a score cache.

    python score_samples.py FILE FIRST LAST

keeps what is read for the queries FIRST to LAST, and prints the number of each that is kept.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vai.errors import RemoteRefused, RemoteUnavailable
from vai.scores import CachedReranker, Kind, ScoreStore
from vai.types import Calibration, Reading, Span, Stopped

PASSAGES = (*(f"passage {number} " * (1 + number % 3) for number in range(9)), "", "half a character \udc80")
CALIBRATION = Calibration(slope=2.0, intercept=1.0, error=0.1)


@dataclass
class Judge:
    """Reads the first `reach` passages of a call, or all; then it stops, or fails if it has read none.

    Values, windows and seen shares are hashes of the texts, the revision among them. A token is a character.
    """

    name: str = "judge"
    revision: str = "1"
    kind: Kind = "logits"
    reach: int | None = None
    stopped: Stopped = "deadline"
    query_seen: float = 0.75
    refuses: bool = False
    calls: list[list[str]] = field(default_factory=list)
    blend: float = 0.25
    similarity_scale: float = 3.0
    calibration: Calibration | None = CALIBRATION
    languages: tuple[str, ...] = ("en",)
    usd_per_million_tokens: float = 0.05

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        self.calls.append(list(passages))
        read = passages if self.reach is None else passages[: self.reach]
        if self.refuses:
            raise RemoteRefused("no")
        if self.stopped == "failed" and passages and not read:
            raise RemoteUnavailable("the line is dead")
        values = np.full(len(passages), np.nan, dtype=np.float32)
        seen = np.zeros(len(passages), dtype=np.float32)
        for row, passage in enumerate(read):
            values[row], seen[row] = self.value(query, passage), self.share(passage)
        windows = tuple(self.window(passage) for passage in read) + (None,) * (len(passages) - len(read))
        whole = len(read) == len(passages)
        return Reading(
            logits=values if self.kind == "logits" else None,
            relevance=values if self.kind == "relevance" else None,
            tokens=sum(map(len, read)),
            seen=seen,
            stopped=None if whole else self.stopped,
            reason=None if whole else "it had to stop",
            query_seen=self.query_seen,
            windows=windows if any(windows) else (),
        )

    def value(self, query: str, passage: str) -> np.float32:
        """Between 0 and 1, with digits to the last bit."""
        return np.float32(self._hash(query, passage) / 2**32)

    def share(self, passage: str) -> np.float32:
        """What is seen of a passage."""
        return np.float32(1.0 if self._hash(passage) % 3 else 0.3)

    def window(self, passage: str) -> Span | None:
        """The best window of a passage; some have none."""
        number = self._hash(passage)
        return None if number % 2 else (number % 100, number % 100 + 50)

    def _hash(self, *texts: str) -> int:
        return zlib.crc32("\n".join([self.revision, *texts]).encode("utf-8", "surrogatepass"))


def main() -> None:
    """Read all passages for some queries, with a cache."""
    path, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with closing(ScoreStore(path)) as store:
        reranker = CachedReranker(Judge(), store)
        for number in range(first, last):
            reranker.score(f"query {number}", PASSAGES)
            if store.fault is None:
                sys.stdout.write(f"{number}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
