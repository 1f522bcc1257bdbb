"""`vai doctor`: what works, what is missing, and with `--check` whether the store is whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import Outcome, garbled, vai, written
from machine import Unprivileged
from vai import diagnosis
from vai.diagnosis import Finding
from vai.models import manifest


@pytest.fixture(autouse=True)
def room_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine that runs the tests has left."""
    monkeypatch.setattr(diagnosis, "LOW_DISK", 0)


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without running the bundled models."""
    monkeypatch.setattr(diagnosis, "_models", lambda: iter([Finding("models", "fine", "not looked at")]))


def masked(outcome: Outcome, project: Path) -> str:
    text = outcome.masked(project=project)
    for pattern, mask in {
        r"python: .*": "python: [machine]",
        r"sqlite: [\d.]+": "sqlite: [version]",
        r"kreuzberg: [\d.]+": "kreuzberg: [version]",
        r"[\d,.]+ GB free": "[size] free",
        r"revision \w+, gives [\d.]+": "revision [revision], gives [value]",
    }.items():
        text = re.sub(pattern, mask, text)
    return text


def test_everything_that_works_is_listed(project: Path, store: Path, snapshot: SnapshotAssertion) -> None:
    assert masked(vai("doctor", "--check"), project) == snapshot


def test_before_the_first_ingest_nothing_is_wrong(
    project: Path, trusting: None, snapshot: SnapshotAssertion
) -> None:
    assert masked(vai("doctor"), project) == snapshot


def test_a_key_is_noticed_and_never_shown(trusting: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-very-secret")
    answer = vai("doctor")
    assert "VOYAGE_API_KEY is set" in answer.stdout
    assert "secret" not in answer.stdout + answer.stderr


def test_what_changed_since_is_a_note_and_no_fault(project: Path, store: Path, trusting: None) -> None:
    written(project / "docs", {"lookup.txt": "Something else."})
    answer = vai("doctor")
    assert answer.exit_code == 0
    assert "note   collection default: 6 chunks; of 6 sources 1 changed since" in answer.stdout


def test_a_damaged_vector_is_found_by_check_alone(
    project: Path, store: Path, trusting: None, snapshot: SnapshotAssertion
) -> None:
    vectors = store / "collections" / "default" / "vectors-0001.f32"
    with garbled(vectors, 0, b"\x00\x00\x80\x3f" * 128):
        assert vai("doctor").exit_code == 0
        assert masked(vai("doctor", "--check"), project) == snapshot
        findings = vai("doctor", "--check", "--json")
        assert (findings.exit_code, findings.json["fine"]) == (1, False)
    assert vai("doctor", "--check").exit_code == 0


def test_a_store_that_cannot_be_read_is_a_fault(project: Path, store: Path, trusting: None) -> None:
    written(store, {"store.json": "{"})
    answer = vai("doctor")
    assert answer.exit_code == 1
    assert "FAULT  store: " in answer.stdout


def test_a_collection_that_cannot_be_read_hides_no_other(project: Path, store: Path, trusting: None) -> None:
    assert vai("ingest", "docs", "--collection", "other", "--embedder", "hashing").exit_code == 0
    with garbled(store / "collections" / "other" / "collection.db", 0, b"?" * 100):
        answer = vai("doctor")
    assert answer.exit_code == 1
    assert "2 collections" in answer.stdout
    assert "ok     collection default: 6 chunks" in answer.stdout
    assert "FAULT  collection other: " in answer.stdout


@pytest.mark.parametrize("flags", [[], ["--check"]], ids=["a look", "a check"])
def test_an_index_that_is_gone_is_a_fault_of_the_index_alone(
    project: Path, store: Path, trusting: None, flags: list[str]
) -> None:
    assert vai("index", "-q").exit_code == 0
    assert "ok     index of default: int8, 6 chunks" in vai("doctor", *flags).stdout
    (file,) = (store / "collections" / "default").glob("*.ann")
    file.unlink()
    answer = vai("doctor", *flags)
    assert answer.exit_code == 1
    assert "ok     collection default: 6 chunks" in answer.stdout
    assert "FAULT  index of default: " in answer.stdout
    assert "gone" in answer.stdout
    assert "hint: `vai index --collection default` builds a new one" in answer.stdout
    assert "ingest again" not in answer.stdout


def test_a_broken_settings_file_is_a_fault(project: Path, store: Path, trusting: None) -> None:
    written(project, {"vai.toml": "limit = "})
    answer = vai("doctor")
    assert answer.exit_code == 1
    assert f"FAULT  settings: the settings in `{project / 'vai.toml'}` cannot be read: " in answer.stdout
    assert "ok     collection default: 6 chunks" in answer.stdout


def test_a_model_file_that_is_not_what_was_shipped_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = lambda model: ["model.onnx"] if model.kind == "reranker" else []  # noqa: E731
    monkeypatch.setattr(diagnosis, "damaged_files", damaged)
    monkeypatch.setattr(diagnosis, "_probe", lambda model: model.probe.value)
    answer = vai("doctor")
    assert answer.exit_code == 1
    assert (
        "FAULT  vai-reranker-mini: model.onnx is not what was shipped\n       hint: install vai again"
        in answer.stdout
    )
    assert "ok     all-MiniLM-L6-v2: " in answer.stdout


def test_a_model_that_computes_something_else_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "damaged_files", lambda _: [])
    monkeypatch.setattr(diagnosis, "_probe", lambda model: model.probe.value * 1.1)
    answer = vai("doctor")
    assert answer.exit_code == 1
    assert len(re.findall(r"FAULT  \S+: gives \S+ where \S+ is right", answer.stdout)) == 2


def test_a_model_that_cannot_run_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: manifest.Manifest) -> float:
        raise ImportError("no onnxruntime for this machine")

    monkeypatch.setattr(diagnosis, "damaged_files", lambda _: [])
    monkeypatch.setattr(diagnosis, "_probe", broken)
    answer = vai("doctor")
    assert answer.exit_code == 1
    assert "FAULT  vai-reranker-mini: cannot run: no onnxruntime for this machine" in answer.stdout


def test_little_room_on_the_disk_is_a_note(
    store: Path, trusting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "LOW_DISK", 10**18)
    answer = vai("doctor")
    assert answer.exit_code == 0
    assert re.search(
        r"note   store: .* GB free\n       hint: a large ingest may fill the disk", answer.stdout
    )


def test_a_store_that_can_only_be_read_is_a_note(
    unprivileged: Unprivileged, trusting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(unprivileged.folder / "docs", {"a.txt": "apple"})
    monkeypatch.chdir(unprivileged.folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(unprivileged.folder / "config"))
    vai("ingest", "docs", "--embedder", "hashing")
    with unprivileged.acting():
        answer = vai("doctor", "--check")
    assert answer.exit_code == 0
    assert "GB free; it can be read but not written to" in answer.stdout
    assert "ok     collection default: 1 chunk, all verified" in answer.stdout
