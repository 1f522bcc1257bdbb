"""The score cache: it changes no answer, whatever befalls its file, and saves what was read before."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import score_samples
from machine import Unprivileged, largest_file
from score_samples import PASSAGES, Judge
from vai.errors import RemoteRefused, RemoteUnavailable, StoreBusy, StoreReadOnly, StoreTooNew, UnknownModel
from vai.scores import SCORES_FILE, CachedReranker, ModelId, ScoreStore, contents
from vai.scores import store as store_module
from vai.types import Reading, Stopped

pytestmark = pytest.mark.usefixtures("connections")
QUERY = "How long is a piece of string?"
MODEL = ModelId("judge", "1")
relaxed = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the cache is made."""
    return tmp_path / SCORES_FILE


@pytest.fixture
def scores(path: Path) -> Iterator[ScoreStore]:
    """An empty cache."""
    with closing(ScoreStore(path)) as store:
        yield store


@pytest.fixture
def filled(path: Path) -> Path:
    """The file of a cache that knows all passages, and that nobody has open."""
    fill(path)
    return path


def fill(path: Path, *, queries: Sequence[str] = (QUERY,), judge: Judge | None = None) -> None:
    """Keep what is read of all passages for some queries."""
    with closing(ScoreStore(path)) as store:
        for query in queries:
            CachedReranker(judge or Judge(), store).score(query, PASSAGES)
            assert store.fault is None


def known_count(store: ScoreStore, query: str = QUERY, model: ModelId = MODEL) -> int:
    """How many of the passages are known."""
    return int((~np.isnan(store.lookup(query, PASSAGES, model).values)).sum())


def assert_same(reading: Reading, plain: Reading) -> None:
    """The same, to the last bit, but for what it took."""
    assert (reading.logits is None, reading.relevance is None) == (
        plain.logits is None,
        plain.relevance is None,
    )
    assert reading.values.dtype == reading.seen.dtype == np.float32
    assert reading.values.tobytes() == plain.values.tobytes()
    assert reading.seen.tobytes() == plain.seen.tobytes()
    assert (reading.windows, reading.query_seen) == (plain.windows, plain.query_seen)
    assert (reading.stopped, reading.reason) == (plain.stopped, plain.reason)


def assert_reads_as_ever(path: Path) -> ScoreStore:
    """With the file as it is, readings are those without a cache; returns the store, closed, for its fault."""
    with closing(ScoreStore(path)) as store:
        assert_same(CachedReranker(Judge(), store).score(QUERY, PASSAGES), Judge().score(QUERY, PASSAGES))
    return store


# ── what it is for ──


def test_it_is_the_reranker_inside_but_for_what_is_read_again(scores: ScoreStore) -> None:
    judge = Judge()
    cached = CachedReranker(judge, scores)
    for name in ("name", "revision", "blend", "similarity_scale", "calibration", "languages"):
        assert getattr(cached, name) == getattr(judge, name)
    assert cached.usd_per_million_tokens == judge.usd_per_million_tokens


def test_what_was_read_is_not_read_again_and_costs_nothing(scores: ScoreStore) -> None:
    judge = Judge()
    cached = CachedReranker(judge, scores)
    first, second = cached.score(QUERY, PASSAGES), cached.score(QUERY, PASSAGES[::-1])
    assert (first.cached, first.tokens) == (0, sum(map(len, PASSAGES)))
    assert (second.cached, second.tokens) == (len(PASSAGES), 0)
    assert len(judge.calls) == 1
    assert_same(first, judge.score(QUERY, PASSAGES))
    assert_same(second, judge.score(QUERY, PASSAGES[::-1]))


def test_only_what_is_new_is_read_in_its_order_with_the_deadline(scores: ScoreStore) -> None:
    judge = Judge()
    cached = CachedReranker(judge, scores)
    cached.score(QUERY, PASSAGES[2:5])
    reading = cached.score(QUERY, PASSAGES, deadline=time.monotonic() + 100)
    assert judge.calls[1] == [*PASSAGES[:2], *PASSAGES[5:]]
    assert reading.cached == 3
    assert_same(reading, judge.score(QUERY, PASSAGES))


def test_it_outlives_the_process(filled: Path) -> None:
    with closing(ScoreStore(filled)) as store:
        reading = CachedReranker(Judge(refuses=True), store).score(QUERY, PASSAGES)
    assert_same(reading, Judge().score(QUERY, PASSAGES))


def test_a_passage_that_occurs_twice_is_read_once(scores: ScoreStore) -> None:
    judge = Judge()
    twice = [PASSAGES[0], PASSAGES[1], PASSAGES[0]]
    reading = CachedReranker(judge, scores).score(QUERY, twice)
    assert judge.calls == [[PASSAGES[0], PASSAGES[1]]]
    assert (reading.cached, reading.tokens) == (0, len(PASSAGES[0]) + len(PASSAGES[1]))
    assert_same(reading, judge.score(QUERY, twice))


