"""The values that flow through `vai`: frozen, slotted, in the order in which they come to be.

Write path: `Document` → `Chunk` → (vectors) → `SourceState`, `IngestReport`.
Read path: query → `Candidate` → `Hit` → `QueryResponse`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vai.arrays import Ranks, Vector

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
"""What JSON can hold."""

Format = Literal["text", "markdown", "rst", "code"]
"""How a document's text is structured, which decides how it is chunked."""

Stage1Mode = Literal["vector", "words", "hybrid"]
"""What stage 1 finds candidates by: similar vectors, the query's words (BM25), or both."""

Fusion = Literal["scores", "ranks"]
"""How a hybrid search joins the two: by normalised scores, or by reciprocal ranks."""

Precision = Literal["float32", "int8", "binary"]
"""The numbers that an index compares vectors by; what it finds is compared again in float32."""


# ── write path ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Document:
    """One text to be found: a file, or one record of a JSONL or CSV file.

    Args:
        id: what evaluation, filters and citations call it; unique in a collection.
        source: the file it came from, written as ids are (relative to the store's folder, `/` between names).
        text: the text that chunk offsets count in, in characters.
        title: what it is called, or "".
        format: how the text is structured.
        language: of code, the programming language ("python"), else "".
        line: of a record, the line of its source that it begins on (from 1); None for a file.
        lined: whether lines of `text` are lines of the file, so that a chunk can name them. Text taken out of
            a PDF, office or HTML file has no such lines.
        pages: the offsets in `text` at which pages begin (page 1 first); empty where there are none.
        metadata: the record's other fields, or a Markdown file's front matter.
    """

    id: str
    source: str
    text: str
    title: str = ""
    format: Format = "text"
    language: str = ""
    line: int | None = None
    lined: bool = True
    pages: tuple[int, ...] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a document, small enough for the models: `document.text[start:end] == text`.

    Lines, pages and the heading path say where it stands; `None` where a place has no meaning for the format.
    `tokens` counts the text alone, in the embedder's tokens.
    """

    document_id: str
    ordinal: int
    source: str
    title: str
    text: str
    start: int
    end: int
    start_line: int | None
    end_line: int | None
    page: int | None
    heading: tuple[str, ...]
    tokens: int
    metadata: Mapping[str, Json] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """`<document id>#<ordinal>`, stable as long as the document's text is."""
        return f"{self.document_id}#{self.ordinal}"

    @property
    def context(self) -> str:
        """Title and heading path on one line, "" if there are none.

        Names are cut at 80 characters, and beyond 200 in all the outer headings are left out, so that what a
        model can read has room for the text.
        """
        path = self.heading if self.title in self.heading[:1] else (self.title, *self.heading)
        names = [name if len(name) <= 80 else f"{name[:79].rstrip()}…" for name in path if name]
        while len(names) > 2 and len(" > ".join(names)) > 200:
            del names[1]
        return " > ".join(names)

    @property
    def passage(self) -> str:
        """What the embedder reads: the context on a line of its own, then the text."""
        return f"{self.context}\n{self.text}" if self.context else self.text

    @property
    def whole_passage(self) -> str:
        """What the embedder reads of a document that is not cut: its title, however long, then the text.

        So do evaluations whose figures are published; they differ by .01 where titles are cut.
        """
        return f"{self.title}\n{self.text}" if self.title else self.text

    @property
    def passage_to_rerank(self) -> str:
        """What the reranker reads: the text, then the context on a line of its own.

        The bundled reranker gives too much to what a passage begins with; with the context at the end, or
        without any, technical documentation is ranked better, but titles elsewhere hold half of the answer
        (`benchmarks/README.md` has the figures).
        """
        return f"{self.text}\n{self.context}" if self.context else self.text


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the file system says of a file without reading it."""

    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class SourceState:
    """What was ingested of one file, so that the next ingest can tell whether anything changed.

    Args:
        name: the source, as documents name it.
        stamp: the file as it was when it was read.
        read_ns: when it was read (Unix time in ns): a stamp as young as that proves nothing.
        content: digest of the file's bytes.
        recipe: digest of everything else that decides its chunks (reader, chunking, flags).
    """

    name: str
    stamp: Stamp
    read_ns: int
    content: str
    recipe: str


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as a collection keeps it beside its chunks; `digest` covers all they depend on."""

    id: str
    source: str
    title: str
    digest: str
    metadata: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """Which source holds a document id, with the document's digest.

    `current` says that the document was put or kept since the last source was finished.
    """

    source: str
    digest: str
    current: bool


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or record that was not ingested, and why.

    `kept` says whether what an earlier ingest stored of it stays: yes where it could not be read (it may well
    still be there), no where it was read and holds nothing to find.
    """

    source: str
    reason: str
    kept: bool = True


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did. Counts are documents, unless they say otherwise; `usd` is the price of `tokens`."""

    collection: str
    files: int
    added: int
    changed: int
    unchanged: int
    removed: int
    chunks: int
    tokens: int
    seconds: float
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()
    usd: float | None = None

    def to_dict(self) -> dict[str, Json]:
        """The report as JSON of the schema `vai.ingest/1`."""
        return {"schema": "vai.ingest/1", **as_json(self)}


