"""Two-stage retrieval: a wide vector search, then a reranker that reads every candidate.

    import vai

    docs = vai.Collection.open()
    docs.ingest("docs/")
    for hit in docs.query("How do I configure replica sets?").hits:
        print(hit.rank, hit.relevance, hit.source, hit.start_line, hit.text)

Nothing heavy is imported before it is needed.
"""

from vai._version import __version__
from vai.collection import Collection, list_collections
from vai.errors import VaiError
from vai.models.catalog import known_models, open_embedder, open_reranker
from vai.planning import IngestOptions, QueryOptions
from vai.protocols import Embedder, Engine, Reranker
from vai.reranking import rerank
from vai.settings import Settings
from vai.types import (
    Calibration,
    CallEstimate,
    Candidate,
    Chunk,
    CollectionInfo,
    DeleteReport,
    Document,
    Estimate,
    ExportReport,
    Freshness,
    Hit,
    IndexCheck,
    IndexCost,
    IndexInfo,
    IndexProgress,
    IngestProgress,
    IngestReport,
    QueryResponse,
    Reading,
    RerankResponse,
    Skipped,
)

__all__ = [
    "Calibration",
    "CallEstimate",
    "Candidate",
    "Chunk",
    "Collection",
    "CollectionInfo",
    "DeleteReport",
    "Document",
    "Embedder",
    "Engine",
    "Estimate",
    "ExportReport",
    "Freshness",
    "Hit",
    "IndexCheck",
    "IndexCost",
    "IndexInfo",
    "IndexProgress",
    "IngestOptions",
    "IngestProgress",
    "IngestReport",
    "QueryOptions",
    "QueryResponse",
    "Reading",
    "RerankResponse",
    "Reranker",
    "Settings",
    "Skipped",
    "VaiError",
    "__version__",
    "known_models",
    "list_collections",
    "open_embedder",
    "open_reranker",
    "rerank",
]
