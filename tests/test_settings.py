"""Where settings come from, which wins, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from machine import Unprivileged
from vai.errors import InvalidSettings
from vai.models.remote.voyage import RERANK_MODELS
from vai.settings import (
    PROJECT_FILE,
    USER_FILE,
    USER_ONLY,
    Settings,
    find_store,
    load_settings,
    load_user_settings,
)


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """The folder of the user's own settings."""
    (tmp_path / "user").mkdir()
    return tmp_path / "user"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder, in which the store would lie."""
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def load(user: Path, project: Path) -> Loader:
    """Loads settings from what a test has written."""
    return Loader(user, project)


class Loader:
    """The files to write, and how they are loaded."""

    def __init__(self, user: Path, project: Path) -> None:
        self.user, self.project = user / USER_FILE, project / PROJECT_FILE

    def __call__(self, **environment: str) -> Settings:
        return load_settings(self.project.parent / ".vai", environment, user_folder=self.user.parent)


# ── precedence ───────────────────────────────────────────────────────────────────────────────────


def test_without_files_and_variables_the_defaults_are_in_force(load: Loader) -> None:
    assert load(HOME="/home/someone", VAI_UNHEARD_OF="x") == Settings()


def test_the_project_overrides_the_user_and_the_environment_both(load: Loader) -> None:
    load.user.write_text("limit = 1\ntop_k = 2\nnum_candidates = 3\n")
    load.project.write_text("top_k = 20\nnum_candidates = 30\n")
    settings = load(VAI_NUM_CANDIDATES="300")
    assert (settings.limit, settings.top_k, settings.num_candidates) == (1, 20, 300)


EXAMPLES: dict[str, tuple[str, str, object]] = {
    "collection": ('"papers"', "papers", "papers"),
    "embedder": ('" hashing "', " hashing ", "hashing"),
    "rerank_model": ('"word-overlap"', "word-overlap", "word-overlap"),
    "rerank": ("false", "no", False),
    "limit": ("50", "50", 50),
    "top_k": ("7", "7", 7),
    "num_candidates": ("500", "500", 500),
    "blend": ("0.5", "0.5", 0.5),
    "stage1": ('"words"', "words", "words"),
    "fusion": ('"ranks"', "ranks", "ranks"),
    "words_weight": ("1.5", "1.5", 1.5),
    "chunk_tokens": ("128", "128", 128),
    "threads": ("3", "3", 3),
    "strict": ("true", "TRUE", True),
    "budget_ms": ("300", "300", 300),
    "min_relevance": ("0.2", "0.2", 0.2),
    "query_embedder": ('"hashing"', "hashing", "hashing"),
    "dimension": ("512", "512", 512),
    "rerank_fallback": ('"word-overlap"', "word-overlap", "word-overlap"),
    "cache": ("false", "no", False),
    "cache_mb": ("64", "64", 64),
    "max_usd_per_month": ("12.5", "12.5", 12.5),
    "question_model": (
        '"openai:http://localhost:1/v1#m"',
        "openai:http://localhost:1/v1#m",
        "openai:http://localhost:1/v1#m",
    ),
    "voyage_api_key": ('"pa-1"', "pa-1", "pa-1"),
    "rerank_api_key": ('"key"', "key", "key"),
    "embeddings_api_key": ('"key"', "key", "key"),
    "llm_api_key": ('"key"', "key", "key"),
}


def test_there_is_an_example_of_every_setting() -> None:
    assert list(EXAMPLES) == list(Settings.__slots__)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_setting_can_come_from_each_place(load: Loader, name: str) -> None:
    in_file, in_environment, expected = EXAMPLES[name]
    assert getattr(load(**{f"VAI_{name.upper()}": in_environment}), name) == expected
    load.project.write_text(f"{name} = {in_file}\n")
    if name in USER_ONLY:
        with pytest.raises(InvalidSettings, match="not for a project's file"):
            load()
    else:
        assert getattr(load(), name) == expected
    load.project.unlink()
    load.user.write_text(f"{name} = {in_file}\n")
    assert getattr(load(), name) == expected
    assert getattr(Settings(), name) != expected


def test_the_users_file_lies_where_the_platform_keeps_settings(
    load: Loader, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_config_path", lambda name, **_: load.user.parent / name)
    (load.user.parent / "vai").mkdir()
    (load.user.parent / "vai" / USER_FILE).write_text("limit = 42\n")
    assert load_settings(project / ".vai", {}).limit == 42


# ── what is refused ──────────────────────────────────────────────────────────────────────────────

NUMBERS = ["0", "-1", "1.5", "true", '"many"', '""', "[]", "nan", "{}"]
SHARES = ["-0.1", "1.1", "nan", "inf", "true", '"half"', "[0.5]"]
SWITCHES = ['"maybe"', "2", "0.5", '""', "[]"]
NAMES = ["1", "true", '""', '"  "', "[]"]
WRONG = [
    *(("limit", value, "must be a whole number from 1") for value in NUMBERS),
    *(("threads", value, "must be a whole number from 1") for value in NUMBERS[:2]),
    *(("chunk_tokens", value, "must be a whole number from 1") for value in NUMBERS[:2]),
    *(("blend", value, "must be a number from 0 to 1") for value in SHARES),
    *(("strict", value, "must be true or false") for value in SWITCHES),
    *(("rerank", value, "must be true or false") for value in SWITCHES[:2]),
    *(("embedder", value, "must be a name") for value in NAMES),
    *(("collection", value, "must be a name") for value in NAMES[:3]),
]


@pytest.mark.parametrize(("name", "value", "sentence"), WRONG)
def test_an_impossible_value_in_a_file_is_named_with_its_place(
    load: Loader, name: str, value: str, sentence: str
) -> None:
    for file in (load.user, load.project):
        file.write_text(f"{name} = {value}\n")
        with pytest.raises(InvalidSettings) as caught:
            load()
        assert caught.value.message.startswith(f"`{name}` in `{file}` {sentence}: ")
        file.unlink()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("LIMIT", "0", "must be a whole number from 1: 0"),
        ("LIMIT", "many", "must be a whole number from 1: many"),
        ("TOP_K", "-3", "must be a whole number from 1: -3"),
        ("BLEND", "2", "must be a number from 0 to 1: 2"),
        ("BLEND", "nan", "must be a number from 0 to 1: nan"),
        ("STRICT", "perhaps", "must be true or false: perhaps"),
        ("COLLECTION", " ", "must be a name: ' '"),
    ],
)
def test_an_impossible_value_in_the_environment_is_named_with_its_variable(
    load: Loader, name: str, value: str, sentence: str
) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(**{f"VAI_{name}": value})
    assert caught.value.message == f"the variable VAI_{name} {sentence}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("topk", "did you mean `top_k`?"),
        ("rerank-model", "did you mean `rerank_model`?"),
        ("secret", "known are collection, embedder, "),
    ],
)
def test_an_unknown_setting_is_named_with_the_nearest_there_is(load: Loader, name: str, hint: str) -> None:
    load.project.write_text(f"{name} = 1\n")
    with pytest.raises(InvalidSettings) as caught:
        load()
    assert caught.value.message == f"`{load.project}` has an unknown setting: {name}"
    assert str(caught.value.hint).startswith(hint)


@pytest.mark.parametrize("content", [b"limit = ", b"= 1", b"[", b"limit = 1\nlimit = 2\n", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(load: Loader, content: bytes) -> None:
    load.user.write_bytes(content)
    with pytest.raises(InvalidSettings, match=r"the settings in `.*config\.toml` cannot be read: "):
        load()


def test_a_folder_in_the_files_place_is_named(load: Loader) -> None:
    load.project.mkdir()
    with pytest.raises(InvalidSettings, match=r"the settings in `.*vai\.toml` cannot be read: "):
        load()


def test_a_file_that_may_not_be_read_is_named(unprivileged: Unprivileged) -> None:
    load = Loader(unprivileged.folder, unprivileged.folder)
    load.user.write_text("limit = 1\n")
    with (
        unprivileged.acting(unreadable=load.user),
        pytest.raises(InvalidSettings, match=r"cannot be read: .*[Pp]ermission"),
    ):
        load()


@pytest.mark.parametrize("name", ["rerank_model", "embedder"])
@pytest.mark.parametrize(
    "model",
    [
        *RERANK_MODELS,
        " rerank-2.5",
        "rerank-2.5\\n",
        "\\t rerank-2.5-lite",
        "owner/on-the-hub",
        "tei:http://127.0.0.1:8080",
    ],
)
def test_a_projects_file_may_not_name_a_remote_model(load: Loader, name: str, model: str) -> None:
    """It can come with somebody else's repository, and text would leave the machine."""
    load.project.write_text(f'{name} = "{model}"\n')
    with pytest.raises(InvalidSettings, match="names a remote model") as caught:
        load()
    assert f"`VAI_{name.upper()}`" in str(caught.value.hint)


