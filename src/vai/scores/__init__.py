"""The score cache of stage 2: what a reranker has read once, it need not read again.

CachedReranker     reranker.py   a reranker with the cache before it
ScoreStore         store.py      the cache of one store: looks up, keeps, describes, clears
(rows)             rows.py       what a score is found by, and how a damaged one is told from a whole one
(the file)         database.py   SQLite: tables, opening, room, what its failures are called
"""

from vai.scores.contents import CachedModel
from vai.scores.database import SCORES_FILE
from vai.scores.reranker import CachedReranker
from vai.scores.rows import Kind, ModelId
from vai.scores.store import CacheInfo, KnownScores, ScoreStore

__all__ = [
    "SCORES_FILE",
    "CacheInfo",
    "CachedModel",
    "CachedReranker",
    "Kind",
    "KnownScores",
    "ModelId",
    "ScoreStore",
]