@dataclass(frozen=True, slots=True)
class DeleteReport:
    """What a deletion removed, or with `dry_run` would remove.

    Args:
        documents, chunks: how many; chunks are not counted in a dry run.
        sources: the files that the documents came from.
        returning: those of them that are still there, and come back with the next ingest unless an ignore file
            names them.
        unknown: ids and paths that were named and of which nothing is stored.
    """

    collection: str
    dry_run: bool
    documents: int
    chunks: int | None
    sources: tuple[str, ...]
    returning: tuple[str, ...]
    unknown: tuple[str, ...]
    seconds: float
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The report as JSON of the schema `vai.delete/1`."""
        return {"schema": "vai.delete/1", **as_json(self)}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was exported: `vectors` is the file of its own that holds them, if one does; `bytes` are of both."""

    collection: str
    path: str
    vectors: str | None
    chunks: int
    bytes: int
    seconds: float
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The report as JSON of the schema `vai.export/1`."""
        return {"schema": "vai.export/1", **as_json(self)}


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """How far an ingest has come: `bytes` of the sources dealt with, chunks and tokens embedded."""

    source: str
    files: int
    bytes: int
    chunks: int
    tokens: int


WHOLE = 0
"""As the size of chunks: every document is one chunk, however long it is."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a collection's vectors were made with; `chunk_tokens` is `WHOLE` where documents are not cut."""

    embedder: str
    revision: str
    dimension: int
    chunk_tokens: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """How many of a collection's sources have changed, or gone, since they were ingested."""

    changed: int
    gone: int


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """What a collection holds; `bytes` is its size on disk, `updated` an ISO 8601 time in UTC."""

    name: str
    sources: int
    documents: int
    chunks: int
    bytes: int
    updated: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class DamagedCollection:
    """A collection that cannot be read: why, and what to do about it."""

    name: str
    fault: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """The approximate index of a collection, or why there is none.

    Args:
        state: "fresh" (it serves), "none" (the collection is small enough for exact search), "missing" (there
            should be one, and is not) or "damaged".
        precision: of the numbers that it compares; None where there is no index.
        covered: chunks that it covers, deleted ones apart.
        unindexed: chunks that are searched exactly beside it.
        bytes: its size on disk.
    """

    collection: str
    state: Literal["fresh", "none", "missing", "damaged"]
    precision: Precision | None
    covered: int
    unindexed: int
    bytes: int


@dataclass(frozen=True, slots=True)
class IndexCost:
    """What building an index is expected to take, from the number of chunks: bytes and seconds."""

    chunks: int
    precision: Precision
    memory: int
    disk: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DepthRecall:
    """ANN recall, 0–1, of the best 20 and the best 100 at a search depth; `ms` is the median of a search."""

    depth: int
    recall_at_20: float
    recall_at_100: float
    ms: float


@dataclass(frozen=True, slots=True)
class IndexCheck:
    """What an index misses, on a sample of the collection's own vectors.

    Args:
        sample: vectors that were searched for; 0 where there is no index to check.
        depths: recall at each depth that was tried.
        depth_for_20, depth_for_100: the first of them that reaches 0.99; None if none does.
    """

    index: IndexInfo
    sample: int
    depths: tuple[DepthRecall, ...]
    depth_for_20: int | None
    depth_for_100: int | None


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """How far the building of an index has come: `done` of `chunks`."""

    done: int
    chunks: int


# ── read path ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Stage1:
    """How stage 1 finds its candidates.

    `words_weight` is what the best BM25 score of a query counts beside a similarity of 1, in a fusion of scores.
    """

    mode: Stage1Mode = "vector"
    fusion: Fusion = "scores"
    words_weight: float = 0.25


