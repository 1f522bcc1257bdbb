"""Models on the Hugging Face hub, fetched from a stand-in for it on this machine."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from hub_stub import HubStub, hub_cache, hub_in_use, status
from machine import Unprivileged, largest_file
from model_stub import cut_off, edited, hung_up, raw, silent, stalling
from tiny_models import bert_reranker
from vai.errors import (
    InvalidSettings,
    RemoteRefused,
    RemoteUnavailable,
    StoreFull,
    StoreReadOnly,
    UnknownModel,
    UnsupportedModel,
    VaiError,
)
from vai.models.catalog import open_reranker
from vai.models.hub.cache import Pin, cache_folder, pins
from vai.models.hub.fetching import fetched, pulled
from vai.models.hub.files import MOST_BYTES, kind_of
from vai.models.local.folders import Located

NAME = "owner/model"
CONFIG = b'{"architectures": ["BertForSequenceClassification"]}'
FILES = {
    "README.md": b"# A model",
    "config.json": CONFIG,
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": bytes(9_000),
    "pytorch_model.bin": bytes(9_000),
    "modeling_own.py": b"raise SystemExit",
    "onnx/model.onnx": bytes(range(256)) * 40,
}
NEEDED = ["config.json", "onnx/model.onnx", "tokenizer.json"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubStub]:
    """The hub with one model, an empty cache, and nobody who waits between attempts."""
    hub_cache(monkeypatch, tmp_path)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with hub_in_use(monkeypatch) as stub:
        stub.put(NAME, FILES, card={"license": "mit", "language": ["en"]})
        yield stub


def get(name: str = NAME, *, timeout_s: float | None = None) -> Located:
    return fetched(name, "reranker", say=lambda _: None, timeout_s=timeout_s)


def refused(name: str = NAME, *, timeout_s: float | None = None) -> VaiError:
    """What is said when a model cannot be fetched: one sentence with a hint, and nothing is left half-used."""
    with pytest.raises(VaiError) as caught:
        get(name, timeout_s=timeout_s)
    error = caught.value
    assert error.hint
    assert "\n" not in error.message
    assert not error.message.endswith(".")
    assert pins() == []
    return error


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# ── what is fetched ──


def test_the_files_around_the_network_are_fetched_and_no_others(hub: HubStub) -> None:
    located = get()
    assert files_in(located.folder) == NEEDED
    assert {name: (located.folder / name).read_bytes() for name in NEEDED} == {
        name: FILES[name] for name in NEEDED
    }
    assert not {"pytorch_model.bin", "modeling_own.py", "README.md"} & {*hub.asked_for("HEAD")}


def test_it_is_called_by_its_repository_and_its_whole_commit(hub: HubStub) -> None:
    commit = hub.repositories[NAME].refs["main"]
    assert get() == Located(cache_folder() / "models--owner--model" / "snapshots" / commit, NAME, commit)
    assert len(commit) == 40


def test_a_download_is_announced_with_its_size_and_only_a_download(hub: HubStub) -> None:
    hub.put("owner/larger", {**FILES, "onnx/model.onnx": bytes(2_600_000)})
    said: list[str] = []
    fetched("owner/larger", "reranker", say=said.append)
    fetched("owner/larger", "reranker", say=said.append)
    assert said == ["fetching owner/larger (3 MB) from the hub"]


def test_what_has_been_fetched_is_used_without_asking_anybody(hub: HubStub) -> None:
    first = get()
    asked = len(hub.requests)
    hub.put(NAME, {**FILES, "config.json": b"{}"})
    assert get() == first
    assert len(hub.requests) == asked


def test_what_has_been_fetched_is_found_without_loading_the_library(hub: HubStub) -> None:
    get()
    program = (
        "import sys; from vai.models.hub.fetching import fetched; fetched('owner/model', 'reranker', say=print); "
        "print(*sorted({'huggingface_hub', 'httpx2', 'numpy'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == ([], "")


def test_another_revision_is_another_model(hub: HubStub) -> None:
    main = get()
    new = hub.put(NAME, {**FILES, "config.json": b"{}"}, branch="refs/pr/4")
    tagged, by_commit = get(f"{NAME}@refs/pr/4"), get(f"{NAME}@{new}")
    assert (tagged.revision, by_commit.revision) == (new, new)
    assert get() == main
    assert [pin.name for pin in pins()] == [NAME, f"{NAME}@{new}", f"{NAME}@refs/pr/4"]


def test_pulling_follows_the_branch(hub: HubStub) -> None:
    before = get()
    new = hub.put(NAME, {**FILES, "config.json": CONFIG + b" "})
    assert pulled(NAME, say=lambda _: None).commit == new
    assert get().revision == new
    assert before.folder.is_dir()


def test_pulling_what_has_not_changed_fetches_nothing(hub: HubStub) -> None:
    get()
    asked, said = len(hub.requests), list[str]()
    pulled(NAME, say=said.append)
    assert (len(hub.requests) - asked, said) == (1, [])


def test_a_cache_that_was_cleared_comes_back_as_it_was(hub: HubStub) -> None:
    first = get()
    hub.put(NAME, {**FILES, "config.json": b"{}"})
    shutil.rmtree(first.folder)
    assert get() == first
    assert files_in(first.folder) == NEEDED


def test_a_file_that_was_cut_short_is_fetched_again(hub: HubStub) -> None:
    located = get()
    network = located.folder / "onnx/model.onnx"
    network.resolve().unlink()
    assert get() == located
    assert network.read_bytes() == FILES["onnx/model.onnx"]


def test_a_pin_that_is_not_ours_is_as_none(hub: HubStub) -> None:
    located = get()
    pin = located.folder.parents[1] / "vai" / "main.json"
    content = json.loads(pin.read_text())
    changes: tuple[dict[str, object], ...] = (
        {"schema": "vai.hub/2"}, {"files": []}, {"files": {"config.json": None}}, {"languages": 7},
        {"repository": None}, {"repository": "owner/other"}, {"commit": 7}, {"commit": "../main"},
    )  # fmt: skip
    for other in (b"", b"[]", b"{}", *(json.dumps({**content, **change}).encode() for change in changes)):
        pin.write_bytes(other)
        assert pins() == []
        assert get() == located
    assert json.loads(pin.read_text()) == content


def test_the_pin_says_what_the_card_and_the_files_say(hub: HubStub) -> None:
    get()
    (pin,) = pins()
    assert (pin.kind, pin.licence, pin.languages) == ("reranker", "mit", ("en",))
    assert pin.size == sum(len(FILES[name]) for name in NEEDED)


def test_a_card_that_says_something_else_says_nothing(hub: HubStub) -> None:
    cards: tuple[Mapping[str, Any], ...] = (
        {"language": "multilingual"},
        {"license": [], "language": [1]},
        {},
    )
    for number, card in enumerate(cards):
        hub.put(f"owner/{number}", FILES, card=card)
        get(f"owner/{number}")
    assert [(pin.licence, pin.languages) for pin in pins()] == [(None, ())] * 3


def test_the_cache_is_the_one_that_the_library_would_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("", "XDG_CACHE_HOME", "HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"):
        if name:
            monkeypatch.setenv(name, f"$HOME/{name}")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert str(cache_folder()) == done.stdout.strip()


def test_a_model_is_opened_by_its_name(hub: HubStub, tmp_path: Path) -> None:
    tiny = bert_reranker(tmp_path / "tiny")
    commit = hub.put(
        "owner/tiny", {name: (tiny.folder / name).read_bytes() for name in files_in(tiny.folder)}
    )
    passages = ["bread needs flour", "jam", "word " * 700]
    opened, from_folder = open_reranker("owner/tiny"), open_reranker(str(tiny.folder))
    assert (opened.name, opened.revision.split("/")[0]) == ("owner/tiny", commit)
    expected = from_folder.score("bread", passages)
    assert opened.score("bread", passages).values.tolist() == expected.values.tolist()


# ── whom the user is to the hub ──


def test_the_token_goes_to_the_hub_and_to_nobody_else(hub: HubStub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.put("owner/closed", FILES, gated=True, private=True)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    get("owner/closed")
    sent = {(asked.host, asked.headers.get("authorization")) for asked in hub.requests}
    assert sent == {("hub", f"Bearer {hub.token}"), ("storage", None)}


def test_a_gated_model_says_how_to_get_it(hub: HubStub) -> None:
    hub.put("owner/gated", FILES, gated=True)
    error = refused("owner/gated")
    assert isinstance(error, RemoteRefused)
    assert "`owner/gated` is for those who have accepted its terms" in error.message
    assert error.hint
    assert "HF_TOKEN" in error.hint
    assert "./model" in error.hint


def test_a_private_model_is_as_one_that_is_not_there(hub: HubStub) -> None:
    hub.put("owner/private", FILES, private=True)
    said = {name: refused(name).message.replace(name, "…") for name in ("owner/private", "owner/none")}
    assert len({*said.values()}) == 1


def test_a_wrong_token_is_a_refusal_that_does_not_repeat_it(
    hub: HubStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong0123456789")
    message = "Invalid credentials in Authorization header: hf_wrong0123456789"
    hub.then("/main", status(401, message, headers={"X-Error-Message": message}))
    error = refused()
    assert isinstance(error, RemoteRefused)
    assert "hf_wrong" not in error.message
    assert "401 Unauthorized" in error.message


def test_nothing_is_told_about_the_machine_or_to_anybody_else(hub: HubStub) -> None:
    get()
    agents = {asked.headers["user-agent"] for asked in hub.requests}
    assert len(agents) == 1
    assert not {"torch", "agent"} & {part.split("/")[0].strip() for part in agents.pop().split(";")}
    assert all(NAME in asked.path for asked in hub.requests if asked.host == "hub")


# ── what goes wrong ──


@pytest.mark.parametrize("name", ["owner/none", "owner/a--b", f"{NAME}@v9", f"{NAME}@{'0' * 40}"])
def test_what_is_not_there_is_an_unknown_model(hub: HubStub, name: str) -> None:
    error = refused(name)
    assert isinstance(error, UnknownModel)
    assert name.split("@")[0] in error.message


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (400, RemoteRefused),
        (403, RemoteRefused),
        (451, RemoteRefused),
        (429, RemoteUnavailable),
        (500, RemoteUnavailable),
        (503, RemoteUnavailable),
    ],
)
def test_an_error_of_the_hub_is_a_refusal_or_may_pass(
    hub: HubStub, code: int, expected: type[VaiError]
) -> None:
    hub.then("/main", status(code, "so says\n\x1b[31mthe hub"))
    error = refused()
    assert type(error) is expected
    assert f"answered {code} " in error.message
    assert error.message.endswith("for `owner/model`: so says [31mthe hub")


def test_an_error_in_the_middle_of_a_download_leaves_nothing_that_is_used(hub: HubStub) -> None:
    hub.then("model.onnx", *[status(503, "busy")] * 20)
    assert isinstance(refused(), RemoteUnavailable)
    hub.behave()
    assert files_in(get().folder) == NEEDED


def test_a_download_that_breaks_off_goes_on_from_there(hub: HubStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1_000)
    network = FILES["onnx/model.onnx"]
    hub.then(hashlib.sha256(network).hexdigest(), cut_off(2_000))
    folder = get().folder
    assert (folder / "onnx/model.onnx").read_bytes() == network
    assert [asked.headers.get("range") for asked in hub.requests if asked.host == "storage"] == [
        None,
        "bytes=2000-",
    ]


def test_a_download_that_was_stopped_leaves_nothing_that_is_used(
    hub: HubStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("huggingface_hub.file_download.http_get", stopped)
        get()
    assert pins() == []
    assert files_in(get().folder) == NEEDED


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"{}", b"null"])
def test_an_answer_that_is_no_description_is_a_failure(hub: HubStub, answer: bytes) -> None:
    hub.then("/main", raw(answer))
    assert isinstance(refused(), RemoteUnavailable)


@pytest.mark.parametrize("commit", [None, "main", "../../elsewhere", "0" * 39])
def test_an_answer_without_a_commit_is_a_failure(hub: HubStub, commit: str | None) -> None:
    hub.then("/main", edited(lambda answer: answer.update(sha=commit)))
    error = refused()
    assert isinstance(error, RemoteUnavailable)
    assert error.message.endswith("names no commit")


def test_files_outside_of_the_folder_are_never_written(hub: HubStub, tmp_path: Path) -> None:
    """Such a name is none that a network's weights could have, and is not asked for."""
    hub.put("owner/evil", {**FILES, "onnx/model.onnx_data/../../../../../../../stolen": b"x"})
    fetched("owner/evil", "reranker", say=lambda _: None)
    assert not list(tmp_path.rglob("stolen"))
    assert not [request for request in hub.requests if "stolen" in request.path]


