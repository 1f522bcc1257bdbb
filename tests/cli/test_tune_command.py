"""`vai tune`: what it says, what it writes with `--apply`, and what it refuses before it begins."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from command_line import complaint, vai, written
from evaluation_samples import TOPICS, passage, question
from json_contract import check
from tuning_samples import BASELINE, LOCAL, PAID, tune_report
from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.tuning.tuning import TuneReport
from vai.types import Stage1


@pytest.fixture
def questions(project: Path) -> Path:
    """A question for each of 40 files in `notes`, which are ingested; what answers it is named by its path."""
    written(project / "notes", {f"n{topic:02}.txt": passage(topic) for topic in range(TOPICS)})
    assert vai("ingest", "notes", "--embedder", "hashing").exit_code == 0
    path = project / "questions.jsonl"
    records = [{"query": question(topic), "relevant": [f"notes/n{topic:02}.txt"]} for topic in range(TOPICS)]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


class Tuned:
    """Stands for the tuning itself, with a report that a test chooses, and remembers what it was asked."""

    def __init__(self) -> None:
        self.report = tune_report()
        self.asked: dict[str, Any] = {}

    def __call__(self, *_: object, **options: Any) -> TuneReport:
        self.asked = options
        return self.report


@pytest.fixture
def tuned(questions: Path, monkeypatch: pytest.MonkeyPatch) -> Tuned:
    """A tuning that has its report at once."""
    stand_in = Tuned()
    monkeypatch.setattr("vai.evaluation.tuning.tuning.tune", stand_in)
    return stand_in


SET = ("--test-set", "questions.jsonl")

# ── what it says ──


def test_it_says_the_decision_first_and_then_what_that_rests_on(
    tuned: Tuned, snapshot: SnapshotAssertion
) -> None:
    tuned.report = replace(tuned.report, warnings=("45 questions are few",))
    outcome = vai("tune", *SET)
    assert outcome.masked() == snapshot
    assert outcome.stdout.startswith("Rerank: ")
    assert "each answered by settings that were chosen on others" in outcome.stdout


def test_not_to_rerank_is_an_answer_as_good_as_any(tuned: Tuned, snapshot: SnapshotAssertion) -> None:
    tuned.report = tune_report(
        best=Configuration(Stage1("hybrid"), 10, 200), baseline=replace(BASELINE, blend=0)
    )
    outcome = vai("tune", *SET)
    assert outcome.exit_code == 0
    assert outcome.masked() == snapshot
    assert outcome.stdout.startswith("Do not rerank: ")


def test_settings_that_are_in_force_already_are_said_to_be(tuned: Tuned) -> None:
    tuned.report = tune_report(best=BASELINE)
    outcome = vai("tune", *SET)
    assert "(as queries are now)" in outcome.stdout
    assert "nothing better was found than the settings in force" in outcome.stdout
    assert "chosen, in force" in outcome.stdout
    assert "--apply" not in outcome.stderr


def test_the_settings_can_be_typed_as_they_are_printed(tuned: Tuned) -> None:
    tuned.report = tune_report(best=replace(BASELINE, reranker="word-overlap", min_relevance=0.0))
    (line,) = [line for line in vai("tune", *SET).stdout.splitlines() if line.startswith("vai query ")]
    flags = line.removeprefix('vai query "…" ').split()
    asked = vai("query", question(3), *flags, "--json").json["settings"]
    expected = {name: value for name, value in tuned.report.best.to_dict().items() if value is not None}
    assert {name: asked[name] for name in expected} == expected


@pytest.mark.parametrize("paid", [False, True])
def test_tables_fit_into_a_page_whatever_a_reranker_is_called(tuned: Tuned, paid: bool) -> None:
    long = "./models/" + "very-long-name-of-a-reranker" * 4
    report = tune_report(rerankers=(None, LOCAL, PAID), paid=paid)
    rows = tuple(
        replace(row, settings=replace(row.settings, reranker=row.settings.reranker and long))
        for row in report.frontier
    )
    tuned.report = replace(report, frontier=rows)
    table = vai("tune", *SET).stdout.split("what was chosen:\n")[1].split("\n\n")[0]
    assert all(len(line) <= 110 for line in table.splitlines())
    assert "…" in table


def test_quiet_leaves_out_remarks(tuned: Tuned) -> None:
    tuned.report = replace(tuned.report, warnings=("45 questions are few",))
    assert vai("tune", *SET, "-q").stderr == ""


# ── what it is asked ──


def test_flags_reach_the_tuning(tuned: Tuned) -> None:
    outcome = vai(
        *(
            "tune",
            *SET,
            "--target",
            "mrr",
            "--budget-ms",
            "200",
            "--max-usd-per-1k",
            "1.5",
            "--max-limit",
            "30",
        ),
        *("--rerank-models", "word-overlap, vai-reranker-mini", "--stage1", "vector", "--exact", "-q"),
        *("--filter", "path~notes/*", "--ignore-missing", "--no-cache"),
    )
    assert outcome.exit_code == 0
    assert {name: value for name, value in tuned.asked.items() if value is not None} == {
        "target": "mrr@10",
        "budget_ms": 200,
        "max_usd_per_1k": 1.5,
        "max_limit": 30,
        "rerank_models": ("word-overlap", "vai-reranker-mini"),
        "stage1": "vector",
        "exact": True,
        "filter": ("path~notes/*",),
        "ignore_missing": True,
        "cache": False,
        "say": tuned.asked["say"],
    }


@pytest.mark.parametrize(
    ("said", "meant"), [("ndcg", "ndcg@10"), ("NDCG", "NDCG@10"), ("map", "map"), ("recall@50", "recall@50")]
)
def test_a_metric_without_a_cut_off_has_the_usual_one(tuned: Tuned, said: str, meant: str) -> None:
    vai("tune", *SET, "--target", said)
    assert tuned.asked["target"] == meant


# ── what it writes ──


def test_json_has_the_report_and_what_was_written(tuned: Tuned, project: Path) -> None:
    outcome = vai("tune", *SET, "--json", "-q", "--plot", "plot.svg", "--apply")
    found = outcome.json
    check(found)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert found["plot"] == "plot.svg"
    assert (project / "plot.svg").read_text().startswith("<svg ")
    assert found["applied"]["path"] == str(project / "vai.toml")
    assert found["applied"]["written"] == tomllib.loads((project / "vai.toml").read_text())
    assert found["applied"]["left"] == []
    without = vai("tune", *SET, "--json", "-q").json
    check(without)
    assert (without["plot"], without["applied"]) == (None, None)


def test_nothing_is_written_unless_it_is_asked_for(tuned: Tuned, project: Path) -> None:
    before = sorted(path.name for path in project.iterdir())
    outcome = vai("tune", *SET)
    assert "nothing was changed: `--apply` writes these settings" in outcome.stderr
    assert sorted(path.name for path in project.iterdir()) == before


def test_what_was_applied_is_what_queries_do_from_then_on(tuned: Tuned, project: Path) -> None:
    tuned.report = tune_report(best=Configuration(Stage1("words"), 7, 70))
    outcome = vai("tune", *SET, "--apply")
    assert outcome.exit_code == 0
    assert f"written to `{project / 'vai.toml'}`, for every query in this project" in outcome.stderr
    settings = vai("query", question(3), "--json").json["settings"]
    assert (settings["stage1"], settings["limit"], settings["num_candidates"]) == ("words", 7, 70)
    assert settings["rerank_model"] is None


def test_what_keeps_the_settings_from_being_in_force_is_a_warning(
    tuned: Tuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAI_LIMIT", "3")
    tuned.report = tune_report(best=replace(BASELINE, reranker=PAID))
    stderr = vai("tune", *SET, "--apply").stderr
    assert "warning: the variable VAI_LIMIT is stronger than the file" in stderr
    assert "warning: `rerank-2.5` is not of this machine" in stderr


def test_the_plot_is_said_to_be_drawn(tuned: Tuned, project: Path) -> None:
    assert "drawn into `plot.html`" in vai("tune", *SET, "--plot", "plot.html").stderr
    assert "<!DOCTYPE html>" in (project / "plot.html").read_text()


# ── what it refuses ──


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no question is there to ask"),
        ([*SET, "--plot", "plot.png"], "the name of a plot ends in .html or .svg: plot.png"),
        ([*SET, "--plot", "none/plot.svg"], "there is no folder `none`"),
        (["--corpus", "beir:x.zip", "--apply"], "--apply and --corpus beir:x.zip contradict each other"),
        ([*SET, "--budget-ms", "soon"], "--budget-ms must be a whole number: soon"),
        ([*SET, "--max-usd-per-1k", "cheap"], "--max-usd-per-1k must be a number: cheap"),
        (["--test-set", "nowhere.jsonl"], "there is no test set at `nowhere.jsonl`"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_before_anything_is_asked(
    tuned: Tuned, arguments: list[str], said: str
) -> None:
    assert said in complaint(vai("tune", *arguments), 2)
    assert tuned.asked == {}


def test_nothing_is_applied_on_the_evidence_of_synthetic_questions_alone(
    tuned: Tuned, questions: Path, project: Path
) -> None:
    records = [json.loads(line) for line in questions.read_text().splitlines()]
    made = [json.dumps(record | {"synthetic": True}) for record in records]
    questions.write_text("\n".join(made))
    assert "every question of `questions` is synthetic" in complaint(vai("tune", *SET, "--apply"), 2)
    assert tuned.asked == {}
    assert not (project / "vai.toml").exists()
    questions.write_text("\n".join([*made[:-1], json.dumps(records[-1])]))
    assert vai("tune", *SET, "--apply").exit_code == 0


def test_a_broken_settings_file_is_refused_untouched(tuned: Tuned, project: Path) -> None:
    (project / "vai.toml").write_text("limit = many\n")
    assert "vai.toml" in complaint(vai("tune", *SET, "--apply"), 2)
    assert (project / "vai.toml").read_text() == "limit = many\n"


# ── the whole way ──


def test_a_real_tuning_finds_what_is_best_and_writes_it(
    questions: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAI_RERANK_MODEL", "word-overlap")  # which needs no time to load
    outcome = vai(
        *("tune", *SET, "--max-limit", "10", "--target", "mrr@10", "--json", "-q"),
        *("--apply", "--plot", "plot.html"),
    )
    found = outcome.json
    assert outcome.exit_code == 0
    assert found["held_out"]["queries"] == TOPICS
    assert found["held_out"]["mean"] > 0.9
    in_force = vai("query", question(3), "--json").json["settings"]
    expected = {name: value for name, value in found["best"].items() if value is not None}
    assert {name: in_force[name] for name in expected} == expected
    again = vai("tune", *SET, "--max-limit", "10", "--target", "mrr@10", "--json", "-q").json
    assert again["baseline"] == found["best"]
    assert (project / "plot.html").read_text().count("<title>") > found["configurations"]
