"""`vai eval`: what each stage is worth on the user's own questions."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import OVERLAP, complaint, vai, written
from evaluation_samples import passage, question
from json_contract import check
from vai.cli.progress import steps

ASKED = 12
METRICS = ("--metrics", "ndcg@10,recall@5,map")


@pytest.fixture
def asking(project: Path) -> tuple[str, ...]:
    """What asks a question of each of the first of 16 files in `notes`, which are ingested.

    The file after the one that answers is half an answer, so that something is missed.
    """
    written(project / "notes", {f"n{topic:02}.txt": passage(topic) for topic in range(16)})
    assert vai("ingest", "notes", "--embedder", "hashing").exit_code == 0
    records = [
        {
            "id": f"q{topic}",
            "query": question(topic),
            "relevant": {f"notes/n{topic:02}.txt": 2, f"notes/n{topic + 1:02}.txt": 1},
        }
        for topic in range(ASKED)
    ]
    lines(project / "questions.jsonl", records)
    return "eval", "--test-set", "questions.jsonl", *OVERLAP


def lines(path: Path, records: Iterable[object]) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def corpus(path: Path) -> Path:
    """A corpus of 16 texts with its questions, in BEIR's layout."""
    texts = [{"_id": f"d{topic}", "text": passage(topic)} for topic in range(16)]
    asked = [{"_id": f"q{topic}", "text": question(topic)} for topic in range(ASKED)]
    qrels = ["query-id\tcorpus-id\tscore", *(f"q{topic}\td{topic}\t1" for topic in range(ASKED))]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("corpus.jsonl", "".join(f"{json.dumps(record)}\n" for record in texts))
        archive.writestr("queries.jsonl", "".join(f"{json.dumps(record)}\n" for record in asked))
        archive.writestr("qrels/test.tsv", "\n".join(qrels) + "\n")
    return path


# ── what is shown ──


def test_runs_are_laid_side_by_side_with_what_is_gained_and_what_is_lost(
    asking: tuple[str, ...], snapshot: SnapshotAssertion
) -> None:
    assert vai(*asking, "--limit", "5", "-k", "1", *METRICS).masked() == snapshot


def test_every_miss_is_explained_where_that_is_asked_for(
    asking: tuple[str, ...], snapshot: SnapshotAssertion
) -> None:
    outcome = vai(*asking, "--limit", "5", "-k", "1", *METRICS, "--explain", "-q")
    assert outcome.stderr == ""
    assert outcome.stdout.partition("nothing\n\n")[2] == snapshot


def test_a_question_is_shown_beside_an_id_longer_than_a_line(asking: tuple[str, ...], project: Path) -> None:
    missed = {"id": "q" * 200, "query": question(0), "relevant": ["notes/n15.txt"]}
    lines(project / "questions.jsonl", [missed])
    outcome = vai(*asking, "--limit", "5", "-k", "1", *METRICS, "--explain", "-q")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert f"  {'q' * 200}  " in outcome.stdout