def test_a_remote_model_may_be_named_in_the_users_file_and_the_environment(load: Loader) -> None:
    load.user.write_text('rerank_model = "rerank-2.5"\n')
    assert load().rerank_model == "rerank-2.5"
    assert load(VAI_RERANK_MODEL="rerank-2.5-lite").rerank_model == "rerank-2.5-lite"


def test_the_users_own_settings_are_those_of_no_project(load: Loader) -> None:
    load.project.write_text("limit = 7\n")
    load.user.write_text("top_k = 3\n")
    settings = load_user_settings({"VAI_THREADS": "2"}, user_folder=load.user.parent)
    assert (settings.limit, settings.top_k, settings.threads) == (None, 3, 2)


def test_keys_are_not_shown(load: Loader) -> None:
    assert "pa-secret" not in repr(load(VAI_VOYAGE_API_KEY="pa-secret"))
    load.user.write_text('voyage_api_key = ["pa-secret"]\n')
    with pytest.raises(InvalidSettings, match="must be a key in quotation marks") as caught:
        load()
    assert "pa-secret" not in str(caught.value)


def test_a_projects_file_may_name_a_model_that_runs_here(load: Loader) -> None:
    load.project.write_text('rerank_model = "vai-reranker-mini"\n')
    assert load().rerank_model == "vai-reranker-mini"


