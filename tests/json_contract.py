"""What `--json` promises: the fields of each schema, and how an answer is held against them."""

from __future__ import annotations

from typing import Any

HIT = {
    **dict.fromkeys(("rank", "id", "document_id", "source", "start_line", "end_line", "page", "title")),
    **dict.fromkeys(
        ("heading", "text", "similarity", "stage1_rank", "stage1_score", "vector_rank", "words_rank")
    ),
    **dict.fromkeys(("words_score", "relevance", "score", "stale", "metadata", "seen", "window")),
}
RERANK_STAGE = dict.fromkeys(
    ("ms", "model", "reranked", "of", "tokens", "truncated", "cached", "calibrated", "reason")
) | dict.fromkeys(("windowed", "instead_of", "usd", "revision", "gives", "best_relevance"))
CONFIGURATION = dict.fromkeys(
    ("stage1", "fusion", "words_weight", "limit", "num_candidates", "rerank_model", "blend", "min_relevance")
)
MISS = dict.fromkeys(
    ("query_id", "query", "unit", "grade", "reason", "stage1_rank", "exact_rank", "final_rank")
) | dict.fromkeys(("similarity", "relevance", "seen", "chunk"))
INTERVAL = dict.fromkeys(("mean", "low", "high"))
CONTRACT: dict[str, dict[str, Any]] = {
    "vai.query/1": {
        "schema": None,
        "query": None,
        "collection": None,
        "settings": dict.fromkeys(
            ("stage1", "limit", "num_candidates", "top_k", "rerank_model", "blend", "filter")
        )
        | dict.fromkeys(("fusion", "words_weight", "min_relevance", "budget_ms")),
        "stages": {
            "embed": dict.fromkeys(("ms", "model", "tokens", "usd")),
            "search": dict.fromkeys(("ms", "candidates", "exact", "unindexed", "depth", "matched")),
            "rerank": RERANK_STAGE,
            "load": dict.fromkeys(("ms", "models")),
        },
        "hits": [HIT],
        "dropped": [HIT],
        "warnings": None,
    },
    "vai.ingest/1": {
        **dict.fromkeys(("schema", "collection", "files", "added", "changed", "unchanged", "removed")),
        **dict.fromkeys(("chunks", "tokens", "seconds")),
        "skipped": [dict.fromkeys(("source", "reason", "kept"))],
        **dict.fromkeys(("warnings", "usd")),
    },
    "vai.rerank/1": {
        "schema": None,
        "query": None,
        "rerank": RERANK_STAGE,
        "results": [dict.fromkeys(("rank", "index", "text", "relevance", "score", "seen", "window"))],
        "warnings": None,
    },
    "vai.status/1": {
        "schema": None,
        "store": None,
        "collections": [
            {
                **dict.fromkeys(("name", "sources", "documents", "chunks", "bytes", "updated", "embedder")),
                **dict.fromkeys(("revision", "dimension", "chunk_tokens", "changed", "gone", "index")),
            }
        ],
        "damaged": [dict.fromkeys(("name", "fault", "hint"))],
    },
    "vai.collections/1": {
        "schema": None,
        "store": None,
        "collections": [
            {
                **dict.fromkeys(("name", "sources", "documents", "chunks", "bytes", "updated", "embedder")),
                **dict.fromkeys(("revision", "dimension", "chunk_tokens")),
            }
        ],
        "damaged": [dict.fromkeys(("name", "fault", "hint"))],
        "dropped": None,
    },
    "vai.delete/1": {
        **dict.fromkeys(("schema", "collection", "dry_run", "documents", "chunks", "sources", "returning")),
        **dict.fromkeys(("unknown", "seconds", "warnings")),
    },
    "vai.export/1": dict.fromkeys(
        ("schema", "collection", "path", "vectors", "chunks", "bytes", "seconds", "warnings")
    ),
    "vai.index/1": {
        **dict.fromkeys(("schema", "collection", "state", "precision", "covered", "unindexed", "bytes")),
        "cost": dict.fromkeys(("chunks", "precision", "memory", "disk", "seconds")),
        "seconds": None,
        "check": {
            "sample": None,
            "depths": [dict.fromkeys(("depth", "recall_at_20", "recall_at_100", "ms"))],
            **dict.fromkeys(("depth_for_20", "depth_for_100")),
        },
    },
    "vai.models/1": {
        "schema": None,
        "models": [
            {
                **dict.fromkeys(("name", "kind", "where", "languages", "dimension", "max_tokens")),
                **dict.fromkeys(("usd_per_million_tokens", "needs", "licence")),
            }
        ],
    },
    "vai.cache/1": {
        **dict.fromkeys(("schema", "store", "path", "bytes", "most_bytes")),
        "models": [dict.fromkeys(("name", "revision", "scores", "queries", "tokens", "last_used"))],
        **dict.fromkeys(("set_aside", "fault", "hint", "enabled", "cleared")),
    },
    "vai.calibrate/1": {
        **dict.fromkeys(("schema", "collection", "test_set", "model", "revision", "limit", "queries")),
        **dict.fromkeys(("pairs", "positives", "unjudged", "missing", "left_out", "measured")),
        "calibration": dict.fromkeys(("slope", "intercept", "error")),
        **dict.fromkeys(("refused", "brier")),
        "reliability": [dict.fromkeys(("least", "most", "said", "found", "pairs"))],
        "thresholds": [dict.fromkeys(("relevance", "relevant_kept", "others_kept"))],
        **dict.fromkeys(("seconds", "warnings", "written")),
    },
    "vai.eval/1": {
        **dict.fromkeys(("schema", "corpus", "collection", "unit", "queries")),
        "runs": [
            {
                "name": None,
                "settings": CONFIGURATION,
                **dict.fromkeys(("metrics", "against")),
                "latency_ms": dict.fromkeys(("p50", "p95")),
                **dict.fromkeys(("usd", "usd_per_1k", "file")),
                "misses": {
                    **dict.fromkeys(("relevant", "missed")),
                    "reasons": [dict.fromkeys(("reason", "misses", "queries"))],
                    **dict.fromkeys(("promoted", "displaced")),
                    "each": [MISS],
                },
            }
        ],
        **dict.fromkeys(("in_force", "top_k", "depth_metric")),
        "depths": [dict.fromkeys(("depth", "recall", "best", "gap"))],
        **dict.fromkeys(("missing_ids", "left_out", "seconds", "warnings")),
    },
    "vai.diff/1": {
        "schema": None,
        **{
            key: {"name": None, "settings": CONFIGURATION, **dict.fromkeys(("file", "collection"))}
            for key in ("a", "b")
        },
        **dict.fromkeys(("test_set", "unit", "queries", "top_k", "metrics")),
        "alike": {
            **dict.fromkeys(("overlap", "rbo"), INTERVAL),
            **dict.fromkeys(("persistence", "first_changed", "same")),
        },
        "flips": [dict.fromkeys(("query_id", "query", "change", "unit", "grade", "rank_a", "rank_b"))],
        "questions": [
            {
                **dict.fromkeys(("query_id", "query", "difference", "overlap", "rbo")),
                "moves": [dict.fromkeys(("unit", "grade", "rank_a", "rank_b"))],
            }
        ],
        "gates": [dict.fromkeys(("metric", "least", "found", "passed"))],
        "warnings": None,
    },
    "vai.tune/1": {
        **dict.fromkeys(("schema", "collection", "corpus", "unit", "target", "budget_ms", "max_usd_per_1k")),
        **dict.fromkeys(("decision", "reason")),
        **dict.fromkeys(("best", "baseline"), CONFIGURATION),
        "held_out": {
            **dict.fromkeys(("queries", "metric", "mean", "low", "high", "baseline_mean")),
            "gain": INTERVAL,
        },
        "rerank_gain": INTERVAL,
        "frontier": [
            {
                "settings": CONFIGURATION,
                **dict.fromkeys(("metric", "low", "high", "p50_ms", "p95_ms", "usd_per_1k", "by")),
            }
        ],
        "not_reranked": [CONFIGURATION],
        **dict.fromkeys(("configurations", "seconds", "warnings", "plot")),
        "applied": dict.fromkeys(("path", "report", "written", "left")),
    },
    "vai.testset/1": {
        **dict.fromkeys(("schema", "collection", "path", "unit", "seed", "synthetic", "questions")),
        **dict.fromkeys(("documents", "of_documents")),
        "made": [dict.fromkeys(("made_from", "questions", "shared_words", "of_whole"))],
        **dict.fromkeys(("model", "calls")),
        "rejected": [dict.fromkeys(("reason", "answers"))],
        **dict.fromkeys(("seconds", "warnings")),
    },
    "vai.judge/1": {
        **dict.fromkeys(("schema", "collection", "test_set", "path", "unit", "questions", "answered")),
        **dict.fromkeys(("pairs", "judged", "yes", "partly", "no", "skipped")),
        "configurations": [
            {"name": None, **dict.fromkeys(("before", "after"), dict.fromkeys(("ndcg", "judged")))}
        ],
        "warnings": None,
    },
    "vai.estimate/1": {
        "schema": None,
        "calls": [dict.fromkeys(("model", "stage", "requests", "tokens", "usd", "usd_at_most"))],
        **dict.fromkeys(("usd", "usd_at_most", "notes")),
    },
    "vai.spending/1": {
        **dict.fromkeys(("schema", "ledger", "month")),
        "spending": [dict.fromkeys(("month", "day", "model", "requests", "tokens", "usd"))],
        **dict.fromkeys(("requests", "tokens", "usd")),
        "this_month": dict.fromkeys(("month", "usd", "max_usd", "left_usd")),
    },
    "vai.models.pull/1": {
        "schema": None,
        "models": [dict.fromkeys(("name", "kind", "revision", "bytes", "folder", "licence"))],
    },
    "vai.doctor/1": {
        "schema": None,
        "fine": None,
        "findings": [dict.fromkeys(("about", "state", "message", "hint"))],
    },
}
"""The fields of each schema in order; None where a plain value (or null, or a free object) stands."""


def shape(value: Any, expected: Any) -> Any:
    """The fields of a value down to where the contract has plain ones; of a list, those of each element."""
    if expected is None or value is None:
        return expected
    if isinstance(expected, list):
        assert value, "an empty list shows nothing of its elements"
        shapes = [shape(element, expected[0]) for element in value]
        assert all(list(element) == list(shapes[0]) for element in shapes)
        return [shapes[0]]
    return {name: shape(item, expected.get(name)) for name, item in value.items()}


def check(value: Any) -> None:
    """What was printed has the fields that its schema promises, in their order."""
    expected = CONTRACT[value["schema"]]
    assert shape(value, expected) == expected
    assert list(value) == list(expected)