def test_a_narrow_terminal_has_the_columns_below_each_other(
    asking: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    shown = vai(*asking, "--metrics", "ndcg@10,mrr@10,recall@5,map", "-q").stdout
    assert max(map(len, shown.partition("against")[0].splitlines()[1:])) <= 50
    assert [line.split() for line in shown.splitlines()[2:7:4]] == [
        ["ndcg@10", "mrr@10", "recall@5"],
        ["map"],
    ]


def test_the_default_metrics_fit_on_a_page(asking: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    shown = vai(*asking, "-q").stdout.splitlines()
    assert shown[2].split() == [
        *("ndcg@10", "mrr@10", "recall@10", "recall@20", "map", "precision@5", "judged@10"),
    ]
    assert max(map(len, shown)) <= 110


def test_json_holds_all_that_was_measured_and_nothing_else_is_printed(asking: tuple[str, ...]) -> None:
    outcome = vai(*asking, "--limit", "5", "-k", "1", *METRICS, "--explain", "--json", "-q")
    found = outcome.json
    check(found)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert [run["name"] for run in found["runs"]] == ["stage1", "reranked"]
    assert list(found["runs"][0]["metrics"]) == ["ndcg@10", "recall@5", "map"]
    assert (found["corpus"], found["collection"], found["queries"], found["unit"]) == (
        *("questions", "default", ASKED, "document"),
    )


def test_without_stage_2_there_is_one_run_and_no_difference(asking: tuple[str, ...]) -> None:
    outcome = vai("eval", "--test-set", "questions.jsonl", "--no-rerank", *METRICS, "-q")
    assert outcome.exit_code == 0
    assert "stage1 *" in outcome.stdout
    assert "against" not in outcome.stdout
    assert "reranked" not in outcome.stdout


def test_settings_are_compared_and_one_of_them_is_the_baseline(asking: tuple[str, ...]) -> None:
    flags = ("--compare", "stage1=words", "--compare", "limit=10 blend=0.5", "--blend", "0.2")
    found = vai(*asking, *flags, "--baseline", "limit=10 blend=.5", *METRICS, "--json").json
    assert [run["name"] for run in found["runs"]] == [
        *("limit=10 blend=0.5", "stage1", "reranked", "blended", "stage1=words"),
    ]
    assert found["in_force"] == "blended"
    assert [run["against"] is None for run in found["runs"]] == [True, False, False, False, False]


def test_flags_mean_what_they_mean_for_queries(asking: tuple[str, ...]) -> None:
    flags = (
        "--stage1",
        "words",
        "--limit",
        "7",
        "--num-candidates",
        "9",
        "--min-relevance",
        "0.2",
        "--exact",
    )
    found = vai(*asking, *flags, "--filter", "path~notes/*", *METRICS, "--json").json
    assert list(found["runs"][-1]["settings"].items()) == [
        *(("stage1", "words"), ("fusion", None), ("words_weight", None), ("limit", 7), ("num_candidates", 9)),
        *(("rerank_model", "word-overlap"), ("blend", 0.0), ("min_relevance", 0.2)),
    ]


def test_no_difference_is_certain_with_a_few_questions(asking: tuple[str, ...], project: Path) -> None:
    records = [json.loads(line) for line in (project / "questions.jsonl").read_text().splitlines()]
    lines(project / "few.jsonl", records[:5])
    harmful = ("--min-relevance", "1", "--compare", "stage1=words")
    few = vai("eval", "--test-set", "few.jsonl", *OVERLAP, *harmful).stdout
    assert "with fewer than 6 questions no difference is certain" in few
    assert "▼" not in few
    lines(project / "few.jsonl", records[:6])
    assert "▼" in vai("eval", "--test-set", "few.jsonl", *OVERLAP, *harmful).stdout


def test_the_least_relevance_is_named_where_it_may_do_the_harm(asking: tuple[str, ...]) -> None:
    assert (
        "stage 2, with a `min_relevance` of 1, does harm here" in vai(*asking, "--min-relevance", "1").stdout
    )


def test_bars_are_drawn_on_standard_error_and_only_where_somebody_looks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # so that rich takes what captures it for a terminal
    with steps(shown=True) as progress:
        assert progress is not None
        for step in ("embed", "read", "something new"):
            progress(step, 1, 2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "reading the candidates" in shown.err
    assert "something new" in shown.err
    assert "searching" not in shown.err
    with steps(shown=False) as progress:
        assert progress is None


# ── files ──


def test_runs_are_written_and_read_again_beside_ours(asking: tuple[str, ...], project: Path) -> None:
    first = vai(*asking, "--blend", "0.5", *METRICS, "--write-runs", "runs", "--json")
    assert sorted(path.name for path in (project / "runs").iterdir()) == [
        *("blended.run", "reranked.run", "stage1.run"),
    ]
    assert "`blended` was written to `runs/blended.run`" in first.stderr
    again = vai(*asking, "--blend", "0.5", *METRICS, "--run", "runs/blended.run", "--json").json
    assert again["runs"][3]["name"] == "runs/blended.run"
    assert again["runs"][3]["metrics"] == first.json["runs"][2]["metrics"]
    assert again["runs"][3]["latency_ms"] is None


def test_files_of_runs_have_names_that_every_system_takes(asking: tuple[str, ...], project: Path) -> None:
    outcome = vai(*asking, *METRICS, "--compare", "limit=5 stage1=vector", "--write-runs", "runs", "-q")
    assert outcome.exit_code == 0
    assert (project / "runs" / "stage1=vector_limit=5.run").is_file()


def test_every_question_has_a_line_with_its_metrics(asking: tuple[str, ...], project: Path) -> None:
    outcome = vai(*asking, *METRICS, "--per-query", "each.jsonl", "--json")
    found = [json.loads(line) for line in (project / "each.jsonl").read_text().splitlines()]
    assert [line["id"] for line in found] == [f"q{topic}" for topic in range(ASKED)]
    assert list(found[0]) == ["id", "query", "runs"]
    assert found[3]["query"] == question(3)
    mean = sum(line["runs"]["stage1"]["map"] for line in found) / ASKED
    assert outcome.json["runs"][0]["metrics"]["map"]["mean"] == pytest.approx(mean, abs=1e-5)
    assert f"{ASKED} questions were written to `each.jsonl`" in outcome.stderr


# ── the gate ──


def test_the_gate_is_open_where_the_mean_is_high_enough(asking: tuple[str, ...]) -> None:
    outcome = vai(*asking, "--fail-below", "recall@5=0.1", "--fail-below", "map=0", "-q")
    assert (outcome.exit_code, outcome.stderr) == (0, "")


def test_the_gate_ends_with_1_and_a_sentence_and_the_report_is_printed_all_the_same(
    asking: tuple[str, ...],
) -> None:
    bounds = ("--fail-below", "ndcg@10=1", "--fail-below", "mrr@3=0", "--fail-below", "precision@3=1")
    outcome = vai(*asking, *bounds, *METRICS, "--json", "-q")
    metrics = outcome.json["runs"][-1]["metrics"]
    assert outcome.exit_code == 1
    assert list(metrics) == ["ndcg@10", "recall@5", "map", "mrr@3", "precision@3"]
    assert outcome.stderr == (
        f"error: of `reranked`, ndcg@10 is {metrics['ndcg@10']['mean']:.4f}, which is below 1 and precision@3 is "
        f"{metrics['precision@3']['mean']:.4f}, which is below 1\n"
    )


@pytest.mark.parametrize("bound", ["ndcg@10", "ndcg@10=", "ndcg@10=high", "ndcg@10=2", "=0.5", "good=0.5"])
def test_a_gate_that_says_nothing_is_wrong_use(asking: tuple[str, ...], bound: str) -> None:
    complaint(vai(*asking, "--fail-below", bound), 2)


# ── a corpus that comes with its questions ──


def test_a_corpus_is_ingested_once_and_asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAI_EMBEDDER", "hashing")
    corpus(project / "texts.zip")
    asked = ("eval", "--corpus", "beir:texts.zip", *OVERLAP, *METRICS, "--json")
    first, second = vai(*asked), vai(*asked)
    assert (first.json["corpus"], first.json["queries"]) == ("texts", ASKED)
    assert first.json["collection"] == "texts-hashing"
    assert "16 documents ingested in" in first.stderr
    assert "16 documents unchanged in `texts-hashing`" in second.stderr
    assert [run["metrics"] for run in first.json["runs"]] == [run["metrics"] for run in second.json["runs"]]
    assert not (project / ".vai").exists()


def test_other_questions_can_be_asked_of_a_corpus_in_a_store_that_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAI_EMBEDDER", "hashing")
    corpus(project / "texts.zip")
    lines(project / "own.jsonl", [{"query": question(3), "relevant": ["d3"]}])
    flags = ("--corpus", "beir:texts.zip", "--test-set", "own.jsonl", "--no-chunking", "--store", "evals")
    found = vai("eval", *flags, *OVERLAP, *METRICS, "--json").json
    assert (found["corpus"], found["collection"], found["queries"]) == ("own", "texts-whole-hashing", 1)
    assert (project / "evals").is_dir()


# ── what cannot be carried out ──


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        ([], 2, "no question is there to ask: give --test-set PATH or --corpus beir:PATH"),
        (["--test-set", "nowhere.jsonl"], 2, "there is no test set at nowhere.jsonl"),
        (["--test-set", "questions.jsonl", "--metrics", "ndgc@10"], 2, "there is no metric ndgc@10"),
        (["--test-set", "questions.jsonl", "--metrics", ","], 2, "no metric was named"),
        (["--test-set", "questions.jsonl", "--baseline", "best"], 2, "there is no run called best"),
        (["--test-set", "questions.jsonl", "--compare", "limt=3"], 2, "a configuration has no setting limt"),
        (["--test-set", "questions.jsonl", "--run", "questions.jsonl"], 2, "line 1 of questions.jsonl"),
        (["--test-set", "questions.jsonl", "--run", "nowhere.run"], 2, "there is no run at nowhere.run"),
        (["--test-set", "questions.jsonl", "--topics", "t", "--split", "dev"], 2, "--topics"),
        (["--corpus", "beir:x.zip", "--topics", "t.txt"], 2, "--topics t.txt goes with --test-set"),
        (["--test-set", "questions.jsonl", "--no-chunking"], 2, "--no-chunking goes with --corpus"),
        (["--corpus", "beir:x", "--collection", "c"], 2, "--corpus and --collection c contradict each other"),
        (["--corpus", "beir:x.zip"], 2, "there is no corpus at x.zip"),
        (
            ["--test-set", "questions.jsonl", "--per-query", "questions.jsonl"],
            2,
            "would overwrite the test set",
        ),
        (["--test-set", "questions.jsonl", "--per-query", "notes"], 2, "--per-query notes is a folder"),
        (
            ["--test-set", "questions.jsonl", "--per-query", "no/each.jsonl"],
            2,
            "there is no folder for no/each",
        ),
        (["--test-set", "questions.jsonl", "--write-runs", "questions.jsonl"], 2, "cannot be made"),
        (["--test-set", "questions.jsonl", "--no-rerank", "--blend", "0.3"], 2, "contradict each other"),
        (["--test-set", "questions.jsonl", "--collection", "none"], 3, "there is no collection none"),
        (["--test-set", "questions.jsonl", "--rerank-model", "nobody"], 3, "there is no reranker called"),
    ],
)
def test_what_cannot_be_carried_out_is_one_sentence(
    asking: tuple[str, ...], arguments: list[str], exit_code: int, said: str
) -> None:
    assert said in complaint(vai("eval", *arguments), exit_code).replace("`", "").replace("'", "")


def test_ids_that_are_not_in_the_collection_are_counted_or_left_out(
    asking: tuple[str, ...], project: Path
) -> None:
    (project / "notes" / "n05.txt").unlink()
    assert vai("ingest", "notes").exit_code == 0
    refused = complaint(vai(*asking), 2)
    assert (
        "1 of the 13 ids judged in `questions` is not in the collection `default`: notes/n05.txt" in refused
    )
    found = vai(*asking, "--ignore-missing", "--json")
    assert (found.exit_code, found.json["missing_ids"], found.json["queries"]) == (0, 1, ASKED)
    assert "warning: 1 judged id is not in the collection" in found.stderr


def test_an_empty_test_set_is_wrong_use(asking: tuple[str, ...], project: Path) -> None:
    (project / "empty.jsonl").write_text("")
    assert "holds no question" in complaint(vai("eval", "--test-set", "empty.jsonl"), 2)


def test_a_paid_model_without_its_key_names_the_command_that_works(asking: tuple[str, ...]) -> None:
    refused = complaint(vai("eval", "--test-set", "questions.jsonl", "--rerank-model", "rerank-2.5"), 3)
    assert "`vai eval --test-set questions.jsonl --rerank-model vai-reranker-mini`" in refused
