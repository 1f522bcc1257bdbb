"""TREC's judgements with their topics, and runs that `trec_eval` reads in our order."""

from __future__ import annotations

import ctypes
import gzip
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from command_line import written
from vai.errors import InvalidSettings, PathNotFound
from vai.evaluation.data import contents
from vai.evaluation.data.testsets import read_test_set
from vai.evaluation.data.trec import Run, decoded_id, encoded_id, read_run, write_run

QRELS = "301 0 FBIS3-1 1\n301\t0  FBIS3-2   0\r\n\n302 Q0 LA-9 2\n"
CLASSIC = """<top>

<num> Number: 301
<title> International Organized
 Crime

<desc> Description:
Identify organizations.

<narr> Narrative:
A relevant document must.

</top>
<top>
<num> Number: 302
<title> R&D of a < b
<desc> Description:
Is it?
</top>
<top>
<num> Number: 303
<title>
</top>
"""
CLOSED = """<?xml version="1.0"?>
<topics>
<top><num>301</num><title>International Organized Crime</title><desc>Identify.</desc></top>
<TOP><NUM>302</NUM><TITLE>Topic: R&amp;D of a &lt; b</TITLE></TOP>
</topics>
"""
LINES = "301\tInternational Organized Crime\r\n\n302\tR&D of a < b\n999\t\n"
OBJECTS = (
    '{"_id": "301", "text": "International Organized Crime"}\n{"_id": "302", "text": "R&D of a < b"}\n'
    '{"_id": "999", "text": "not judged"}\n'
)
ASKED = {"301": "International Organized Crime", "302": "R&D of a < b"}
GRADES = {"301": {"FBIS3-1": 1, "FBIS3-2": 0}, "302": {"LA-9": 2}}


def complaint(path: Path, topics: Path | None = None) -> str:
    """What is said of something that is no test set: one sentence, with a hint behind it."""
    with pytest.raises(InvalidSettings) as raised:
        read_test_set(path, topics=topics)
    assert not raised.value.message.endswith(".")
    assert "\n" not in raised.value.message
    return f"{raised.value.message} | {raised.value.hint}"


# ── judgements and topics ──


@pytest.mark.parametrize("topics", [CLASSIC, CLOSED, LINES, OBJECTS])
@pytest.mark.parametrize("name", ["robust.qrels", "judgements", "set.jsonl"])
def test_judgements_are_told_by_what_is_in_them_and_joined_with_their_topics(
    tmp_path: Path, topics: str, name: str
) -> None:
    written(tmp_path, {name: QRELS, "asked": topics})
    found = read_test_set(tmp_path / name, topics=tmp_path / "asked")
    assert (found.name, found.queries, found.grades) == (Path(name).stem, ASKED, GRADES)
    assert not found.own_documents


def test_a_folder_can_hold_both(tmp_path: Path) -> None:
    folder = written(tmp_path / "robust", {"qrels.robust.txt": QRELS, "topics.301-302": CLASSIC, "notes": ""})
    found = read_test_set(folder)
    assert (found.name, found.queries, found.grades) == ("robust", ASKED, GRADES)
    written(folder, {"topics.other": CLASSIC})
    assert "qrels* 1, topics* 2 | name the file of judgements, and its questions with `--topics" in complaint(
        folder
    )
    assert read_test_set(folder, topics=folder / "topics.other").queries == ASKED


def test_a_folder_in_beirs_layout_stays_one_whatever_else_lies_in_it(tmp_path: Path) -> None:
    folder = written(tmp_path / "set", {"queries.jsonl": OBJECTS, "qrels.txt": QRELS, "topics": CLASSIC})
    written(folder / "qrels", {"test.tsv": "302\tLA-9\t1\n"})
    assert read_test_set(folder).grades == {"302": {"LA-9": 1}}


def test_beirs_judgements_can_be_given_with_topics_too(tmp_path: Path) -> None:
    written(tmp_path, {"test.tsv": "query-id\tcorpus-id\tscore\n301\ta b\t1\n", "topics": LINES})
    found = read_test_set(tmp_path / "test.tsv", topics=tmp_path / "topics")
    assert found.grades == {"301": {"a b": 1}}


