"""What tuning chose goes into the project's settings file, and what the user wrote there stays."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine import Unprivileged
from tuning_samples import BASELINE, LOCAL, PAID, STAGE1, tune_report
from vai.errors import InvalidSettings, StoreFull, StoreReadOnly
from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.tuning.applying import OURS, Applied, apply_settings, settings_of
from vai.planning import plan_query
from vai.settings import load_settings
from vai.types import Stage1

USERS = """\
# What we use here.
collection = "docs"  # all of them

limit = 10   # enough, we thought
top_k = 3
"""


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the user's own settings, apart from that of whoever runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path / "config" / "vai")
    (tmp_path / "config" / "vai").mkdir(parents=True)
    return tmp_path / "config" / "vai"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project."""
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def applied(
    folder: Path, best: Configuration | None = None, *, corpus: str = "questions", **environment: str
) -> Applied:
    """Apply a report to the store in a folder."""
    return apply_settings(folder / ".vai", tune_report(best=best, corpus=corpus), environment)


def in_force(folder: Path, environment: Mapping[str, str] | None = None) -> Configuration:
    """What a query does with the settings of a project."""
    plan = plan_query(load_settings(folder / ".vai", environment or {}))
    alone = Configuration(plan.stage1, plan.depths.limit, plan.depths.num_candidates)
    if not plan.rerank:
        return alone
    model = load_settings(folder / ".vai", environment or {}).rerank_model
    assert plan.blend is not None
    return replace(alone, reranker=model, blend=plan.blend, min_relevance=plan.min_relevance)


depths = st.tuples(st.integers(1, 200), st.integers(0, 5000))
shares = st.floats(0, 1)
stage1s = st.sampled_from(STAGE1) | st.floats(0, 100).map(lambda weight: Stage1("hybrid", "scores", weight))
rerankers = st.tuples(st.sampled_from([LOCAL, "word-overlap", "/models/mine"]), shares, st.none() | shares)
configurations = st.builds(
    lambda stage1, depth, stage2: Configuration(
        stage1, depth[0], depth[0] + depth[1], *(stage2 or (None, 1.0, None))
    ),
    stage1s,
    depths,
    st.none() | rerankers,
)
BEFORE = ["", USERS, 'stage1 = "words"\nrerank = false\nblend = 1\n', "min_relevance = 0.3\nwords_weight = 7"]


