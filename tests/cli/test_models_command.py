"""`vai models`: what can be named."""

from __future__ import annotations

from syrupy.assertion import SnapshotAssertion

from command_line import vai


def test_models_are_listed_with_limits_and_prices(snapshot: SnapshotAssertion) -> None:
    assert vai("models").masked() == snapshot


def test_every_reranker_that_is_listed_can_be_named() -> None:
    for model in vai("models", "--json").json["models"]:
        if model["kind"] == "reranker":
            answer = vai("rerank", "--query", "q", "-m", model["name"], "text", "-q")
            assert answer.exit_code == (3 if model["needs"] else 0)
            assert "there is no reranker" not in answer.stderr
