"""Bad input: one clear sentence with what to do, the right exit code, and nothing lost."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import OVERLAP, complaint, ingest, installed, stored, vai, written
from vai.models.fakes import HashingEmbedder

# ── the query ──


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_query(store: Path, text: str) -> None:
    assert complaint(vai("query", text), 2) == (
        "error: the query is empty\nhint: say in a few words what you look for\n"
    )


def test_an_empty_query_on_standard_input(store: Path) -> None:
    assert "the query is empty" in complaint(vai("query", "-", stdin=b" \n"), 2)
    assert "the query is empty" in complaint(vai("query", "-", stdin=None), 2)


def test_no_query_at_all(store: Path) -> None:
    assert "no question was asked: give TEXT, `-` or --batch FILE" in complaint(vai("query"), 2)
    assert "hint: a TEXT that begins with a dash needs `--` before it" in complaint(
        vai("query", "--no-rerank"), 2
    )


@pytest.mark.parametrize("megabyte", [b"word " * 200_000, "é".encode() * 500_000, b"\xff" * 1_000_000])
def test_a_megabyte_of_query(store: Path, megabyte: bytes) -> None:
    said = complaint(vai("query", "-", stdin=megabyte), 2)
    assert "error: the query is longer than 20,000 characters\nhint: " in said


def test_a_megabyte_of_query_through_a_real_pipe(store: Path) -> None:
    assert "longer than 20,000 characters" in complaint(installed("query", "-", stdin=b"word " * 200_000), 2)


def test_a_query_that_is_not_utf_8(store: Path) -> None:
    said = complaint(vai("query", "-", stdin=b"caf\xe9"), 2)
    assert "standard input is not UTF-8 text: unexpected end of data at byte 3" in said
    assert "half a character: it is not UTF-8 text" in complaint(vai("query", os.fsdecode(b"caf\xe9")), 2)


def test_a_faulty_line_of_a_batch_is_named_and_nothing_is_answered(project: Path, store: Path) -> None:
    def batch(content: bytes) -> str:
        written(project, {"questions.txt": content})
        return complaint(vai("query", "--batch", "questions.txt", *OVERLAP), 2)

    assert "line 3 of `questions.txt`: the query is longer than" in batch(b"one\n\n" + b"x" * 20_001)
    assert "line 2 of `questions.txt` is not UTF-8 text: invalid start byte" in batch(b"one\n\xff\nthree\n")
    assert "`questions.txt` holds no question\nhint: write one question a line" in batch(b"\n \n")


def test_a_batch_that_cannot_be_read(project: Path, store: Path) -> None:
    assert "there is no file at `nope.txt`\nhint: relative paths are looked up in" in complaint(
        vai("query", "--batch", "nope.txt"), 2
    )
    assert "`docs` cannot be read: is a directory" in complaint(vai("query", "--batch", "docs"), 2)


# ── flags ──

CONTRADICTIONS = {
    "top-k above limit": ["--top-k", "10", "--limit", "5"],
    "num-candidates below limit": ["--limit", "50", "--num-candidates", "20"],
    "num-candidates below top-k": ["--top-k", "50", "--num-candidates", "20"],
    "a reranker and none": ["--no-rerank", "--rerank-model", "word-overlap"],
    "a blend of one": ["--no-rerank", "--blend", "0.5"],
    "a text and a batch": ["--batch", "questions.txt"],
}
NUMBERS = {
    "limit 0": ["--limit", "0"],
    "negative limit": ["-l", "-3"],
    "limit of letters": ["--limit", "ten"],
    "limit of a fraction": ["--limit", "2.5"],
    "limit beyond all": ["--limit", "20000"],
    "top-k 0": ["-k", "0"],
    "negative num-candidates": ["--num-candidates", "-1"],
    "blend above 1": ["--blend", "1.5"],
    "blend that is no number": ["--blend", "nan"],
    "blend of letters": ["--blend", "half"],
}
USAGE = {
    "an unknown flag": ["--lmit", "3"],
    "a text like a flag": ["-5"],
    "a flag without its value": ["--limit"],
}


@pytest.mark.parametrize("flags", [*CONTRADICTIONS.values(), *NUMBERS.values(), *USAGE.values()],
                         ids=[*CONTRADICTIONS, *NUMBERS, *USAGE])  # fmt: skip
def test_flags_that_cannot_be(store: Path, flags: list[str], snapshot: SnapshotAssertion) -> None:
    assert complaint(vai("query", "text", *flags), 2) == snapshot


@pytest.mark.parametrize(
    "flags",
    [
        *(["--chunk-tokens", value] for value in ("0", "-5", "15", "1000", "many")),
        *(["--max-file-mb", value] for value in ("0", "-1", "nan", "inf", "big")),
        ["--collection", ""],
        ["--collection", "../x"],
        ["--store", ""],
    ],
    ids=" ".join,
)
def test_flags_of_ingest_that_cannot_be(project: Path, flags: list[str], snapshot: SnapshotAssertion) -> None:
    assert complaint(ingest("docs", *flags), 2) == snapshot


def test_an_unknown_command_and_none() -> None:
    assert "no such command 'quer'" in complaint(vai("quer", "text"), 2)
    assert vai().exit_code == 2
    assert vai().stderr.startswith("Usage: vai ")
    assert "missing argument 'PATH…'" in complaint(vai("ingest"), 2)


# ── what is not there ──


def test_no_store(project: Path) -> None:
    for command in (("query", "text"), ("status",)):
        assert complaint(vai(*command), 3) == (
            f"error: there is no store at `{project / '.vai'}`\n"
            "hint: `vai ingest PATH` makes one, `--store DIR` names another\n"
        )


def test_no_collection(store: Path) -> None:
    for name in ("nope", "", "../default"):
        said = complaint(vai("query", "text", "--collection", name), 3)
        assert said.startswith(
            f"error: there is no collection `{name}` in `{store}`\nhint: `vai status` lists"
        )


def test_a_store_that_is_a_file(project: Path) -> None:
    assert "there is no store at" in complaint(vai("query", "text", "--store", "docs/lookup.txt"), 3)
    assert "cannot be" in complaint(ingest("docs", "--store", "docs/lookup.txt"), 3)


def test_another_embedder(store: Path) -> None:
    before = stored()
    said = complaint(vai("ingest", "docs", "--embedder", "all-MiniLM-L6-v2"), 3)
    assert "was made with the embedder `hashing` (revision `1`), not with `all-MiniLM-L6-v2`" in said
    assert "hint: leave `--embedder` out, or ingest into another collection" in said
    assert stored() == before


def test_another_revision_of_the_embedder(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HashingEmbedder, "revision", "2")
    for command in (("query", "text"), ("ingest", "docs")):
        said = complaint(vai(*command), 3)
        assert "the embedder `hashing` (revision `1`), not with revision `2` of it" in said


def test_an_embedder_that_is_not_here(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vai.models.catalog._embedders", dict)
    said = complaint(vai("query", "text"), 3)
    assert "`default` was made with the embedder `hashing`, which cannot be named here\nhint: " in said


def test_an_unknown_model(project: Path, store: Path) -> None:
    said = complaint(vai("query", "text", "--rerank-model", "rerank-25"), 3)
    assert (
        "there is no reranker called `rerank-25`\nhint: did you mean `rerank-2.5`? `vai models` lists" in said
    )
    assert "called ``" in complaint(vai("query", "text", "--rerank-model", ""), 3)
    said = complaint(vai("ingest", "docs", "--embedder", "hashin", "--collection", "new"), 3)
    assert "there is no embedder called `hashin`\nhint: did you mean `hashing`?" in said


def test_a_missing_path_leaves_no_store_behind(project: Path) -> None:
    assert complaint(ingest("docs", "nope"), 2) == (
        f"error: there is no file or folder at `nope`\nhint: relative paths are looked up in `{project}`\n"
    )
    assert not (project / ".vai").exists()


# ── a remote model without its key ──


def test_without_a_key_the_command_that_is_given_works(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = complaint(
        vai("query", "it's scaling", "--limit", "50", "--rerank-model", "rerank-2.5", "-k", "2"), 3
    )
    assert said.startswith(
        "error: `rerank-2.5` is a model of Voyage and needs a key: VOYAGE_API_KEY is not set\n"
    )
    command = shlex.split(said.rpartition("this works: `")[2].removesuffix("`\n"))
    assert command[0] == "vai"
    answer = vai(*command[1:])
    assert answer.exit_code == 0
    assert "(vai-reranker-mini) read 6 of 6" in answer.stderr


@pytest.mark.parametrize(
    ("typed", "works"),
    [
        ("text --rerank-model=rerank-2.5", "text --rerank-model vai-reranker-mini"),
        ("--rerank-model rerank-2.5 -- -text", "--rerank-model vai-reranker-mini -- -text"),
        ("--batch - --rerank-model rerank-2.5", "--batch - --rerank-model vai-reranker-mini"),
    ],
)
def test_the_command_that_works_is_the_one_that_was_typed(store: Path, typed: str, works: str) -> None:
    said = complaint(vai("query", *typed.split(), stdin=b"question"), 3)
    assert f"this works: `vai query {works}`\n" in said


def test_a_remote_model_of_the_environment_is_overruled_in_the_command_that_works(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAI_RERANK_MODEL", "rerank-2.5")
    assert "works: `vai query text --rerank-model vai-reranker-mini`" in complaint(vai("query", "text"), 3)


def test_a_remote_model_is_never_taken_from_a_projects_file(project: Path, store: Path) -> None:
    written(project, {"vai.toml": 'rerank_model = "rerank-2.5"\n'})
    said = complaint(vai("query", "text"), 2)
    assert (
        f"`rerank_model` in `{project / 'vai.toml'}` names a remote model, which a project's file may not"
        in said
    )


# ── settings ──

SETTINGS: dict[str, tuple[str | bytes, str]] = {
    "no TOML": ("limit = \n", "the settings in `[file]` cannot be read: "),
    "not UTF-8": (b"\xff\xfe", "the settings in `[file]` cannot be read: "),
    "an unknown name": ("limt = 5\n", "`[file]` has an unknown setting: limt\nhint: did you mean `limit`?\n"),
    "an impossible value": ("limit = 0\n", "`limit` in `[file]` must be a whole number from 1: 0\n"),
}


@pytest.mark.parametrize(("content", "message"), SETTINGS.values(), ids=SETTINGS)
def test_a_faulty_settings_file(project: Path, store: Path, content: str | bytes, message: str) -> None:
    written(project, {"vai.toml": content})
    said = complaint(vai("query", "text"), 2).replace(str(project / "vai.toml"), "[file]")
    assert said.startswith(f"error: {message}")


def test_a_faulty_variable(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAI_RERANK", "perhaps")
    said = complaint(vai("query", "text"), 2)
    assert said == "error: the variable VAI_RERANK must be true or false: perhaps\n"


def test_a_faulty_file_of_the_users_own(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written(tmp_path / "user" / "vai", {"config.toml": "top_k = -1"})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path / "user" / "vai")
    assert "`top_k` in `" in complaint(vai("query", "text"), 2)


# ── what nobody foresaw ──


def test_what_nobody_foresaw_is_a_sentence_and_can_be_found(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero,\nof all things")

    monkeypatch.setattr("vai.collection.Collection.open", broken)
    with pytest.raises(ZeroDivisionError):
        vai("query", "text")
    monkeypatch.delenv("VAI_TRACEBACK")
    said = complaint(vai("query", "text"), 3)
    assert "did not foresee: ZeroDivisionError: division by zero, of all things\nhint: " in said
    assert "VAI_TRACEBACK=1" in said


def test_what_the_system_refuses_is_a_sentence_with_the_file(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error", "/some/file")

    monkeypatch.setattr("vai.collection.Collection.open", refused)
    monkeypatch.delenv("VAI_TRACEBACK")
    said = complaint(vai("query", "text"), 3)
    assert said == "error: `/some/file` cannot be read or written: Input/output error\n"


def test_a_command_that_is_none_is_named_with_the_nearest() -> None:
    said = complaint(vai("qurey", "question"), 2)
    assert "no such command 'qurey'" in said
    assert "did you mean `query`?" in said