def test_packed_files_are_read_as_what_they_hold(tmp_path: Path) -> None:
    packed = {
        name: gzip.compress(text.encode())
        for name, text in {"qrels.gz": QRELS, "topics.gz": CLASSIC, "run.gz": "q Q0 d 1 2.5 tag\n"}.items()
    }
    written(tmp_path, packed)
    assert read_test_set(tmp_path / "qrels.gz", topics=tmp_path / "topics.gz").queries == ASKED
    assert read_test_set(tmp_path).grades == GRADES
    assert read_run(tmp_path / "run.gz").rankings == {"q": [("d", 2.5)]}


def test_a_packed_file_that_is_damaged_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gzip.compress(QRELS.encode())
    written(tmp_path, {"cut.gz": whole[:-9], "wrong.gz": whole[:-8] + bytes(8), "large.gz": whole})
    assert "cannot be unpacked" in complaint(tmp_path / "cut.gz")
    assert "cannot be unpacked" in complaint(tmp_path / "wrong.gz")
    monkeypatch.setattr(contents, "LARGEST_FILE", 40)
    assert "is larger than 40 bytes" in complaint(tmp_path / "large.gz")


def test_judgements_without_topics_say_how_to_name_them(tmp_path: Path) -> None:
    written(tmp_path, {"qrels.txt": QRELS})
    assert "holds judgements and no questions | add `--topics PATH`" in complaint(tmp_path / "qrels.txt")


def test_topics_do_not_go_with_what_has_its_own_questions(tmp_path: Path) -> None:
    topics = written(tmp_path, {"topics": LINES}) / "topics"
    folder = written(tmp_path / "set", {"queries.jsonl": OBJECTS})
    assert "is in BEIR's layout" in complaint(folder, topics)
    written(tmp_path, {"set.jsonl": '{"query": "why?", "relevant": []}\n'})
    assert "holds no judgements in TREC's form" in complaint(tmp_path / "set.jsonl", topics)


def test_topics_of_the_first_years_are_judged_under_their_numbers_without_zeros(tmp_path: Path) -> None:
    written(tmp_path, {"qrels": "51 0 d 1\n", "topics": "<top>\n<num> Number: 051\n<title> Topic: Airbus\n"})
    assert read_test_set(tmp_path / "qrels", topics=tmp_path / "topics").queries == {"51": "Airbus"}


@pytest.mark.parametrize(
    ("qrels", "topics", "said"),
    [
        ("1 0 d 1\n1 0 d2\n", "1\ta\n", "line 2 of `qrels` does not have four columns: 3"),
        ("1 0 d 1\n1 0 d2 yes\n", "1\ta\n", "line 2 of `qrels` has a grade that is no whole number: yes"),
        ("1 0 d 1\n1 0 d 2\n", "1\ta\n", "line 2 of `qrels` judges `d` otherwise than an earlier one: 2"),
        (
            "1 0 d 1\n2 0 d 1\n3 0 d 0\n",
            "1\ta\n",
            "2 of 3 questions judged in `qrels` are not in `topics`: 2",
        ),
        ("1 0 d 1\n", "1\ta\nnothing\n", "line 2 of `topics` is no question: nothing"),
        ("1 0 d 1\n", "1\ta\n1\tb\n", "`topics` has two questions of one id: 1"),
        ("1 0 d 1\n", "\n", "`topics` holds no question"),
        ("1 0 d 1\n", "<topics></topics>", "`topics` holds no question"),
        ("1 0 d 1\n", "<top><num> 1 <desc> b </top>", "question 1 of `topics`: the query is empty"),
        ("1 0 d 1\n", '{"_id": "1"}\n', "line 1 of `topics` has no question: it has no field `text`"),
        ("1 0 d 1\n", "1\t\0", "`topics` is binary"),
        ("1 0 d 1\n1 0 \xe9 1\n", "1\ta\n", "`qrels` is not UTF-8: invalid byte 0xe9"),
    ],
)
def test_what_is_wrong_with_judgements_or_topics_is_named(
    tmp_path: Path, qrels: str, topics: str, said: str
) -> None:
    written(tmp_path, {"qrels": qrels.encode("latin-1"), "topics": topics})
    assert said in complaint(tmp_path / "qrels", tmp_path / "topics")


