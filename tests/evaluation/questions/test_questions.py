"""A starting test set from a collection's own text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from command_line import written as files_in
from question_samples import FILLER, Parrot, chunk
from vai import Collection, Settings
from vai.errors import InvalidSettings, PathNotFound
from vai.evaluation.data.matching import Unit, match
from vai.evaluation.data.testsets import read_test_set
from vai.evaluation.questions.harvest import MOST_RELEVANT
from vai.evaluation.questions.questions import gather, make_test_set
from vai.models.fakes import HashingEmbedder
from vai.types import Chunk

TOPICS = ("elections", "backups", "sharding", "indexes", "journals", "monitoring", "encryption", "roles")
GREEK = ("alpha", "beta", "gamma", "delta")


def page(topic: str) -> str:
    """A page with a section for each letter, and a question at its end."""
    sections = [
        f"## Running {topic} with {letter}\n\n" + f"The {topic} of kind {letter} need care each day. " * 8
        for letter in GREEK
    ]
    asked = (
        f"What happens when {topic} stop working?\nSomebody has to start them again, which takes a while.\n"
    )
    return f"# All about {topic}\n\n" + "\n\n".join([*sections, "## See also\n\n" + asked]) + "\n"


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Eight pages, each with four sections, a question, and a heading that stands on all of them."""
    folder = files_in(tmp_path / "docs", {f"{topic}.md": page(topic) for topic in TOPICS})
    opened = Collection.open(
        tmp_path / ".vai", embedder=HashingEmbedder(32), settings=Settings(chunk_tokens=64)
    )
    opened.ingest(folder)
    return opened


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# ── the file ──


def test_every_line_is_a_question_marked_as_synthetic_that_the_collection_can_answer(
    collection: Collection, tmp_path: Path
) -> None:
    report = make_test_set(collection, tmp_path / "out.jsonl", count=20)
    records = lines_of(tmp_path / "out.jsonl")
    assert len(records) == report.questions == 20
    assert all(
        list(record)[:5] == ["query", "relevant", "id", "synthetic", "made_from"] for record in records
    )
    assert all(record["synthetic"] is True for record in records)
    assert {record["made_from"] for record in records} == {"heading", "question"}
    test_set = read_test_set(tmp_path / "out.jsonl")
    assert list(test_set.queries.values()) == [record["query"] for record in records]
    matched = match(test_set, collection)
    assert (matched.unit, matched.missing) == ("chunk", ())


def test_what_is_relevant_stands_below_the_heading_or_holds_the_question(
    collection: Collection, tmp_path: Path
) -> None:
    make_test_set(collection, tmp_path / "out.jsonl", count=100)
    for record in lines_of(tmp_path / "out.jsonl"):
        chunks = collection.chunks(record["relevant"])
        assert list(chunks) == record["relevant"]
        for found in chunks.values():
            holds = record["query"] in found.text.replace("\n", " ")
            assert holds or record["query"] in found.heading or record["query"] == found.title


