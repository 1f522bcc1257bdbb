"""`vai models`: what can be named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import complaint, vai
from hub_stub import HubStub, hub_cache, hub_in_use, status
from json_contract import check

NAME = "owner/model"
FILES = {
    "config.json": b'{"architectures": ["BertForSequenceClassification"], "max_position_embeddings": 300}',
    "tokenizer.json": b"{}",
    "onnx/model.onnx": bytes(5_000),
}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where models of the hub are kept: nothing of the outer environment, and nothing fetched yet."""
    return hub_cache(monkeypatch, tmp_path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStub]:
    """The hub, with one model."""
    with hub_in_use(monkeypatch) as stub:
        stub.put(NAME, FILES, card={"license": "mit", "language": "en"})
        yield stub


def test_models_are_listed_with_limits_and_prices(snapshot: SnapshotAssertion) -> None:
    assert vai("models").masked() == snapshot


def test_every_reranker_that_is_listed_can_be_named() -> None:
    for model in vai("models", "--json").json["models"]:
        if model["kind"] == "reranker":
            answer = vai("rerank", "--query", "q", "-m", model["name"], "text", "-q")
            assert answer.exit_code == (3 if model["needs"] else 0)
            assert "there is no reranker" not in answer.stderr


# ── from the hub ──


def test_pulling_says_what_it_got(hub: HubStub, cache: Path, snapshot: SnapshotAssertion) -> None:
    assert vai("models", "pull", NAME).masked(cache=cache) == snapshot


def test_pulling_again_fetches_nothing(hub: HubStub) -> None:
    first, again = vai("models", "pull", NAME), vai("models", "pull", NAME)
    assert (first.stdout, again.stderr) == (again.stdout, "")


def test_what_was_pulled_is_json_for_programs(hub: HubStub, cache: Path) -> None:
    hub.put("owner/other", FILES)
    answer = vai("models", "pull", NAME, "owner/other", "--json", "-q")
    check(answer.json)
    first, second = answer.json["models"]
    commit = hub.repositories[NAME].refs["main"]
    assert answer.stderr == ""
    assert first == {
        "name": NAME,
        "kind": "reranker",
        "revision": commit,
        "bytes": sum(map(len, FILES.values())),
        "folder": str(cache / "hub" / "models--owner--model" / "snapshots" / commit),
        "licence": "mit",
    }
    assert (second["name"], second["licence"]) == ("owner/other", None)
    assert vai("models", "--json", "pull", NAME).json["models"] == [first]


def test_what_was_fetched_is_listed_without_asking_the_hub(hub: HubStub) -> None:
    vai("models", "pull", NAME)
    asked = len(hub.requests)
    listed = vai("models", "--json").json["models"][-1]
    assert len(hub.requests) == asked
    assert listed == {
        "name": NAME,
        "kind": "reranker",
        "where": "hub",
        "languages": ["en"],
        "dimension": None,
        "max_tokens": 300,
        "usd_per_million_tokens": 0.0,
        "needs": None,
        "licence": "mit",
    }
    assert f"{NAME} " in vai("models").stdout


def test_a_model_whose_files_are_silent_has_to_be_said(hub: HubStub) -> None:
    hub.put("owner/silent", {**FILES, "config.json": b"{}"})
    assert "`--kind`" in complaint(vai("models", "pull", "owner/silent"), 2)
    assert "did you mean `embedder`" in complaint(vai("models", "pull", NAME, "--kind", "embeder"), 2)
    assert "owner/silent: embedder" in vai("models", "pull", "owner/silent", "--kind", "embedder").stdout


def test_what_is_no_name_on_the_hub_is_refused() -> None:
    assert "`rerank-3` is no name on the hub" in complaint(vai("models", "pull", "rerank-3"), 3)


def test_a_refusal_ends_the_command(hub: HubStub) -> None:
    hub.then("/main", status(403, "not you"))
    said = complaint(vai("models", "pull", NAME), 3)
    assert said.startswith(f"error: the hub at {hub.endpoint} answered 403 Forbidden for `{NAME}`: not you\n")