def test_the_same_judgement_twice_is_one(tmp_path: Path) -> None:
    written(tmp_path, {"qrels": "1 0 d 1\n1 0 d 1\n", "topics": "1\ta\n"})
    assert read_test_set(tmp_path).grades == {"1": {"d": 1}}


def test_topics_that_are_not_there_are_a_path_that_is_not_found(tmp_path: Path) -> None:
    written(tmp_path, {"qrels": QRELS})
    with pytest.raises(PathNotFound, match="there is no file of topics at"):
        read_test_set(tmp_path / "qrels", topics=tmp_path / "topics")


# ── runs ──


def as_float32(score: float) -> float:
    """What C makes of a double, independent of the code under test."""
    return ctypes.c_float(score).value


def as_trec_eval_orders(path: Path) -> dict[str, list[str]]:
    """The ids as they stand in a file, in the order of `trec_eval`: its comparison is of float and strcmp."""
    rankings: dict[str, list[tuple[float, bytes]]] = {}
    for line in path.read_bytes().splitlines():
        query, _, document, _, score, _ = line.split(b" ")
        rankings.setdefault(query.decode(), []).append((as_float32(float(score)), document))
    return {
        query: [document.decode() for _, document in sorted(ranking, reverse=True)]
        for query, ranking in rankings.items()
    }


NAMES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    st.text(list("a %025C\u00a0\u2003\n\t\x1cA"), min_size=1, max_size=12),
)
SCORES = st.one_of(st.none(), st.floats(-2, 2, width=32), st.floats(), st.sampled_from([0.5, 0.5 + 1e-9]))
RANKINGS = st.dictionaries(
    NAMES,
    st.lists(st.tuples(NAMES, SCORES), min_size=1, max_size=8, unique_by=lambda item: item[0]),
    max_size=3,
)


