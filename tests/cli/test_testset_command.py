"""`vai testset`: a starting test set from the text of a collection."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import complaint, vai, written
from json_contract import check
from model_stub import ModelStub, status
from server_stubs import Chat
from vai.models.remote.http import Patience

PLACES = ("north", "south", "east", "west", "centre", "harbour", "market", "station")
KINDS = ("buses", "trams", "ferries", "bicycles", "taxis")


def page(place: str) -> str:
    return f"# The {place} of the town\n\n" + "\n\n".join(
        f"## Which {kind} serve the {place}\n\n"
        + f"Of all {kind} there are enough here, one every hour or so. " * 6
        for kind in KINDS
    )


@pytest.fixture
def town(project: Path) -> Path:
    """A collection of pages with headings; each section is a chunk."""
    written(project / "town", {f"{place}.md": page(place) for place in PLACES})
    assert vai("ingest", "town", "--embedder", "hashing", "--chunk-tokens", "80").exit_code == 0
    return project


@pytest.fixture
def llm(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelStub]:
    """A language model on this machine, and nobody who waits between attempts."""
    monkeypatch.setattr("vai.models.remote.chat.SERVER_PATIENCE", Patience(sleep=lambda _: None))
    with ModelStub(Chat(), key="l-key-123456") as stub:
        monkeypatch.setenv("VAI_LLM_API_KEY", "l-key-123456")
        yield stub


def lines_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines()]


def test_it_says_what_was_made_of_what_and_what_that_cannot_tell(
    town: Path, snapshot: SnapshotAssertion
) -> None:
    assert vai("testset", "out.jsonl").masked(project=town) == snapshot


def test_each_line_is_marked_and_answered_by_the_section_below_the_heading(town: Path) -> None:
    assert vai("testset", "out.jsonl", "--count", "8").exit_code == 0
    records = lines_of("out.jsonl")
    assert len(records) == 8
    for record in records:
        assert record["synthetic"] is True
        assert record["made_from"] == "heading"
        place = record["query"].split()[-1]
        assert record["source"] == f"town/{place}.md"
        assert all(found.startswith(f"town/{place}.md#") for found in record["relevant"])
    assert set(Counter(record["source"] for record in records).values()) == {1}


def test_json_holds_all_of_it_and_is_marked_too(town: Path) -> None:
    outcome = vai("testset", "out.jsonl", "--count", "30", "--json", "-q")
    found = outcome.json
    check({**found, "rejected": [{"reason": "empty", "answers": 1}]})
    assert outcome.stderr == ""
    assert (found["schema"], found["synthetic"], found["questions"]) == ("vai.testset/1", True, 30)
    assert (found["path"], found["unit"], found["model"], found["calls"]) == ("out.jsonl", "chunk", None, 0)
    assert found["made"][0]["made_from"] == "heading"
    assert "these questions are synthetic" in found["warnings"][0]


def test_documents_are_judged_on_demand(town: Path) -> None:
    assert vai("testset", "out.jsonl", "--unit", "document", "--count", "8").exit_code == 0
    assert sorted(record["relevant"] for record in lines_of("out.jsonl")) == sorted(
        [f"town/{place}.md"] for place in PLACES
    )


def test_another_seed_finds_others_and_the_same_the_same(town: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert vai("testset", f"{name}.jsonl", "--count", "8", "--seed", seed).exit_code == 0
    one, same, other = (Path(f"{name}.jsonl").read_text() for name in "abc")
    assert one == same != other


def test_a_file_that_is_there_is_not_replaced_without_being_told_to(town: Path) -> None:
    Path("out.jsonl").write_text("mine")
    assert "`out.jsonl` is there already\nhint: `--force` replaces it" in complaint(
        vai("testset", "out.jsonl"), 2
    )
    assert Path("out.jsonl").read_text() == "mine"
    assert vai("testset", "out.jsonl", "--force").exit_code == 0


def test_where_there_is_nothing_to_ask_it_says_what_to_do_next(project: Path) -> None:
    written(project / "notes", {"a.txt": "Only this."})
    vai("ingest", "notes", "--embedder", "hashing")
    outcome = vai("testset", "out.jsonl")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("no question was found in 1 document, ")
    assert "--question-model NAME" in outcome.stderr
    assert "vai judge questions.txt" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["out.txt"], 2, "name ends in `.jsonl`"),
        (["out.jsonl", "--count", "0"], 2, "--count must be from 1 to 10,000: 0"),
        (["out.jsonl", "--count", "many"], 2, "--count must be a whole number: many"),
        (["out.jsonl", "--unit", "chunks"], 2, "--unit must be one of document, chunk: chunks"),
        (["out.jsonl", "--collection", "none"], 3, "there is no collection `none`"),
        (["out.jsonl", "--no-llm", "--question-model", "x"], 2, "contradict each other"),
        (["out.jsonl", "--question-model", "llama3.2"], 3, "is not the address of a language model"),
        ([], 2, "OUT.jsonl"),
    ],
)
def test_what_cannot_be_carried_out_is_one_sentence(
    town: Path, arguments: list[str], exit_code: int, said: str
) -> None:
    assert said in complaint(vai("testset", *arguments), exit_code)
    assert not Path("out.jsonl").exists()


# ── a language model ──


def model_at(stub: ModelStub) -> str:
    return f"openai:{stub.address}/v1#llama3.2"


def test_a_language_model_writes_a_share_and_it_is_said_before_what_it_gets(
    town: Path, llm: ModelStub
) -> None:
    outcome = vai("testset", "out.jsonl", "--count", "10", "--question-model", model_at(llm))
    assert outcome.exit_code == 0
    assert outcome.stderr.splitlines()[0] == (
        f"at most 10 passages will be sent to `{model_at(llm)}`, which is on this machine; what it costs is not known, "
        "and not booked"
    )
    made = Counter(record["made_from"] for record in lines_of("out.jsonl"))
    assert made["llm"] >= 1
    assert sum(made.values()) == 10
    assert len(llm.requests) == 5
    assert f"{model_at(llm)} read 5 passages" in outcome.stdout
    assert "of a question that the language model wrote only its own passage counts" in outcome.stderr


def test_a_model_in_the_users_settings_is_asked_unless_it_is_left_out(
    town: Path, llm: ModelStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAI_QUESTION_MODEL", model_at(llm))
    assert vai("testset", "out.jsonl", "--no-llm", "--json").json["model"] is None
    assert llm.requests == []
    assert vai("testset", "out.jsonl", "--force", "--json").json["model"] == model_at(llm)
    assert llm.requests


def test_answers_that_were_not_taken_are_told_of(town: Path, llm: ModelStub) -> None:
    mute = ModelStub(Chat(says=lambda _: "Why?"), key=llm.key)
    with mute:
        outcome = vai("testset", "out.jsonl", "--count", "10", "--question-model", model_at(mute))
    assert "read 5 passages; not taken of its answers: 5 about nothing" in outcome.stdout
    assert len(lines_of("out.jsonl")) == 10


def test_a_wrong_key_is_an_error_and_nothing_is_written(
    town: Path, llm: ModelStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAI_LLM_API_KEY", "wrong-key-9999")
    outcome = vai("testset", "out.jsonl", "--question-model", model_at(llm), "-q")
    assert "Incorrect API key provided" in complaint(outcome, 3)
    assert "wrong-key-9999" not in outcome.stderr
    assert not Path("out.jsonl").exists()


def test_a_server_that_fails_is_a_warning_and_the_rest_is_found(town: Path, llm: ModelStub) -> None:
    llm.then(*[status(503)] * 100)
    outcome = vai("testset", "out.jsonl", "--count", "10", "--question-model", model_at(llm))
    assert outcome.exit_code == 0
    assert "warning: the language model was not asked to the end: " in outcome.stderr
    assert {record["made_from"] for record in lines_of("out.jsonl")} == {"heading"}