def test_what_was_known_tells_about_how_many_tokens_it_took(scores: ScoreStore) -> None:
    cached = CachedReranker(Judge(), scores)
    lengths = list(map(len, PASSAGES))
    some = cached.score(QUERY, PASSAGES[:4])
    more = cached.score(QUERY, PASSAGES)
    again = cached.score(QUERY, PASSAGES[::-1])
    assert (some.tokens, some.tokens_cached) == (sum(lengths[:4]), 0)
    assert (more.tokens, more.tokens_cached) == (sum(lengths[4:]), sum(lengths[:4]))
    assert (again.tokens, again.tokens_cached) == (0, sum(lengths))
    assert cached.score(QUERY, PASSAGES[:2]).tokens_cached == round(2 * sum(lengths) / len(lengths))
    assert cached.score("another", PASSAGES).tokens_cached == 0


def test_of_what_is_known_each_text_took_its_tokens_once(scores: ScoreStore) -> None:
    cached, twice = CachedReranker(Judge(), scores), [PASSAGES[0], PASSAGES[0]]
    cached.score(QUERY, twice)
    known = cached.score(QUERY, twice)
    joined = cached.score(QUERY, [*twice, PASSAGES[1]])
    assert (known.cached, known.tokens_cached) == (2, len(PASSAGES[0]))
    assert (joined.cached, joined.tokens_cached, joined.tokens) == (2, len(PASSAGES[0]), len(PASSAGES[1]))


def test_what_is_known_tells_its_tokens_where_the_model_fails(scores: ScoreStore) -> None:
    CachedReranker(Judge(), scores).score(QUERY, PASSAGES[:3])
    failing = CachedReranker(Judge(reach=0, stopped="failed"), scores)
    reading = failing.score(QUERY, PASSAGES)
    assert (reading.stopped, reading.cached, reading.tokens) == ("failed", 3, 0)
    assert reading.tokens_cached == sum(map(len, PASSAGES[:3]))


def test_what_a_model_that_reads_otherwise_knew_took_no_tokens(scores: ScoreStore) -> None:
    CachedReranker(Judge(), scores).score(QUERY, PASSAGES[:4])
    assert CachedReranker(Judge(kind="relevance"), scores).score(QUERY, PASSAGES).tokens_cached == 0


def test_no_passages_are_a_matter_of_the_reranker(scores: ScoreStore) -> None:
    assert_same(CachedReranker(Judge(), scores).score(QUERY, []), Judge().score(QUERY, []))


def test_as_many_passages_as_can_be_reranked_at_once(scores: ScoreStore) -> None:
    many = [f"passage {number}" for number in range(10_000)]
    cached = CachedReranker(Judge(), scores)
    cached.score(QUERY, many)
    reading = cached.score(QUERY, many)
    assert (reading.cached, scores.fault) == (10_000, None)
    assert_same(reading, Judge().score(QUERY, many))


@pytest.mark.parametrize("kind", ["logits", "relevance"])
def test_values_come_back_to_the_last_bit(scores: ScoreStore, kind: str) -> None:
    values = np.array([-0.0, 0.0, np.inf, -np.inf, 1e-45, 3.4e38, 1 / 3], dtype=np.float32)
    given = Reading(
        logits=values if kind == "logits" else None,
        relevance=values if kind == "relevance" else None,
        tokens=1,
        seen=np.linspace(0, 1, len(values), dtype=np.float32),
    )
    names = [f"{number}" for number in range(len(values))]
    scores.keep(QUERY, names, MODEL, given)
    known = scores.lookup(QUERY, names, MODEL)
    assert (known.kind, known.values.tobytes()) == (kind, values.tobytes())
    assert known.seen.tobytes() == given.seen.tobytes()


def test_what_a_passage_took_is_known_in_the_mean(scores: ScoreStore) -> None:
    CachedReranker(Judge(), scores).score(QUERY, PASSAGES[:5])
    CachedReranker(Judge(), scores).score(QUERY, PASSAGES)
    known = scores.lookup(QUERY, PASSAGES[:1], MODEL)
    assert known.tokens_each == sum(map(len, PASSAGES)) / len(PASSAGES)


calls = st.lists(
    st.tuples(
        st.sampled_from(["one query", "another"]),
        st.lists(st.sampled_from(PASSAGES), max_size=8),
        st.none() | st.integers(0, 5),
        st.sampled_from(get_args(Stopped)),
    ),
    max_size=8,
)