@given(NAMES, RANKINGS.filter(bool))
def test_a_run_comes_back_as_it_was_written_and_trec_eval_sees_its_order(
    name: str, rankings: dict[str, list[tuple[str, float | None]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        write_run(Run(name, rankings), path)
        back = read_run(path)
        seen = as_trec_eval_orders(path)
        again = Path(folder) / "again"
        write_run(back, again)
        assert again.read_bytes() == path.read_bytes()
    assert back.name == name
    assert units(back.rankings) == units(rankings)
    assert {decoded_id(query): [*map(decoded_id, ids)] for query, ids in seen.items()} == units(rankings)


def units(rankings: object) -> dict[str, list[str]]:
    """The ids of a run's rankings."""
    assert isinstance(rankings, dict)
    return {query: [unit for unit, _ in ranking] for query, ranking in rankings.items()}


@given(NAMES)
@example("100%25 sure")
@example("a%20b")
@example("a%2520b")
@example("%25C2%A0")
@example("\u00a0%C2%A0")
def test_an_id_holds_no_white_space_in_a_file_and_comes_back(name: str) -> None:
    assert not any(character.isspace() for character in encoded_id(name))
    assert decoded_id(encoded_id(name)) == name


@pytest.mark.parametrize(
    ("name", "as_written"),
    [
        ("docs/plain.md#3", "docs/plain.md#3"),
        ("50%-off/%41", "50%-off/%41"),
        ("my notes/a.md", "my%20notes/a.md"),
        ("100%25 sure", "100%2525%20sure"),
        ("a%20b", "a%2520b"),
        ("line\nend", "line%0Aend"),
    ],
)
def test_only_white_space_and_what_looks_like_it_is_encoded(name: str, as_written: str) -> None:
    assert encoded_id(name) == as_written


def written_scores(tmp_path: Path, scores: Sequence[float | None]) -> list[float]:
    """What is written for these scores of one question's units."""
    write_run(Run("run", {"q": [(f"d{rank}", score) for rank, score in enumerate(scores)]}), tmp_path / "run")
    return [float(line.split()[4]) for line in (tmp_path / "run").read_text().splitlines()]


def test_scores_that_fall_are_written_as_they_are(tmp_path: Path) -> None:
    scores = [0.9, 0.1 + 0.2, 0.1, -3.25, -1e30]
    assert written_scores(tmp_path, scores) == scores


def test_scores_that_do_not_fall_are_written_just_below_the_one_before(tmp_path: Path) -> None:
    scores = [0.5, 0.5, 0.5 - 1e-12, 0.75, None, 0.25, math.nan, math.inf, None]
    found = written_scores(tmp_path, scores)
    as_read = [as_float32(score) for score in found]
    assert as_read == sorted(set(as_read), reverse=True)
    assert found[0] == 0.5
    assert found[5] == 0.25
    assert all(abs(score - 0.5) < 1e-6 for score in found[:5])
    assert all(abs(score - 0.25) < 1e-6 for score in found[5:])
    assert written_scores(tmp_path, [None, None])[0] == 1.0


def test_the_six_columns_are_those_of_trec(tmp_path: Path) -> None:
    write_run(
        Run("stage 1", {"q 1": [("d1", 2.5), ("a b", 1.0)], "q2": [], "q3": [("d", None)]}), tmp_path / "run"
    )
    assert (tmp_path / "run").read_text() == (
        "q%201 Q0 d1 1 2.5 stage%201\nq%201 Q0 a%20b 2 1.0 stage%201\nq3 Q0 d 1 1.0 stage%201\n"
    )


def test_a_run_is_read_by_score_then_by_id_and_not_by_rank(tmp_path: Path) -> None:
    lines = [
        "q Q0 a 1 1 t",
        "q\tQ0 c 9 2e0  t",
        "",
        "r 0 x 1 -1 t\r",
        "q Q0 b 7 1.00000001 t",
        "q Q0 d 7 0 u",
    ]
    written(tmp_path, {"run": "\ufeff" + "\n".join(lines)})
    run = read_run(tmp_path / "run")
    assert run.name == "t"
    assert run.rankings == {"q": [("c", 2.0), ("b", 1.00000001), ("a", 1.0), ("d", 0.0)], "r": [("x", -1.0)]}


def test_scores_beyond_float32_are_equal(tmp_path: Path) -> None:
    written(tmp_path, {"run": "q Q0 a 1 1e300 t\nq Q0 b 1 1e200 t\n"})
    assert [unit for unit, _ in read_run(tmp_path / "run").rankings["q"]] == ["b", "a"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("q Q0 a 1 1 t\nq Q0 b 2 0.5\n", "line 2 of `run` does not have six columns: 5"),
        ("q Q0 a 1 1 t\n\nq Q0 a 2 0.5 t\n", "line 3 of `run` ranks `a` a second time for the question `q`"),
        ("q Q0 a%20b 1 1 t\nq Q0 a%20b 2 1 t", "line 2 of `run` ranks `a b` a second time"),
        ("q Q0 a 1 high t\n", "line 1 of `run` has a score that is no number: high"),
        ("q Q0 a 1 nan t\n", "line 1 of `run` has a score that is no number: nan"),
        ("q Q0 \xe9 1 1 t\n", "line 1 of `run` is not UTF-8"),
        ("\n", "holds no ranking"),
    ],
)
def test_what_is_wrong_with_a_run_is_named(tmp_path: Path, lines: str, said: str) -> None:
    written(tmp_path, {"run": lines.encode("latin-1")})
    with pytest.raises(InvalidSettings) as raised:
        read_run(tmp_path / "run")
    assert said in raised.value.message


def test_a_run_that_is_not_there_or_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound, match="there is no run at"):
        read_run(tmp_path / "run")
    with pytest.raises(InvalidSettings, match="run` cannot be written: no such file or directory"):
        write_run(Run("run", {}), tmp_path / "no folder" / "run")