BY_VECTOR = Stage1()
BY_BOTH = Stage1("hybrid")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What stage 1 returns, whichever way the chunk was found.

    `similarity` is the cosine of query and chunk; `stage1_rank` counts from 1 in stage 1's order, which is by
    `stage1_score`. `words_score` is BM25's, 0 if none of the query's words occurs. A rank is None where that search
    did not find the chunk; all that words say is None where stage 1 did not look for words.
    """

    chunk: Chunk
    similarity: float
    stage1_rank: int
    stage1_score: float
    vector_rank: int | None = None
    words_rank: int | None = None
    words_score: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of a search: candidates best first.

    `exact` says that every vector was compared; `unindexed` counts chunks that the index does not cover yet.
    `depth` is how deep the index was searched (None if it was not), `matched` how many chunks passed the filter
    (None without one). `warnings` are for the user: an index that cannot be used.
    """

    candidates: tuple[Candidate, ...]
    exact: bool
    unindexed: int = 0
    depth: int | None = None
    matched: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolScores:
    """What stage 1's two searches say of the chunks that either of them found, all arrays [n].

    Args:
        similarities: float32, cosines of query and chunk.
        words_scores: float32, BM25; 0 where none of the query's words occurs.
        vector_ranks, words_ranks: int32, from 1; 0 where that search did not find the chunk.
    """

    similarities: Vector
    words_scores: Vector
    vector_ranks: Ranks
    words_ranks: Ranks


@dataclass(frozen=True, slots=True)
class Pool:
    """Everything that stage 1's two searches find for a query, before it is put in one order.

    Args:
        ids: of the chunks, in the collection's order, by which equal scores go.
        exact, depth: as in `Found`.
        any_depth: whether a search with a smaller `num_candidates` compares every vector too, so that what it finds
            follows as well; where there is an index it may not.
        any_limit: whether a search with a smaller `limit` goes as deep, so that what it finds follows as well.
    """

    ids: tuple[str, ...]
    scores: PoolScores
    exact: bool
    depth: int | None = None
    any_depth: bool = True
    any_limit: bool = True


@dataclass(frozen=True, slots=True)
class Calibration:
    """P(relevant) = 1 / (1 + exp(−(slope · logit + intercept))), Platt scaling (Platt 1999).

    `error` is the expected calibration error, measured on queries it was not fitted on; the model's card, or
    `vai calibrate`, says which.
    """

    slope: float
    intercept: float
    error: float


Stopped = Literal["deadline", "spent", "failed"]
"""Why passages stayed unread: the time was up, the money was, or the model failed while working."""

