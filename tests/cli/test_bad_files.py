"""Bad files and bad stores: what is wrong is named, the rest is done, and nothing that was stored is lost."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import OVERLAP, complaint, finished, garbled, ingest, stored, vai, written
from machine import Unprivileged, largest_file
from vai.freshness import stamp_of
from vai.types import Stamp

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


def test_a_file_that_changes_while_it_is_read_keeps_what_was_stored(
    project: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stored()
    busy = project / "docs" / "scaling.md"
    written(project / "docs", {"scaling.md": "Changed for good.", "more.txt": "More."})

    def looked_at(path: Path) -> Stamp:
        if path == busy:
            with path.open("a") as file:
                file.write(" And again.")
        return stamp_of(path)

    monkeypatch.setattr("vai.documents.reading.stamp_of", looked_at)
    report = ingest("docs")
    assert report.exit_code == 0
    assert "1 document added, 5 unchanged" in report.stdout
    assert "docs/scaling.md: changed while it was read" in report.stdout
    assert stored() == {**before, "docs/more.txt#0": "More."}


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