def test_progress_is_told_by_the_chunk(collection: Collection, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    make_test_set(collection, tmp_path / "out.jsonl", progress=lambda *step: told.append(step))
    chunks = collection.describe().chunks
    assert told[-1] == ("looking for questions", chunks, chunks)


def test_documents_can_be_judged_instead(collection: Collection, tmp_path: Path) -> None:
    report = make_test_set(collection, tmp_path / "out.jsonl", unit="document", count=20)
    assert match(read_test_set(tmp_path / "out.jsonl"), collection).unit == report.unit == "document"
    assert all(len(record["relevant"]) == 1 for record in lines_of(tmp_path / "out.jsonl"))


def test_the_same_seed_gives_the_same_file_and_another_one_another(
    collection: Collection, tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_test_set(collection, tmp_path / f"{name}.jsonl", count=12, seed=seed)
    one, same, other = ((tmp_path / f"{name}.jsonl").read_text() for name in "abc")
    assert one == same != other


def test_questions_are_spread_evenly_over_documents(collection: Collection, tmp_path: Path) -> None:
    report = make_test_set(collection, tmp_path / "out.jsonl", count=2 * len(TOPICS))
    asked = Counter(record["source"] for record in lines_of(tmp_path / "out.jsonl"))
    assert set(asked.values()) == {2}
    assert (report.documents, report.of_documents) == (len(TOPICS), len(TOPICS))


def test_a_file_that_is_there_is_replaced_only_by_force(collection: Collection, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("mine")
    with pytest.raises(InvalidSettings, match="is there already"):
        make_test_set(collection, path)
    assert path.read_text() == "mine"
    make_test_set(collection, path, force=True)
    assert path.read_text() != "mine"


@pytest.mark.parametrize(
    ("name", "count", "error", "said"),
    [
        ("out.txt", 10, InvalidSettings, r"name ends in `\.jsonl`"),
        ("nowhere/out.jsonl", 10, PathNotFound, "there is no folder"),
        ("out.jsonl", 0, InvalidSettings, "--count must be from 1 to 10,000: 0"),
        ("out.jsonl", 10_001, InvalidSettings, "--count must be from 1 to 10,000: 10001"),
    ],
)
def test_what_cannot_be_written_is_refused_before_any_work(
    collection: Collection, tmp_path: Path, name: str, count: int, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        make_test_set(collection, tmp_path / name, count=count)


def test_a_collection_without_questions_writes_nothing(tmp_path: Path) -> None:
    folder = files_in(
        tmp_path / "docs", {f"{n}.txt": f"Note number {n}, and nothing else." for n in range(5)}
    )
    collection = Collection.open(tmp_path / ".vai", embedder=HashingEmbedder(32), settings=Settings())
    collection.ingest(folder)
    report = make_test_set(collection, tmp_path / "out.jsonl")
    assert (report.questions, report.path, report.made, report.warnings) == (0, None, (), ())
    assert report.of_documents == 5
    assert not (tmp_path / "out.jsonl").exists()


# ── what is said of it ──


def test_the_report_says_that_it_is_synthetic_and_what_it_cannot_tell(
    collection: Collection, tmp_path: Path
) -> None:
    report = make_test_set(collection, tmp_path / "out.jsonl", count=40)
    assert report.synthetic is True
    said = "\n".join(report.warnings)
    assert "these questions are synthetic: nobody has asked them" in said
    assert "choose none by this alone" in said
    assert "language model" not in said
    assert [made.made_from for made in report.made] == ["heading", "question"]
    assert report.made[1].shared_words == 1.0
    assert sum(made.questions for made in report.made) == report.questions


def test_few_questions_are_said_to_be_few_unless_no_more_were_asked_for(
    collection: Collection, tmp_path: Path
) -> None:
    few = make_test_set(collection, tmp_path / "few.jsonl", count=5)
    assert not any("are few" in warning for warning in few.warnings)
    collection.delete(paths=[collection.root / "docs" / f"{topic}.md" for topic in TOPICS[2:]])
    rest = make_test_set(collection, tmp_path / "rest.jsonl", count=100)
    assert any(f"{rest.questions} questions are few" in warning for warning in rest.warnings)


def test_titles_of_whole_documents_are_said_to_tell_little(tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    records.write_text(
        "".join(
            f"{json.dumps({'_id': topic, 'title': f'The daily care of {topic}', 'text': FILLER * 2})}\n"
            for topic in TOPICS
        )
    )
    collection = Collection.open(tmp_path / ".vai", embedder=HashingEmbedder(32), settings=Settings())
    collection.ingest(records)
    report = make_test_set(collection, tmp_path / "out.jsonl")
    assert report.made[0].of_whole == len(TOPICS)
    assert any("8 of 8 questions are titles of whole documents" in warning for warning in report.warnings)


# ── what is asked ──


def asked_of(chunks: Sequence[Chunk], unit: Unit = "chunk") -> list[str]:
    harvest = gather(chunks, count=100, unit=unit, seed=0)
    return sorted(candidate.query for found in harvest.found.values() for _, candidate in found)


def test_a_question_that_several_documents_give_is_left_out_and_near_duplicates_too() -> None:
    chunks = [
        chunk(document="a.md", heading=("Configure the replica sets",)),
        chunk(document="b.md", heading=("Configuring a replica set",)),
        chunk(document="c.md", heading=("Replica set configured (2.0)",)),
        chunk(document="d.md", heading=("Elect a primary server",)),
    ]
    assert asked_of(chunks) == ["Elect a primary server"]


def test_a_question_that_a_title_elsewhere_gives_is_left_out_though_the_title_itself_is_not_used() -> None:
    """The document of that title has headings, which are used instead."""
    chunks = [
        chunk(document="a.md", heading=("Guide", "Elect a primary server")),
        chunk(document="b.md", ordinal=0, heading=("Elect a primary server",)),
        chunk(document="b.md", ordinal=1, heading=("Elect a primary server", "Count all the given votes")),
    ]
    assert asked_of(chunks) == ["Count all the given votes"]


def test_a_heading_over_many_chunks_names_a_subject_and_asks_for_nothing() -> None:
    def below(count: int) -> list[Chunk]:
        rest = chunk(document="a.md", ordinal=99, heading=("Count all the given votes",))
        return [
            *(chunk(document="a.md", ordinal=n, heading=("Elect a primary server",)) for n in range(count)),
            rest,
        ]

    assert "Elect a primary server" in asked_of(below(MOST_RELEVANT))
    assert "Elect a primary server" not in asked_of(below(MOST_RELEVANT + 1))
    assert "Elect a primary server" in asked_of(below(MOST_RELEVANT + 1), unit="document")


def test_a_document_with_headings_is_not_asked_for_by_its_title() -> None:
    chunks = [
        chunk(document="a.md", ordinal=0, heading=("Elect a primary server",)),
        chunk(document="a.md", ordinal=1, heading=("Elect a primary server", "Count all the given votes")),
        chunk(document="b.md", heading=("Take good backups daily",)),
    ]
    assert asked_of(chunks) == ["Count all the given votes", "Take good backups daily"]


def test_memory_is_bounded_and_what_is_kept_is_still_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vai.evaluation.questions.questions.FEWEST_CANDIDATES", 50)
    words = [f"{a}{b}{c}" for a in "bcdfg" for b in "aeiou" for c in "klmnprst"]
    chunks = [chunk(document=f"{word}.md", heading=(f"Serve {word} dishes hot",)) for word in words]
    doubled = [
        *chunks,
        *(chunk(document=f"{word}2.md", heading=(f"Serve {word} dishes hot",)) for word in words[:150]),
    ]
    harvest = gather(doubled, count=1, unit="chunk", seed=0)
    kept = [candidate.document_id.removesuffix(".md") for _, candidate in harvest.found["heading"]]
    assert 0 < len(kept) <= 50
    assert set(kept) <= set(words[150:])
    assert harvest.documents == len(doubled)


# ── a language model ──


def numbered() -> Parrot:
    numbers = iter(range(10_000))
    return Parrot(lambda _: f"Which gadget of make z{next(numbers)}q would somebody buy?")


def test_a_language_model_writes_its_share_of_the_questions(collection: Collection, tmp_path: Path) -> None:
    parrot = numbered()
    report = make_test_set(collection, tmp_path / "out.jsonl", count=12, model=parrot)
    records = lines_of(tmp_path / "out.jsonl")
    assert Counter(record["made_from"] for record in records) == {"llm": 4, "question": 4, "heading": 4}
    assert report.calls == len(parrot.prompts) == 4
    assert [record["model"] for record in records if record["made_from"] == "llm"] == ["parrot"] * 4
    assert all("model" not in record for record in records if record["made_from"] != "llm")
    assert any("only its own passage counts as relevant" in warning for warning in report.warnings)
    assert len({record["source"] for record in records}) == len(TOPICS)


def test_found_questions_stand_in_for_answers_that_were_not_taken(
    collection: Collection, tmp_path: Path
) -> None:
    report = make_test_set(collection, tmp_path / "out.jsonl", count=12, model=Parrot(lambda _: "Why?"))
    assert {made.made_from: made.questions for made in report.made} == {"heading": 6, "question": 6}
    assert [(rejected.reason, rejected.answers) for rejected in report.rejected] == [("about nothing", 4)]


def test_a_language_model_that_fails_is_told_of_and_the_rest_is_found(
    collection: Collection, tmp_path: Path
) -> None:
    parrot = Parrot(lambda _: None, fails_after=0)
    report = make_test_set(collection, tmp_path / "out.jsonl", count=12, model=parrot)
    assert report.questions == 12
    assert report.warnings[-1] == (
        "the language model was not asked to the end: parrot failed after 4 attempts: it answered 503"
    )


def test_a_collection_without_headings_is_asked_about_by_a_language_model_alone(tmp_path: Path) -> None:
    folder = files_in(tmp_path / "docs", {f"{n}.txt": FILLER * 3 for n in range(5)})
    collection = Collection.open(tmp_path / ".vai", embedder=HashingEmbedder(32), settings=Settings())
    collection.ingest(folder)
    report = make_test_set(collection, tmp_path / "out.jsonl", count=3, model=numbered())
    assert (report.questions, report.calls, report.documents) == (3, 3, 3)


def test_what_a_language_model_asks_is_not_asked_by_a_heading_too(
    collection: Collection, tmp_path: Path
) -> None:
    asked = Parrot(lambda prompt: "With beta, running elections?")
    make_test_set(collection, tmp_path / "out.jsonl", count=100, model=asked)
    queries = [record["query"] for record in lines_of(tmp_path / "out.jsonl")]
    assert "With beta, running elections?" in queries
    assert "Running elections with beta" not in queries