def test_a_hub_that_says_nothing_is_given_up(hub: HubStub) -> None:
    hub.then("/main", silent())
    error = refused(timeout_s=0.05)
    assert isinstance(error, RemoteUnavailable)
    assert "did not answer in time" in error.message


def test_a_download_that_stalls_is_given_up(hub: HubStub) -> None:
    hub.then("config.json", *[stalling(10)] * 30)
    assert isinstance(refused(timeout_s=0.05), RemoteUnavailable)


def test_a_hub_that_hangs_up_cannot_be_reached(hub: HubStub) -> None:
    hub.then("/main", hung_up())
    error = refused()
    assert isinstance(error, RemoteUnavailable)
    assert "cannot be reached" in error.message


def test_a_hub_that_is_not_there_cannot_be_reached(hub: HubStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    error = refused()
    assert isinstance(error, RemoteUnavailable)
    assert error.message.startswith("the hub at http://127.0.0.1:1 cannot be reached, for `owner/model`: ")
    assert error.hint
    assert "./model" in error.hint


def test_a_full_disk_is_said(hub: HubStub) -> None:
    hub.put("owner/larger", {**FILES, "onnx/model.onnx": bytes(60_000)})
    with largest_file(20_000):
        error = refused("owner/larger")
    assert isinstance(error, StoreFull)
    assert "no room is left" in error.message
    assert files_in(get("owner/larger").folder) == NEEDED


def test_a_cache_that_cannot_be_written_to_is_said(
    hub: HubStub, unprivileged: Unprivileged, monkeypatch: pytest.MonkeyPatch
) -> None:
    get()  # all that is imported late is there before rights are lost
    monkeypatch.setenv("HF_HOME", str(unprivileged.folder))
    with unprivileged.acting():
        error = refused()
    assert isinstance(error, StoreReadOnly)
    assert error.message == f"`{unprivileged.folder}/hub` cannot be written to, so `{NAME}` cannot be fetched"


def test_a_cache_that_cannot_be_read_holds_nothing(
    unprivileged: Unprivileged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(unprivileged.folder))
    cache_folder().mkdir()
    with unprivileged.acting(unreadable=unprivileged.folder):
        assert pins() == []


# ── without a network ──


def test_offline_what_has_been_fetched_is_used(hub: HubStub, monkeypatch: pytest.MonkeyPatch) -> None:
    located = get()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert get() == located


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_nobody_is_asked(hub: HubStub, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    error = refused()
    assert isinstance(error, UnknownModel)
    assert error.message == "`owner/model` has not been fetched, and HF_HUB_OFFLINE says not to ask the hub"
    with pytest.raises(UnknownModel, match="cannot be pulled"):
        pulled(NAME, say=print)
    assert hub.requests == []


def test_offline_what_another_program_fetched_is_used_if_it_is_all_there(
    hub: HubStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    located = get()
    folder = located.folder.parents[1]
    shutil.rmtree(folder / "vai")
    listing = {"files": {name: {"size": len(content)} for name, content in FILES.items()}}
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "has not been fetched" in refused().message
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(str(located.revision))
    assert "has not been fetched" in refused().message
    (folder / "trees").mkdir()
    (folder / "trees" / f"{located.revision}.json").write_text(json.dumps(listing))
    assert get() == located
    (located.folder / "tokenizer.json").unlink()
    assert "has not been fetched" in refused().message


# ── what can be run ──


@pytest.fixture
def pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra were installed."""
    monkeypatch.setattr("vai.models.local.pytorch.is_installed", lambda: True)


@pytest.fixture
def no_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were not."""
    monkeypatch.setattr("vai.models.local.pytorch.is_installed", lambda: False)


WITHOUT_NETWORK = {name: content for name, content in FILES.items() if not name.startswith("onnx/")}


@pytest.mark.usefixtures("no_pytorch")
def test_weights_for_pytorch_are_not_fetched_without_it(hub: HubStub) -> None:
    hub.put("owner/torch", WITHOUT_NETWORK)
    error = refused("owner/torch")
    assert isinstance(error, UnsupportedModel)
    assert error.hint
    assert "`pip install 'vai-retrieval[torch]'`" in error.hint
    assert hub.asked_for("HEAD") == []


@pytest.mark.usefixtures("pytorch")
def test_weights_for_pytorch_are_fetched_where_there_is_no_network(hub: HubStub) -> None:
    more = {
        "vocab.txt": b"a",
        "2_Dense/config.json": b"{}",
        "2_Dense/model.safetensors": b"x",
        "openvino/openvino_model.xml": b"x",
        "data/eval.json": b"x",
        "tf_model.h5": b"x",
    }
    hub.put("owner/torch", {**WITHOUT_NETWORK, **more})
    assert files_in(get("owner/torch").folder) == [
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]


@pytest.mark.usefixtures("pytorch")
@pytest.mark.parametrize("weights", ["pytorch_model.bin", "model.gguf", "2_Dense/model.safetensors"])
def test_a_model_without_weights_that_are_safe_to_open_is_refused(hub: HubStub, weights: str) -> None:
    hub.put("owner/pickled", {"config.json": CONFIG, "tokenizer.json": b"{}", weights: b"x"})
    error = refused("owner/pickled")
    assert isinstance(error, UnsupportedModel)
    assert "neither ONNX nor safetensors" in error.message
    assert hub.asked_for("HEAD") == []


def test_a_network_without_its_tokenizer_is_refused_before_it_is_fetched(hub: HubStub) -> None:
    hub.put("owner/bare", {"config.json": CONFIG, "model.onnx": bytes(9_000)})
    error = refused("owner/bare")
    assert isinstance(error, UnsupportedModel)
    assert error.message == "`owner/bare` has no `tokenizer.json`, without which its network cannot be run"
    assert hub.asked_for("HEAD") == []


def test_a_model_that_is_too_large_is_refused_before_it_is_fetched(hub: HubStub) -> None:
    def enlarge(answer: dict[str, list[dict[str, object]]]) -> None:
        for file in answer["siblings"]:
            file["size"] = MOST_BYTES if file["rfilename"] == "onnx/model.onnx" else 100_000_000

    hub.then("/main", edited(enlarge))
    error = refused()
    assert isinstance(error, UnsupportedModel)
    assert error.message == "`owner/model` is too large: 5.2 GB, and 5.0 GB is the most"
    assert hub.asked_for("HEAD") == []


@pytest.mark.parametrize("off", [-1, 1])
def test_a_model_of_another_size_than_was_said_is_not_used(hub: HubStub, off: int) -> None:
    """It would be fetched again whenever it is named."""

    def lie(answer: dict[str, list[dict[str, int]]]) -> None:
        for file in answer["siblings"]:
            file["size"] += off

    hub.then("/main", edited(lie))
    error = refused()
    assert isinstance(error, RemoteUnavailable)
    assert error.message == "what the hub sent of `owner/model` is not as large as it had said"


def test_a_model_whose_size_is_not_said_is_refused(hub: HubStub) -> None:
    hub.then("/main", edited(lambda answer: answer["siblings"][-1].pop("size")))
    assert isinstance(refused(), RemoteUnavailable)


# ── what it is ──


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"config.json": {"architectures": ["XLMRobertaForSequenceClassification"]}}, "reranker"),
        ({"config.json": {"architectures": ["BertModel"]}}, None),
        ({"config.json": {"architectures": None}}, None),
        ({"config.json": []}, None),
        ({"config.json": {"architectures": ["BertModel"]}, "modules.json": [{"idx": 0}]}, "embedder"),
        ({"config_sentence_transformers.json": {"model_type": "SentenceTransformer"}}, "embedder"),
        (
            {
                "config_sentence_transformers.json": {"model_type": "CrossEncoder"},
                "modules.json": [{"idx": 0}],
            },
            "reranker",
        ),
        ({}, None),
    ],
)
def test_the_files_tell_what_a_model_is(tmp_path: Path, files: dict[str, object], kind: str | None) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert kind_of(tmp_path) == kind


def test_a_model_that_does_not_tell_what_it_is_has_to_be_said(hub: HubStub) -> None:
    hub.put("owner/silent", {**FILES, "config.json": b"{}"})
    with pytest.raises(InvalidSettings, match="do not tell whether it is an embedder or a reranker"):
        pulled("owner/silent", say=print)
    assert "model.onnx" not in hub.asked_for("HEAD")
    assert pulled("owner/silent", "embedder", say=print).kind == "embedder"


def test_the_library_is_as_quiet_and_as_loud_as_it_was(
    hub: HubStub, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("huggingface_hub")
    before = (logger.level, huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY)
    hub.then("config.json", status(503))
    with warnings.catch_warnings(record=True) as warned:
        get()
    assert (warned, caplog.records, capfd.readouterr()) == ([], [], ("", ""))
    assert (logger.level, huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY) == before


def test_a_pin_is_named_as_it_is_asked_for() -> None:
    pin = Pin(NAME, "v2", "reranker", "0" * 40, {})
    assert pin.name == f"{NAME}@v2"