@relaxed
@given(calls=calls, kind=st.sampled_from(["logits", "relevance"]))
def test_whatever_was_asked_and_failed_before_readings_are_those_without_a_cache(
    tmp_path_factory: pytest.TempPathFactory,
    calls: list[tuple[str, list[str], int | None, Stopped]],
    kind: str,
) -> None:
    """What is known is not lost by failures, what was not read is not known, and the sums are right."""
    read: set[tuple[str, str]] = set()
    with closing(ScoreStore(tmp_path_factory.mktemp("scores") / SCORES_FILE)) as store:
        for query, passages, reach, stopped in calls:
            judge = Judge(kind="logits" if kind == "logits" else "relevance", reach=reach, stopped=stopped)
            unknown = list(dict.fromkeys(text for text in passages if (query, text) not in read))
            now = unknown[:reach]
            if stopped == "failed" and unknown and not now and len(unknown) == len(set(passages)):
                with pytest.raises(RemoteUnavailable, match="the line is dead"):
                    CachedReranker(judge, store).score(query, passages)
                continue
            reading = CachedReranker(judge, store).score(query, passages)
            assert store.fault is None
            assert reading.cached == sum((query, text) in read for text in passages)
            assert reading.tokens == sum(map(len, now))
            assert reading.stopped == (stopped if len(now) < len(unknown) else None)
            assert (reading.reason is None) == (reading.stopped is None)
            read |= {(query, text) for text in now}
            whole = Judge(kind=judge.kind).score(query, passages)
            for row, text in enumerate(passages):
                if (query, text) in read:
                    assert reading.values[row].tobytes() == whole.values[row].tobytes()
                    assert reading.seen[row] == whole.seen[row]
                    assert reading.window(row) == whole.window(row)
                else:
                    assert np.isnan(reading.values[row])
                    assert (reading.seen[row], reading.window(row)) == (0.0, None)


# ── which model ──


@pytest.mark.parametrize("other", [Judge(revision="2"), Judge(name="judge 2")], ids=["revision", "name"])
def test_another_model_never_sees_the_scores_of_this_one(scores: ScoreStore, other: Judge) -> None:
    CachedReranker(Judge(), scores).score(QUERY, PASSAGES)
    reading = CachedReranker(other, scores).score(QUERY, PASSAGES)
    assert reading.cached == 0
    assert_same(reading, other.score(QUERY, PASSAGES))
    assert known_count(scores) == len(PASSAGES)


def test_a_name_that_runs_into_the_revision_is_another_model(scores: ScoreStore) -> None:
    CachedReranker(Judge(name="a", revision="bc"), scores).score(QUERY, PASSAGES)
    assert known_count(scores, QUERY, ModelId("ab", "c")) == 0
    assert known_count(scores, f"c{QUERY}", ModelId("a", "b")) == 0


@pytest.mark.parametrize(
    "changed", [Judge(kind="relevance"), Judge(query_seen=0.5)], ids=["kind", "query_seen"]
)
def test_a_model_that_reads_otherwise_under_the_same_name_takes_nothing_over(
    scores: ScoreStore, changed: Judge
) -> None:
    """Its revision should have changed; where it did not, what was known is forgotten once that shows."""
    CachedReranker(Judge(), scores).score(QUERY, PASSAGES[:4])
    for _ in range(2):
        reading = CachedReranker(changed, scores).score(QUERY, PASSAGES)
        assert_same(reading, changed.score(QUERY, PASSAGES))
    assert reading.cached == len(PASSAGES)


def test_what_was_read_in_vain_counts_among_the_tokens(scores: ScoreStore) -> None:
    """It was paid for, if the model is."""
    CachedReranker(Judge(), scores).score(QUERY, PASSAGES[:4])
    reading = CachedReranker(Judge(kind="relevance"), scores).score(QUERY, PASSAGES)
    assert reading.tokens == sum(map(len, PASSAGES[4:])) + sum(map(len, PASSAGES))


@dataclass
class Late(Judge):
    """Says only when it has read something which model it is."""

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        self.revision = "1"
        return Judge.score(self, query, passages, deadline=deadline)


def test_scores_are_kept_for_the_model_that_read_them(scores: ScoreStore) -> None:
    CachedReranker(Late(revision="not known"), scores).score(QUERY, PASSAGES)
    assert [model.revision for model in scores.describe().models] == ["1"]
    assert CachedReranker(Judge(), scores).score(QUERY, PASSAGES).cached == len(PASSAGES)


