"""Bad input: one clear sentence with what to do, the right exit code, and nothing lost."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import Outcome, finished, garbled, installed, vai, written
from machine import Unprivileged, largest_file
from vai.models.fakes import HashingEmbedder

OVERLAP = ("--rerank-model", "word-overlap")


def ingest(*arguments: str | Path) -> Outcome:
    return vai("ingest", *arguments, "--embedder", "hashing")


def complaint(outcome: Outcome, exit_code: int) -> str:
    """The one sentence, with its hint, of a command that printed nothing else and ended with this code."""
    lines = outcome.stderr.splitlines()
    assert (outcome.exit_code, outcome.stdout) == (exit_code, "")
    assert 1 <= len(lines) <= 2
    assert lines[0].startswith("error: ")
    assert not lines[0].endswith(".")
    assert all(line.startswith("hint: ") for line in lines[1:])
    return outcome.stderr


def stored() -> dict[str, str]:
    """Every stored text by its chunk's id."""
    hits = vai("query", "anything", "-k", "1000", "--no-rerank", "--json").json["hits"]
    return {hit["id"]: hit["text"] for hit in hits}


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


def test_a_key_is_never_taken_from_a_projects_file(project: Path, store: Path) -> None:
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


# ── files ──


def test_an_unreadable_file_among_good_ones(
    unprivileged: Unprivileged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(unprivileged.folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(unprivileged.folder))
    store = Path(tempfile.mkdtemp(prefix="vai-store-"))
    store.chmod(0o777)
    try:
        docs = written(unprivileged.folder / "docs", {"good.txt": "Good.", "secret.txt": "Secret."})
        ingest("docs", "--store", store / "warm")  # imports what the user without rights may not read
        with unprivileged.acting(unreadable=docs / "secret.txt"):
            report = ingest("docs", "--store", store / "cold", "--json")
    finally:
        shutil.rmtree(store)
    assert report.exit_code == 0
    assert report.json["added"] == 1
    (skipped,) = report.json["skipped"]
    assert skipped["source"].endswith("docs/secret.txt")
    assert (skipped["reason"], skipped["kept"]) == ("cannot be read: permission denied", True)


def test_what_cannot_be_read_any_more_keeps_what_was_stored(project: Path, store: Path) -> None:
    before = stored()
    written(project / "docs", {"scaling.md": b"\xff\xfe\xff"})
    report = ingest("docs")
    assert "docs/scaling.md: is not UTF-16" in report.stdout
    assert stored() == before


def test_a_large_text_file_is_skipped_and_the_flag_that_takes_it_is_named(project: Path) -> None:
    written(project / "docs", {"large.txt": "word " * 250_000})
    report = ingest("docs", "--max-file-mb", "1")
    assert (
        "docs/large.txt: is 1.2 MB, more than the limit of 1 MB (raise it with `--max-file-mb`)"
        in report.stdout
    )
    assert ingest("docs", "--max-file-mb", "2", "--json").json["skipped"] == []


def test_records_are_streamed_whatever_the_size_of_their_file(project: Path) -> None:
    """The long file takes hardly more memory than the short one, so it never is held whole."""
    record = b'{"text": "A short text."' + b" " * 100_000 + b"}\n"
    for name, count in (("short.jsonl", 1), ("long.jsonl", 1_200)):
        with (project / name).open("wb") as file:
            file.writelines([record] * count)
    assert (project / "long.jsonl").stat().st_size > 110 * 2**20
    most = {name: _peak_memory_of_ingesting(name) for name in ("short.jsonl", "long.jsonl")}
    assert vai("status", "--json").json["collections"][0]["documents"] == 1_201
    assert most["long.jsonl"] - most["short.jsonl"] < 30 * 2**20


def _peak_memory_of_ingesting(name: str) -> int:
    """In bytes."""
    program = (
        "import atexit, resource, sys\n"
        "say = lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
        "atexit.register(say)\n"
        "from vai.cli import main; main()"
    )
    ended = finished([sys.executable, "-c", program, "ingest", name, "--embedder", "hashing"])
    assert ended.exit_code == 0
    return int(ended.stderr) * (1 if sys.platform == "darwin" else 1024)


def test_a_broken_record_is_named_by_its_line_and_the_good_ones_are_kept(project: Path) -> None:
    written(project, {"r.jsonl": '{"text": "one"}\n{"text": "two"\n[3]\n{"text": "four"}\n'})
    report = ingest("r.jsonl")
    assert report.exit_code == 0
    assert "  r.jsonl:2: line 2 is not JSON: " in report.stdout
    assert "  r.jsonl:3: line 3 is not a JSON object" in report.stdout
    assert stored() == {"r.jsonl:1#0": "one", "r.jsonl:4#0": "four"}


def test_records_without_the_text_field(project: Path, snapshot: SnapshotAssertion) -> None:
    written(project, {"r.jsonl": '{"a": "one", "b": 2}\n{"a": "two"}\n'})
    assert ingest("r.jsonl").masked() == snapshot(name="guessed")
    assert ingest("r.jsonl", "--text-field", "nope").masked() == snapshot(name="named")


def test_an_id_that_two_sources_claim(project: Path) -> None:
    written(project, {"a.jsonl": '{"_id": "x", "text": "one"}', "b.jsonl": '{"_id": "x", "text": "two"}'})
    said = complaint(ingest("a.jsonl", "b.jsonl"), 2)
    assert "the id `x` is claimed by `a.jsonl` and by `b.jsonl` on line 1\nhint: " in said
    assert stored() == {"x#0": "one"}


def test_symlinks_that_leave_the_folder_or_loop(project: Path) -> None:
    written(project, {"outside.txt": "Outside."})
    (project / "docs" / "away.txt").symlink_to(project / "outside.txt")
    (project / "docs" / "around").symlink_to(project / "docs")
    (project / "docs" / "self").symlink_to("self")
    (project / "docs" / "nowhere").symlink_to("nothing")
    report = ingest("docs")
    assert report.exit_code == 0
    assert "docs/away.txt: is a symlink that leaves the folder" in report.stdout
    assert "docs/around: is a symlink loop" in report.stdout
    assert "docs/self: is a symlink loop" in report.stdout
    assert "docs/nowhere: is a symlink that leads nowhere" in report.stdout
    assert len(stored()) == 6


# ── the store ──


def test_a_full_disk_loses_nothing_that_was_stored(project: Path, store: Path) -> None:
    before = stored()
    written(project / "more", {f"{number}.txt": f"text {number}" for number in range(400)})
    with largest_file(2**16):
        said = complaint(ingest("more"), 3)
    assert "no room is left on the disk that holds `" in said
    assert "make room and run the same command again to finish" in said
    assert before.items() <= stored().items()
    assert vai("doctor", "--check", "--json").json["findings"][-1]["message"].endswith("all verified")
    assert ingest("more").exit_code == 0
    assert vai("status", "--json").json["collections"][0]["documents"] == 406


def test_a_store_that_can_only_be_read(unprivileged: Unprivileged, monkeypatch: pytest.MonkeyPatch) -> None:
    written(unprivileged.folder / "docs", {"a.txt": "An apple.", "b.txt": "A pear."})
    monkeypatch.chdir(unprivileged.folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(unprivileged.folder))
    ingest("docs")
    written(unprivileged.folder / "docs", {"c.txt": "A plum."})
    before = vai("query", "apple", *OVERLAP)
    with unprivileged.acting():
        assert vai("query", "apple", *OVERLAP).stdout == before.stdout
        assert vai("status").exit_code == 0
        said = complaint(ingest("docs"), 3)
    assert "cannot be written to\nhint: name a store that can be written to with `--store DIR`" in said


def test_two_ingests_at_once(project: Path, store: Path) -> None:
    program = (
        "import pathlib, sys; from vai.engines.embedded import EmbeddedEngine\n"
        f"with EmbeddedEngine(pathlib.Path({str(store)!r})).writing('default'):\n"
        "    print('holding', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe) as first:
        assert first.stdout
        assert first.stdout.readline() == b"holding\n"
        said = complaint(ingest("docs"), 3)
        assert vai("query", "replica set", *OVERLAP).exit_code == 0
        first.communicate()
    assert f"the collection `default` is being written to by process {first.pid} on " in said
    assert said.endswith("hint: try again when it has finished; queries go on meanwhile\n")
    assert ingest("docs").exit_code == 0


@contextlib.contextmanager
def truncated(path: Path) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(before[: len(before) // 2])
    yield
    path.write_bytes(before)


@contextlib.contextmanager
def gone(path: Path) -> Iterator[None]:
    path.rename(path.with_name("away"))
    yield
    path.with_name("away").rename(path)


DATABASE = Path("collections/default/collection.db")
VECTORS = Path("collections/default/vectors-0001.f32")
DAMAGE: dict[str, Callable[[Path], contextlib.AbstractContextManager[None]]] = {
    "store.json is garbled": lambda store: garbled(store / "store.json", 0, b"\xff{["),
    "store.json is another's": lambda store: garbled(store / "store.json", 0, b'["not ours"]        \n'),
    "the database is garbled": lambda store: garbled(store / DATABASE, 0, b"?" * 200),
    "the database is half of itself": lambda store: truncated(store / DATABASE),
    "the vectors are half of themselves": lambda store: truncated(store / VECTORS),
    "the vectors are gone": lambda store: gone(store / VECTORS),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_corrupt_store_says_so_and_what_to_do(
    store: Path,
    damage: Callable[[Path], contextlib.AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vai.diagnosis._models", lambda: iter(()))
    with damage(store):
        for command in (("query", "replica set", "--no-rerank"), ("status",), ("ingest", "docs")):
            said = complaint(vai(*command), 3)
            assert str(store) in said
            assert "hint: delete the folder `" in said
        doctor = vai("doctor", "--check")
        assert doctor.exit_code == 1
        assert "FAULT" in doctor.stdout
    assert vai("query", "replica set", "--no-rerank").exit_code == 0


def test_a_garbled_page_anywhere_is_a_sentence_at_worst(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every page is read by every command; whatever is met, it never is something that nobody foresaw."""
    monkeypatch.setattr("vai.diagnosis._models", lambda: iter(()))
    shutil.copytree(store, tmp_path / "whole")
    size = (store / DATABASE).stat().st_size
    assert size >= 8 * 4096
    for page in range(0, size, 4096):
        shutil.rmtree(store)
        shutil.copytree(tmp_path / "whole", store)
        written(store, {DATABASE.as_posix(): overwritten(tmp_path / "whole" / DATABASE, page)})
        for command in (("query", "replica set", "--no-rerank"), ("status",), ("ingest", "docs")):
            answer = vai(*command)
            assert answer.exit_code == 0 or complaint(answer, 3)
        assert vai("doctor", "--check").exit_code == 1


def overwritten(path: Path, page: int) -> bytes:
    before = path.read_bytes()
    return before[:page] + bytes(range(256)) * 16 + before[page + 4096 :]


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