# ── the store ────────────────────────────────────────────────────────────────────────────────────


def make_store(folder: Path) -> Path:
    """The least that makes a folder a store."""
    (folder / ".vai").mkdir(parents=True)
    (folder / ".vai" / "store.json").touch()
    return folder / ".vai"


def test_the_nearest_store_upward_is_meant(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    outer = make_store(tmp_path)
    assert find_store(None, {}, deep) == outer
    inner = make_store(tmp_path / "a" / "b")
    assert find_store(None, {}, deep) == inner
    assert find_store(None, {}, inner.parent) == inner
    assert find_store(None, {}, tmp_path / "a") == outer


def test_without_a_store_one_in_the_working_directory_is_meant(tmp_path: Path) -> None:
    assert find_store(None, {}, tmp_path) == tmp_path / ".vai"
    assert not (tmp_path / ".vai").exists()


def test_a_folder_of_that_name_that_is_no_store_is_passed_by(tmp_path: Path) -> None:
    outer = make_store(tmp_path)
    (tmp_path / "a" / ".vai").mkdir(parents=True)
    assert find_store(None, {}, tmp_path / "a") == outer


def test_a_named_store_wins_over_the_environment_and_that_over_the_search(tmp_path: Path) -> None:
    make_store(tmp_path)
    environment = {"VAI_STORE": str(tmp_path / "other")}
    assert find_store(None, environment, tmp_path) == tmp_path / "other"
    assert find_store(tmp_path / "named", environment, tmp_path) == tmp_path / "named"
    assert find_store(None, {"VAI_STORE": ""}, tmp_path) == tmp_path / ".vai"


def test_a_relative_name_counts_from_the_working_directory_and_a_tilde_is_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert find_store(Path("x/../y"), {}, tmp_path) == tmp_path / "y"
    assert find_store(None, {"VAI_STORE": "rel"}, tmp_path) == tmp_path / "rel"
    assert find_store(None, {"VAI_STORE": f"~{os.sep}s"}, tmp_path) == tmp_path / "home" / "s"


def test_a_store_above_that_may_not_be_looked_into_is_passed_by(unprivileged: Unprivileged) -> None:
    somebody_elses = make_store(unprivileged.folder)
    mine = unprivileged.folder / "mine"
    mine.mkdir()
    with unprivileged.acting(unreadable=somebody_elses):
        assert find_store(None, {}, mine) == mine / ".vai"


def test_the_home_of_an_unknown_user_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="`~nobody-of-that-name/x` cannot name a store: "):
        find_store(Path("~nobody-of-that-name/x"), {}, tmp_path)