def test_a_model_that_reads_otherwise_takes_nothing_over_from_a_file_that_cannot_be_written(
    unprivileged: Unprivileged,
) -> None:
    path = unprivileged.folder / SCORES_FILE
    with closing(ScoreStore(path)) as store:
        CachedReranker(Judge(), store).score(QUERY, PASSAGES[:4])
    changed = Judge(kind="relevance")
    with unprivileged.acting(), closing(ScoreStore(path)) as store:
        assert_same(CachedReranker(changed, store).score(QUERY, PASSAGES), changed.score(QUERY, PASSAGES))


def test_a_model_named_by_half_characters_is_kept_too(scores: ScoreStore) -> None:
    odd = Judge(name="folder\udc80")
    CachedReranker(odd, scores).score(QUERY, PASSAGES)
    assert CachedReranker(odd, scores).score(QUERY, PASSAGES).cached == len(PASSAGES)
    assert [model.name for model in scores.describe().models] == ["folder\\udc80"]
    assert scores.clear("folder\udc80") == len(PASSAGES)


# ── a reranker that fails ──


def test_what_is_known_stands_where_the_rest_cannot_be_had(scores: ScoreStore) -> None:
    CachedReranker(Judge(), scores).score(QUERY, PASSAGES[3:5])
    dead = CachedReranker(Judge(reach=0, stopped="failed"), scores)
    reading = dead.score(QUERY, PASSAGES)
    assert np.flatnonzero(~np.isnan(reading.values)).tolist() == [3, 4]
    assert (reading.stopped, reading.reason, reading.cached) == ("failed", "the line is dead", 2)
    with pytest.raises(RemoteUnavailable):
        dead.score("another query", PASSAGES)


def test_a_refusal_is_raised_whatever_is_known(scores: ScoreStore) -> None:
    CachedReranker(Judge(), scores).score(QUERY, PASSAGES[3:5])
    with pytest.raises(RemoteRefused):
        CachedReranker(Judge(refuses=True), scores).score(QUERY, PASSAGES)


@pytest.mark.parametrize(
    ("tokens", "query_seen"), [(10**30, 1.0), (-1, 1.0), (np.int64(5), 1.0), (5, float("nan"))]
)
def test_a_reading_that_makes_no_sense_costs_the_cache_nothing(
    filled: Path, tokens: int, query_seen: float
) -> None:
    ones = np.ones(1, dtype=np.float32)
    with closing(ScoreStore(filled)) as store:
        store.keep("odd", ["text"], MODEL, Reading(ones, None, tokens, ones, query_seen=query_seen))
        assert (store.fault, known_count(store)) == (None, len(PASSAGES))


# ── what is in the file ──


def test_no_text_is_in_the_file(path: Path) -> None:
    with closing(ScoreStore(path)) as store:
        CachedReranker(Judge(), store).score("a secret question", ["a secret passage"])
    assert b"judge" in path.read_bytes()
    assert b"secret" not in path.read_bytes()


def test_nothing_is_written_before_something_is_kept(scores: ScoreStore, path: Path) -> None:
    assert known_count(scores) == 0
    CachedReranker(Judge(reach=0), scores).score(QUERY, PASSAGES)
    scores.describe()
    assert list(path.parent.iterdir()) == []


def test_a_cache_says_what_it_holds(scores: ScoreStore, path: Path, days: list[int]) -> None:
    fill(path, queries=["one", "two"])
    days.append(20_001)
    fill(path, queries=["three"], judge=Judge(name="another", revision="x"))
    info = scores.describe()
    assert [(m.name, m.revision, m.scores, m.queries, m.last_used) for m in info.models] == [
        ("another", "x", len(PASSAGES), 1, "2024-10-05"),
        ("judge", "1", 2 * len(PASSAGES), 2, "2024-10-04"),
    ]
    assert info.models[1].tokens == 2 * sum(map(len, PASSAGES))
    assert (info.path, info.most_bytes, info.fault, info.set_aside) == (str(path), 256_000_000, None, None)
    assert info.bytes >= path.stat().st_size > 0


def test_a_cache_is_cleared_and_gives_its_room_back(scores: ScoreStore, path: Path) -> None:
    fill(path, queries=[f"{number}" for number in range(200)])
    assert path.stat().st_size > 100_000
    assert scores.clear() == 200 * len(PASSAGES)
    assert scores.describe().models == ()
    assert path.stat().st_size < 50_000
    assert scores.clear() == 0


def test_one_model_is_forgotten_in_all_its_revisions_and_no_other(scores: ScoreStore) -> None:
    for judge in (Judge(), Judge(revision="2"), Judge(name="another")):
        CachedReranker(judge, scores).score(QUERY, PASSAGES)
    assert scores.clear("judge") == 2 * len(PASSAGES)
    assert known_count(scores, QUERY, ModelId("another", "1")) == len(PASSAGES)
    assert known_count(scores) == 0
    with pytest.raises(UnknownModel, match="no scores of `judge`"):
        scores.clear("judge")


