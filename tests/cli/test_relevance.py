"""With the bundled models, relevance tells a question that the corpus answers from one that it does not."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import vai, written
from vai import Collection, Settings

CORPUS = {
    "replication.md": "# Replication\n\nA replica set is a group of servers that hold the same data.\n",
    "failover.md": "# Failover\n\nWhen the primary is lost, the others elect a new one.\n",
    "sharding.md": "# Sharding\n\nA shard key spreads documents over servers.\n",
    "lookup.md": "# Indexes\n\nA quick lookup needs an index. Without one every document is read.\n",
    "backup.md": "# Backups\n\nA backup is taken every night and kept for thirty days.\n",
}
LEAST = 0.2
ON_TOPIC = (
    "What is a replica set?",
    "What happens when the primary is lost?",
    "Which key spreads documents over servers?",
    "What does a quick lookup need?",
    "How long is a backup kept?",
)
OFF_TOPIC = (
    "Which fish live in the deep sea?",
    "Who won the football world cup in 1954?",
    "How long should I boil an egg?",
    "What are the symptoms of measles?",
    "Who painted the ceiling of the Sistine Chapel?",
)


def gibberish(count: int) -> list[str]:
    """Words of random letters, always the same ones."""
    draw = random.Random(7)
    return [
        " ".join(
            "".join(draw.choices(string.ascii_lowercase, k=draw.randint(3, 9)))
            for _ in range(draw.randint(2, 7))
        )
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the corpus in a store, made with the bundled embedder."""
    folder = tmp_path_factory.mktemp("relevance")
    written(folder / "docs", CORPUS)
    with Collection.open(folder / ".vai", settings=Settings()) as collection:
        collection.ingest(folder / "docs")
    yield folder


def test_nothing_reaches_the_relevance_that_every_answer_has(corpus: Path) -> None:
    with Collection.open(corpus / ".vai", settings=Settings()) as collection:
        best = {
            question: max(hit.relevance or 0.0 for hit in collection.query(question, cache=False).hits)
            for question in (*ON_TOPIC, *OFF_TOPIC, *gibberish(10))
        }
    answered = min(best.pop(question) for question in ON_TOPIC)
    assert max(best.values()) < LEAST < answered
    assert max(best.values()) < answered / 2


@pytest.mark.parametrize("question", [*OFF_TOPIC[:2], gibberish(1)[0]])
def test_nothing_relevant_is_an_answer_with_an_exit_code_of_its_own(corpus: Path, question: str) -> None:
    asked = ("query", question, "--store", corpus / ".vai", "--min-relevance", str(LEAST))
    outcome = vai(*asked)
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("nothing relevant was found: ")
    found = vai(*asked, "--json")
    assert (found.exit_code, found.json["hits"]) == (1, [])
    assert found.json["stages"]["rerank"]["reranked"] == len(CORPUS)


@pytest.mark.parametrize("question", ON_TOPIC)
def test_what_answers_is_kept_alone(corpus: Path, question: str) -> None:
    outcome = vai("query", question, "--store", corpus / ".vai", "--min-relevance", str(LEAST), "--json")
    assert outcome.exit_code == 0
    assert all(hit["relevance"] >= LEAST for hit in outcome.json["hits"])
    assert 1 <= len(outcome.json["hits"]) < len(CORPUS)