@given(best=configurations, before=st.sampled_from(BEFORE))
def test_queries_do_exactly_what_was_chosen_whatever_stood_there(
    best: Configuration, before: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("project")
    (folder / "vai.toml").write_text(before)
    assert applied(folder, best).left == ()
    assert in_force(folder).to_dict() == best.to_dict()


@settings(max_examples=40)
@given(best=configurations, other=configurations, before=st.sampled_from(BEFORE))
def test_doing_it_again_changes_nothing_and_doing_another_leaves_nothing_of_the_first_comment(
    best: Configuration, other: Configuration, before: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("project")
    path = folder / "vai.toml"
    path.write_text(before)
    applied(folder, other, corpus="earlier")
    applied(folder, best)
    once = path.read_text()
    applied(folder, best)
    assert path.read_text() == once
    assert "earlier" not in once
    assert once.count(f"{OURS}{next(iter(settings_of(best)))}") == 1


def test_a_project_without_settings_gets_a_file_with_the_evidence_above_them(folder: Path) -> None:
    done = applied(folder)
    lines = (folder / "vai.toml").read_text().splitlines()
    comment = " ".join(line.removeprefix(OURS) for line in lines if line.startswith(OURS))
    assert "for ndcg@10, among 100 configurations and with the questions of `questions`" in comment
    assert (
        "On 300 questions, each answered by settings that were chosen on others, ndcg@10 is 0.698" in comment
    )
    assert "+0.023 [+0.006, +0.041]; the gain is certain. The whole report is in vai.tune.json." in comment
    assert lines[len([line for line in lines if line.startswith(OURS)]) :] == [
        'stage1 = "hybrid"',
        'fusion = "scores"',
        "words_weight = 0.25",
        "limit = 50",
        "num_candidates = 1000",
        "rerank = true",
        f'rerank_model = "{LOCAL}"',
        "blend = 0.5",
    ]
    assert done.path == folder / "vai.toml"
    assert done.written == tomllib.loads(done.path.read_text())
    assert all(len(line) <= 100 for line in lines)


def test_comments_order_and_other_settings_stay(folder: Path) -> None:
    (folder / "vai.toml").write_text(USERS)
    applied(folder)
    after = (folder / "vai.toml").read_text()
    assert after.startswith(USERS.replace("limit = 10 ", "limit = 50 ") + f"\n{OURS}")
    assert after.count("limit =") == 1


def test_settings_that_are_all_there_are_changed_in_their_places(folder: Path) -> None:
    mine = "# mine\nnum_candidates = 9 # deep\n\"limit\"=9\nrerank = true # of course\nstage1 = 'words'\n"
    (folder / "vai.toml").write_text(mine)
    applied(folder, Configuration(Stage1("vector"), 5, 100))
    lines = (folder / "vai.toml").read_text().splitlines()
    assert lines[0] == "# mine"
    assert lines[1].startswith(OURS)
    assert lines[-4:] == [
        "num_candidates = 100 # deep",
        '"limit"=5',
        "rerank = false # of course",
        'stage1 = "vector"',
    ]


def test_a_file_without_a_last_line_break_and_one_with_those_of_windows_stay_what_they_are(
    folder: Path,
) -> None:
    path = folder / "vai.toml"
    path.write_text("top_k = 3 # few")
    applied(folder)
    assert path.read_text().startswith("top_k = 3 # few\n\n# vai tune: ")
    path.write_bytes(b"top_k = 3\r\nlimit = 4\r\n")
    applied(folder)
    lines = path.read_bytes().split(b"\n")
    assert all(line.endswith(b"\r") for line in lines[:-1])
    applied(folder)
    assert path.read_bytes().split(b"\n") == lines


def test_without_a_reranker_the_settings_of_one_are_left_alone(folder: Path) -> None:
    (folder / "vai.toml").write_text('rerank_model = "word-overlap"\nblend = 0.25\nmin_relevance = 0.1\n')
    done = applied(folder, Configuration(Stage1("words"), 5, 100))
    assert tomllib.loads((folder / "vai.toml").read_text()) == {
        "rerank_model": "word-overlap",
        "blend": 0.25,
        "min_relevance": 0.1,
        **done.written,
    }
    assert done.written == {"stage1": "words", "limit": 5, "num_candidates": 100, "rerank": False}


def test_the_name_by_which_a_project_has_the_model_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "vai.toml").write_text('rerank_model = "./model"\n')
    done = applied(folder, replace(BASELINE, reranker=str(folder / "model")))
    assert done.written["rerank_model"] == "./model"
    assert done.left == ()


# ── the report ──


def test_the_whole_report_lies_beside_the_settings_with_what_was_written(folder: Path) -> None:
    done = applied(folder)
    kept = json.loads(done.report.read_text())
    assert done.report == folder / "vai.tune.json"
    assert {key: value for key, value in kept.items() if key != "applied"} == json.loads(
        json.dumps(tune_report().to_dict())
    )
    assert kept["applied"]["settings"] == done.written


def test_a_name_with_line_breaks_cannot_leave_the_comment(folder: Path) -> None:
    applied(folder, corpus='set\nembedder = "evil"\r\n\x00')
    assert "embedder" not in tomllib.loads((folder / "vai.toml").read_text())


def test_a_name_cannot_turn_the_comment_round(folder: Path) -> None:
    applied(folder, corpus="a\u202eb")
    assert "`a\ufffdb`" in (folder / "vai.toml").read_text()


# ── what keeps it from being in force ──


def test_a_remote_model_is_left_out_with_a_sentence_that_says_where_it_goes(folder: Path) -> None:
    (folder / "vai.toml").write_text(f'rerank_model = "{LOCAL}"\n')
    done = applied(folder, replace(BASELINE, reranker=PAID))
    assert "rerank_model" not in tomllib.loads((folder / "vai.toml").read_text())
    assert len(done.left) == 1
    assert f'put `rerank_model = "{PAID}"` into your own settings' in done.left[0]
    assert "were not chosen for" in done.left[0]


def test_a_remote_model_that_the_user_has_named_needs_no_sentence(folder: Path, own_home: Path) -> None:
    (own_home / "config.toml").write_text(f'rerank_model = "{PAID}"\n')
    best = replace(BASELINE, reranker=PAID)
    assert applied(folder, best).left == ()
    assert in_force(folder).to_dict() == best.to_dict()
    assert applied(folder, best, VAI_RERANK_MODEL=PAID).left == ()


def test_a_variable_that_is_stronger_than_the_file_is_named(folder: Path) -> None:
    done = applied(folder, VAI_LIMIT="7", VAI_RERANK="no", VAI_TOP_K="2", VAI_BLEND="0.5")
    assert done.left == (
        "the variable VAI_LIMIT is stronger than the file, and sets limit to 7: take it away",
        "the variable VAI_RERANK is stronger than the file, and sets rerank to False: take it away",
    )


def test_a_least_relevance_of_the_users_own_that_cannot_be_taken_back_is_named(
    folder: Path, own_home: Path
) -> None:
    (own_home / "config.toml").write_text("min_relevance = 0.25\n")
    assert applied(folder, BASELINE).left == (
        "your own settings have min_relevance = 0.25, which no project's file can take back: remove it there",
    )


# ── what goes wrong ──


@pytest.mark.parametrize(
    "broken",
    [
        "limit = ",
        "limitt = 3\n",
        "limit = 0\n",
        'limit = """\n',
        f'rerank_model = "{PAID}"\n',
        "\ufefflimit = 1\n",
    ],
)
def test_broken_settings_are_refused_and_not_touched(folder: Path, broken: str) -> None:
    (folder / "vai.toml").write_text(broken)
    with pytest.raises(InvalidSettings, match=r"vai\.toml"):
        applied(folder)
    assert (folder / "vai.toml").read_text() == broken
    assert [path.name for path in folder.iterdir()] == ["vai.toml"]


def test_a_text_that_looks_like_a_setting_or_a_comment_of_ours_is_never_changed(folder: Path) -> None:
    tricky = f'collection = """a\n{OURS}this is a name\nlimit = 3"""\n'
    (folder / "vai.toml").write_text(tricky)
    with pytest.raises(InvalidSettings, match="cannot be changed without changing what it says besides"):
        applied(folder)
    assert (folder / "vai.toml").read_text() == tricky


def test_where_nobody_may_write_the_settings_stay(
    unprivileged: Unprivileged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: unprivileged.folder / "none")
    path = unprivileged.folder / "vai.toml"
    path.write_text(USERS)
    with unprivileged.acting(), pytest.raises(StoreReadOnly, match=r"vai\.tune\.json. may not be written"):
        applied(unprivileged.folder)
    assert path.read_text() == USERS


def test_without_room_the_settings_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "vai.toml").write_text(USERS)

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vai.evaluation.tuning.applying.write_whole", full)
    with pytest.raises(StoreFull, match="there is no room for"):
        applied(folder)
    assert (folder / "vai.toml").read_text() == USERS


def test_a_link_to_a_settings_file_stays_one(folder: Path) -> None:
    (folder / "shared.toml").write_text(USERS)
    (folder / "vai.toml").symlink_to(folder / "shared.toml")
    applied(folder)
    assert (folder / "vai.toml").is_symlink()
    assert "limit = 50" in (folder / "shared.toml").read_text()