def test_a_model_is_not_there_where_there_is_no_cache(scores: ScoreStore, path: Path) -> None:
    with pytest.raises(UnknownModel):
        scores.clear("judge")
    assert (scores.clear(), path.exists()) == (0, False)


# ── the bound ──


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The last of these is today."""
    calendar = [20_000]
    for module in (contents, store_module):
        monkeypatch.setattr(module, "today", lambda: calendar[-1])
    return calendar


def count(path: Path, rows: str) -> int:
    """How many rows a table has, as another process sees it."""
    with closing(sqlite3.connect(path)) as connection:
        (number,) = connection.execute(f"SELECT count(*) FROM {rows}").fetchone()
    return int(number)


def size_of(path: Path) -> int:
    """Bytes of the file once the log has been moved into it."""
    assert not path.with_name(f"{path.name}-wal").exists()
    return path.stat().st_size


def test_beyond_the_bound_the_queries_used_least_recently_are_forgotten(path: Path, days: list[int]) -> None:
    with closing(ScoreStore(path, most_bytes=150_000)) as store:
        cached = CachedReranker(Judge(), store)
        for number in range(100):
            cached.score(f"query {number}", PASSAGES)
        days.append(20_001)
        for number in range(50):
            cached.score(f"query {number}", PASSAGES)
        for number in range(100, 1000):
            cached.score(f"query {number}", PASSAGES)
            if count(path, "queries WHERE used = 20000") < 40:
                break
        forgotten = [old for old in range(number + 1) if known_count(store, f"query {old}") == 0]
        assert 10 < len(forgotten) < 40
        assert forgotten == list(range(50, 50 + len(forgotten)))


def test_the_file_never_grows_beyond_the_bound(path: Path) -> None:
    for part in range(5):
        with closing(ScoreStore(path, most_bytes=100_000)) as store:
            for number in range(100):
                CachedReranker(Judge(), store).score(f"query {part}.{number}", PASSAGES)
                assert (store.fault, known_count(store, f"query {part}.{number}")) == (None, len(PASSAGES))
        assert 60_000 < size_of(path) <= 108_192


def test_a_lower_bound_is_reached_by_and_by(path: Path) -> None:
    fill(path, queries=[f"{number}" for number in range(300)])
    assert path.stat().st_size > 150_000
    with closing(ScoreStore(path, most_bytes=80_000)) as store:
        for number in range(3):
            CachedReranker(Judge(), store).score(f"new {number}", PASSAGES)
        assert known_count(store, "new 2") == len(PASSAGES)
    assert size_of(path) <= 88_000


def test_a_bound_below_anything_keeps_nothing_and_harms_nothing(path: Path) -> None:
    with closing(ScoreStore(path, most_bytes=1)) as store:
        for _ in range(2):
            reading = CachedReranker(Judge(), store).score(QUERY, PASSAGES)
            assert (store.fault, reading.cached) == (None, 0)


def test_use_is_noted_once_a_day(path: Path, days: list[int]) -> None:
    fill(path)
    with closing(ScoreStore(path)) as store, closing(sqlite3.connect(path)) as other:
        for today in (20_000, 20_001, 20_001):
            days.append(today)
            known_count(store)
            ((used,),) = other.execute("SELECT used FROM queries").fetchall()
            assert used == today
        (changes,) = other.execute("PRAGMA data_version").fetchone()
        known_count(store)
        assert other.execute("PRAGMA data_version").fetchone() == (changes,)


# ── others who use it ──


@contextmanager
def another_process(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that has said one line, and ends when its standard input does."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement)
print("held", flush=True)
sys.stdin.read()
"""
TO_ITSELF = ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN IMMEDIATE", "UPDATE queries SET used = 1", "COMMIT")


def test_a_file_that_another_process_has_to_itself_is_done_without(filled: Path) -> None:
    with another_process(HOLD, filled, *TO_ITSELF):
        store = assert_reads_as_ever(filled)
        assert "in use by another process" in str(store.fault)
    with closing(ScoreStore(filled)) as store:
        assert known_count(store) == len(PASSAGES)


def test_while_another_process_writes_it_is_read_and_nothing_is_kept(filled: Path) -> None:
    with (
        closing(ScoreStore(filled)) as store,
        another_process(HOLD, filled, "BEGIN IMMEDIATE", "UPDATE queries SET used = 1"),
    ):
        cached = CachedReranker(Judge(), store)
        assert cached.score(QUERY, PASSAGES).cached == len(PASSAGES)
        assert_same(cached.score("new", PASSAGES), Judge().score("new", PASSAGES))
        assert "in use by another process" in str(store.fault)
        assert "in use" in str(store.describe().fault)
        assert known_count(store, "new") == 0
    with closing(ScoreStore(filled)) as store:
        assert (known_count(store), known_count(store, "new")) == (len(PASSAGES), 0)