Span = tuple[int, int]
"""Where a part of a text begins and ends, in characters."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reranker read, in the order of the passages it was given.

    Args:
        logits: float32 [n], higher is better, on the model's own scale; None if it gives relevance instead.
        relevance: float32 [n] in 0–1, as the model gives it; None if it gives logits. One of the two is there.
        tokens: tokens that the model read for this reading, of passages and queries.
        seen: float32 [n], the share of each passage that the model saw.
        stopped: why some were not read, None if all were; `reason` says it in words.
        query_seen: the share of the query that the model saw.
        windows: for each passage that was read in several windows, the one that scored best; None for one that
            was read at once. Empty if all were.
        cached: how many of the values come from an earlier reading.
        tokens_cached: about how many tokens these took then.

    Passages that were not read are NaN in `logits` or `relevance`, and 0 in `seen`.
    """

    logits: Vector | None
    relevance: Vector | None
    tokens: int
    seen: Vector
    stopped: Stopped | None = None
    reason: str | None = None
    query_seen: float = 1.0
    windows: tuple[Span | None, ...] = ()
    cached: int = 0
    tokens_cached: int = 0

    @property
    def values(self) -> Vector:
        """What the order is by, float32 [n]: the logits, or relevance where there are none; NaN where unread."""
        values = self.relevance if self.logits is None else self.logits
        if values is None:
            raise ValueError("a reading has logits or relevance")
        return values

    def window(self, index: int) -> Span | None:
        """The window of a passage that scored best; None if it was read at once, or not at all."""
        return self.windows[index] if self.windows else None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that answers, with what each stage made of it.

    `score` is what the order is by; `relevance` is stage 2's (0–1), `similarity` the cosine to the query,
    `stage1_score` what stage 1's order is by.
    `seen` is the share of the passage that stage 2 read; where it read it in several windows, `window` says which
    characters of `text` scored best.
    `stale` says that the file has changed or gone since it was ingested.
    """

    rank: int
    id: str
    document_id: str
    source: str
    start_line: int | None
    end_line: int | None
    page: int | None
    title: str
    heading: tuple[str, ...]
    text: str
    similarity: float
    stage1_rank: int
    stage1_score: float
    vector_rank: int | None
    words_rank: int | None
    words_score: float | None
    relevance: float | None
    score: float | None
    stale: bool
    metadata: Mapping[str, Json]
    seen: float | None = None
    window: Span | None = None


@dataclass(frozen=True, slots=True)
class QuerySettings:
    """What was in force for one query."""

    stage1: str
    limit: int
    num_candidates: int
    top_k: int
    rerank_model: str | None
    blend: float | None
    filter: Json = None
    fusion: str | None = None
    words_weight: float | None = None
    min_relevance: float | None = None
    budget_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LoadStage:
    """Opening the models, before the budget of a query begins; only the first query of several has it."""

    ms: float
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmbedStage:
    """Turning the query into a vector; `usd` is the price of a model that is paid for."""

    ms: float
    model: str
    tokens: int
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class SearchStage:
    """Stage 1: `candidates` were found, by comparing every vector if `exact`.

    Beside the index, `unindexed` chunks were compared one by one. `depth` is how deep the index was searched, None
    if it was not; `matched` is how many chunks passed the filter, None without one.
    """

    ms: float
    candidates: int
    exact: bool
    unindexed: int
    depth: int | None = None
    matched: int | None = None


@dataclass(frozen=True, slots=True)
class RerankStage:
    """Stage 2: `reranked` of the `of` candidates were read, `truncated` of them not to their end.

    `windowed` were read in several windows; `cached` scores came from the cache; `reason` says why some candidates
    were not read, or why `model` read them `instead_of` the one that was asked for. `usd` is the price of a model
    that is paid for; `revision` is the model's, and `gives` says what its values, which scores are made of, are.
    `best_relevance` is the greatest there was.
    """

    ms: float
    model: str
    reranked: int
    of: int
    tokens: int
    truncated: int
    cached: int
    calibrated: bool
    reason: str | None
    windowed: int = 0
    instead_of: str | None = None
    usd: float | None = None
    revision: str | None = None
    gives: Literal["logits", "relevance"] = "logits"
    best_relevance: float | None = None


@dataclass(frozen=True, slots=True)
class Stages:
    """What each stage did; `load` is None where the models were open already."""

    embed: EmbedStage
    search: SearchStage
    rerank: RerankStage | None
    load: LoadStage | None = None


@dataclass(frozen=True, slots=True)
class QueryResponse:
    """The answer to one query. `dropped` holds, with `explain`, the candidates that did not become hits."""

    query: str
    collection: str
    settings: QuerySettings
    stages: Stages
    hits: tuple[Hit, ...]
    dropped: tuple[Hit, ...] | None = None
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The response as JSON of the schema `vai.query/1`."""
        return {"schema": "vai.query/1", **as_json(self)}


@dataclass(frozen=True, slots=True)
class RerankedText:
    """A text that stage 2 alone has put in order; `index` counts from 0 in the order given."""

    rank: int
    index: int
    text: str
    relevance: float | None
    score: float | None
    seen: float | None = None
    window: Span | None = None


@dataclass(frozen=True, slots=True)
class RerankResponse:
    """What stage 2 alone made of some texts, best first."""

    query: str
    rerank: RerankStage
    results: tuple[RerankedText, ...]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The response as JSON of the schema `vai.rerank/1`."""
        return {"schema": "vai.rerank/1", **as_json(self)}


# ── prices ──

EstimatedStage = Literal["embed", "rerank"]


@dataclass(frozen=True, slots=True)
class CallEstimate:
    """What one model would do; prices are None where they are not known, and 0 where it runs here."""

    model: str
    stage: EstimatedStage
    requests: int
    tokens: int
    usd: float | None
    usd_at_most: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What something would cost in US dollars: typically, and at most; None if a price in it is not known."""

    calls: tuple[CallEstimate, ...]
    usd: float | None
    usd_at_most: float | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The estimate as JSON of the schema `vai.estimate/1`."""
        return {"schema": "vai.estimate/1", **as_json(self)}


def as_json(value: object) -> dict[str, Json]:
    """A frozen value as a JSON object: fields in order, tuples as lists, absent things null."""
    if not is_dataclass(value):
        raise TypeError(f"not a value of vai: {value!r}")
    return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}


def _plain(value: object) -> Json:
    if is_dataclass(value):
        return as_json(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"not JSON: {value!r}")