def test_after_waiting_in_vain_it_does_not_wait_again_for_a_while(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(ScoreStore(filled)) as store:
        with another_process(HOLD, filled, "BEGIN IMMEDIATE", "UPDATE queries SET used = 1"):
            CachedReranker(Judge(), store).score("first", PASSAGES)
        CachedReranker(Judge(), store).score("second", PASSAGES)
        assert known_count(store, "second") == 0
        monkeypatch.setattr(store, "_not_before", 0.0)
        CachedReranker(Judge(), store).score("third", PASSAGES)
        assert known_count(store, "third") == len(PASSAGES)


def test_clearing_says_that_another_process_is_writing(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "USER_PATIENCE", 0.01)
    with (
        closing(ScoreStore(filled)) as store,
        another_process(HOLD, filled, "BEGIN IMMEDIATE", "UPDATE queries SET used = 1"),
        pytest.raises(StoreBusy, match="in use by another process"),
    ):
        store.clear()


def filling(path: Path, first: int, last: int) -> subprocess.Popen[str]:
    """A process that keeps what it reads for the queries with these numbers, and prints each."""
    command = [sys.executable, score_samples.__file__, str(path), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def assert_whole(path: Path, numbers: Sequence[int]) -> None:
    """The file is sound, and holds all scores of those queries."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with closing(ScoreStore(path)) as store:
        for number in numbers:
            query = f"query {number}"
            reading = CachedReranker(Judge(refuses=True), store).score(query, PASSAGES)
            assert_same(reading, Judge().score(query, PASSAGES))


def test_two_processes_write_at_once_and_lose_nothing_that_was_kept(filled: Path) -> None:
    with filling(filled, 0, 150) as one, filling(filled, 100, 250) as other:
        kept = [int(line) for line in (*one.communicate()[0].split(), *other.communicate()[0].split())]
    assert len(kept) > 200
    assert_whole(filled, kept)


def test_two_processes_make_the_file_at_once(path: Path) -> None:
    with filling(path, 0, 40) as one, filling(path, 40, 80) as other:
        kept = [int(line) for line in (*one.communicate()[0].split(), *other.communicate()[0].split())]
    assert kept
    assert_whole(path, kept)


@pytest.mark.parametrize("lines", [1, 7, 40])
def test_a_process_killed_while_writing_leaves_what_it_had_kept(path: Path, lines: int) -> None:
    with filling(path, 0, 100_000) as process:
        assert process.stdout is not None
        kept = [int(process.stdout.readline()) for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        kept += [int(line) for line in process.stdout.read().split()]
    assert process.returncode == -signal.SIGKILL
    assert_whole(path, kept)


def test_threads_share_a_store(scores: ScoreStore) -> None:
    cached, failures = CachedReranker(Judge(), scores), []

    def ask(first: int) -> None:
        for number in range(40):
            query = f"query {(first + number) % 40}"
            try:
                assert_same(cached.score(query, PASSAGES), Judge().score(query, PASSAGES))
            except AssertionError as failure:
                failures.append(failure)

    threads = [threading.Thread(target=ask, args=(10 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, scores.fault) == ([], None)
    assert known_count(scores, "query 39") == len(PASSAGES)


FORK = """
import os, sys, threading
from pathlib import Path
from score_samples import PASSAGES, Judge
from vai.scores import CachedReranker, ScoreStore
store = ScoreStore(Path(sys.argv[1]))
cached = CachedReranker(Judge(), store)
cached.score("query 0", PASSAGES)
store._file._lock.acquire()  # as a thread of the parent would have it that is not there in the child
child = os.fork()
if child == 0:
    known = cached.score("query 0", PASSAGES).cached
    cached.score("query 1", PASSAGES)
    store.close()
    os._exit(0 if known == len(PASSAGES) and store.fault is None else 1)
store._file._lock.release()
_, status = os.waitpid(child, 0)
cached.score("query 2", PASSAGES)
print(os.waitstatus_to_exitcode(status), store.fault)
store.close()
"""


def test_a_forked_process_opens_the_file_for_itself(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    assert (done.stdout, done.stderr) == ("0 None\n", "")
    assert_whole(path, [0, 1, 2])


def test_a_file_that_was_replaced_or_removed_is_opened_anew(filled: Path) -> None:
    with closing(ScoreStore(filled)) as store:
        assert known_count(store) == len(PASSAGES)
        filled.rename(filled.with_name("elsewhere"))
        assert (known_count(store), store.fault) == (0, None)
        fill(filled, queries=["new"])
        assert known_count(store, "new") == len(PASSAGES)
        filled.unlink()
        for suffix in ("-wal", "-shm"):
            filled.with_name(filled.name + suffix).unlink(missing_ok=True)
        CachedReranker(Judge(), store).score(QUERY, PASSAGES)
        assert known_count(store) == len(PASSAGES)


# ── a file that cannot be used ──


def test_where_nothing_may_be_written_it_is_read(unprivileged: Unprivileged) -> None:
    path = unprivileged.folder / SCORES_FILE
    fill(path)
    with unprivileged.acting(), closing(ScoreStore(path)) as store:
        cached = CachedReranker(Judge(), store)
        for _ in range(2):
            assert cached.score(QUERY, PASSAGES).cached == len(PASSAGES)
            assert_same(cached.score("new", PASSAGES), Judge().score("new", PASSAGES))
            assert "cannot be written to" in str(store.fault)
        info = store.describe()
        assert [model.scores for model in info.models] == [len(PASSAGES)]
        assert "cannot be written to" in str(info.fault)
        with pytest.raises(StoreReadOnly):
            store.clear()
    assert_whole(path, [])


def test_a_reader_who_may_not_write_sees_what_was_kept_since(unprivileged: Unprivileged) -> None:
    path = unprivileged.folder / SCORES_FILE
    fill(path)
    with closing(ScoreStore(path)) as store:
        with unprivileged.acting():
            assert known_count(store, "new") == 0
        fill(path, queries=["new"])
        with unprivileged.acting():
            assert known_count(store, "new") == len(PASSAGES)


def test_where_nothing_may_be_written_what_was_not_finished_is_done_without(
    unprivileged: Unprivileged,
) -> None:
    """What a killed process has kept lies in a log that cannot be read without the right to write."""
    live, path = unprivileged.folder / "live", unprivileged.folder / "copy"
    live.mkdir()
    fill(live / SCORES_FILE)
    with closing(ScoreStore(live / SCORES_FILE)) as store:
        CachedReranker(Judge(), store).score("new", PASSAGES)
        shutil.copytree(live, path)
    (path / f"{SCORES_FILE}-shm").unlink()
    with unprivileged.acting():
        assert assert_reads_as_ever(path / SCORES_FILE).fault is not None
    assert_whole(path / SCORES_FILE, [])


@pytest.mark.parametrize("there", [True, False], ids=["unreadable", "not there"])
def test_what_may_not_be_read_or_made_is_done_without(unprivileged: Unprivileged, there: bool) -> None:
    path = unprivileged.folder / SCORES_FILE
    if there:
        fill(path)
    with unprivileged.acting(unreadable=path if there else None):
        assert "cannot be opened" in str(assert_reads_as_ever(path).fault)


def test_without_the_folder_nothing_is_kept(tmp_path: Path) -> None:
    assert "cannot be opened" in str(assert_reads_as_ever(tmp_path / "none" / SCORES_FILE).fault)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("size", [0, 4096, 20_000, 60_000])
def test_where_no_room_is_left_nothing_is_kept(filled: Path, size: int) -> None:
    with largest_file(size), closing(ScoreStore(filled)) as store:
        for number in range(100):
            query = f"query {number}"
            assert_same(CachedReranker(Judge(), store).score(query, PASSAGES), Judge().score(query, PASSAGES))
        assert store.fault is not None
    with closing(ScoreStore(filled)) as store:
        assert known_count(store) == len(PASSAGES)
    assert_whole(filled, [])


def garbage(path: Path) -> None:
    path.write_bytes(b"no database, but some other file " * 500)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def other_tables(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE scores (song TEXT)")


def without_a_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE scores")


def with_another_column(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"number INTEGER PRIMARY KEY", b"numbed INTEGER PRIMARY KEY"))


def with_a_name_that_is_no_text(path: Path) -> None:
    """What SQLite says of it quotes it, and cannot be decoded."""
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE models", b"CREATE \xff\xa1BLE models"))


@pytest.mark.parametrize(
    "damage",
    [
        garbage,
        cut_short,
        other_tables,
        without_a_table,
        with_another_column,
        with_a_name_that_is_no_text,
    ],
)
def test_a_damaged_file_is_set_aside_and_begun_anew(filled: Path, damage: object) -> None:
    assert callable(damage)
    damage(filled)
    damaged = filled.read_bytes()
    assert_reads_as_ever(filled)
    with closing(ScoreStore(filled)) as store:
        assert (known_count(store), store.fault) == (len(PASSAGES), None)
        aside = store.describe().set_aside
        assert aside == f"{filled}.damaged"
        assert Path(aside).read_bytes() == damaged
        store.clear()
        assert not Path(aside).exists()


def test_a_damaged_file_is_cleared(filled: Path) -> None:
    garbage(filled)
    with closing(ScoreStore(filled)) as store:
        assert "is damaged" in str(store.describe().fault)
        assert store.clear() == 0
        assert store.describe().fault is None
    assert sorted(path.name for path in filled.parent.iterdir()) == [SCORES_FILE]


def test_damage_that_is_met_while_others_use_the_new_file_leaves_it_alone(filled: Path) -> None:
    garbage(filled)
    with closing(ScoreStore(filled)) as late:
        assert known_count(late) == 0
        assert_reads_as_ever(filled)
        CachedReranker(Judge(), late).score("late", PASSAGES)
        assert known_count(late) == known_count(late, "late") == len(PASSAGES)


def test_a_damaged_file_that_may_not_be_replaced_is_done_without(unprivileged: Unprivileged) -> None:
    path = unprivileged.folder / SCORES_FILE
    fill(path)
    garbage(path)
    with unprivileged.acting():
        assert assert_reads_as_ever(path).fault is not None
    assert path.read_bytes().startswith(b"no database")


def test_a_folder_of_that_name_is_done_without(path: Path) -> None:
    path.mkdir()
    assert assert_reads_as_ever(path).fault is not None


def test_an_empty_file_is_filled(path: Path) -> None:
    path.touch()
    assert assert_reads_as_ever(path).fault is None
    assert_whole(path, [])


def set_version(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


def test_a_file_of_a_later_version_is_left_alone(filled: Path) -> None:
    set_version(filled, 99)
    before = filled.read_bytes()
    assert "format 99" in str(assert_reads_as_ever(filled).fault)
    with closing(ScoreStore(filled)) as store:
        assert "format 99" in str(store.describe().fault)
        with pytest.raises(StoreTooNew):
            store.clear()
    assert filled.read_bytes() == before


def test_a_file_of_an_earlier_version_is_begun_anew(filled: Path) -> None:
    set_version(filled, 0)
    assert assert_reads_as_ever(filled).fault is None
    with closing(ScoreStore(filled)) as store:
        assert known_count(store) == len(PASSAGES)
        assert store.describe().set_aside is None


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that knows all passages for some queries."""
    path = tmp_path_factory.mktemp("sound") / SCORES_FILE
    fill(path, queries=[QUERY, "another", "third"])
    return path


@settings(relaxed, max_examples=100)
@given(flips=st.lists(st.tuples(st.integers(0, 2**20), st.integers(1, 255)), min_size=1, max_size=20))
def test_whatever_bytes_are_damaged_no_reading_is_another(
    sound: Path, tmp_path: Path, flips: list[tuple[int, int]]
) -> None:
    content = bytearray(sound.read_bytes())
    for offset, bits in flips:
        content[offset % len(content)] ^= bits
    for path in tmp_path.iterdir():
        path.unlink()
    path = tmp_path / SCORES_FILE
    path.write_bytes(content)
    for _ in range(2):
        with closing(ScoreStore(path)) as store:
            for query in (QUERY, "another", "third"):
                reading = CachedReranker(Judge(), store).score(query, PASSAGES)
                assert_same(reading, Judge().score(query, PASSAGES))
            store.describe()


def test_every_bit_of_a_score_is_guarded(filled: Path) -> None:
    """Also the number that says which query it belongs to."""
    fill(filled, queries=["another"])
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        (one,), (other,) = connection.execute("SELECT number FROM queries ORDER BY number").fetchall()
        connection.execute("DELETE FROM scores WHERE query = ?", (one,))
        connection.execute("UPDATE scores SET query = ? WHERE query = ?", (one, other))
    with closing(ScoreStore(filled)) as store:
        assert known_count(store) == 0
    assert assert_reads_as_ever(filled).fault is None
    with closing(ScoreStore(filled)) as store:
        assert known_count(store) == len(PASSAGES)


@pytest.mark.parametrize(
    "column", ["kind = 'distance'", "kind = 'relevance'", "query_seen = 0.5", "tokens = 'x'", "used = 'x'"]
)
def test_a_query_whose_description_is_damaged_is_read_again(filled: Path, column: str) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute(f"UPDATE queries SET {column}")
    assert assert_reads_as_ever(filled).fault is None
    with closing(ScoreStore(filled)) as store:
        assert (known_count(store), store.describe().set_aside) == (len(PASSAGES), None)


def test_a_store_that_is_forgotten_lets_go_of_its_file(filled: Path) -> None:
    known_count(ScoreStore(filled))
    assert not os.path.lexists(filled.with_name(f"{filled.name}-wal"))
