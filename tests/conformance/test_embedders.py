"""What every embedder does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tiny_models
from model_stub import ModelStub
from server_stubs import OpenAI
from torch_samples import save_embedder, stand_in
from vai.arrays import Vector
from vai.models.access import Access
from vai.models.catalog import DEFAULT_EMBEDDER, open_embedder
from vai.protocols import Embedder
from voyage_stub import VoyageStub

TEXTS = (
    "How do I run code when the interpreter exits?",
    "",
    "atexit: register functions to be called at normal program termination",
    "Überraschung! 日本語のテキスト 😀 \u200b e\u0301 \x00",
    "word " * 300,
    " \t\n",
    "atexit: register functions to be called at normal program termination",
    "half a character \udc80",
    "x",
)
FLOAT = np.dtype(np.float32)
any_text = st.text(st.characters(codec=None), max_size=60)
relaxed = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


# ── which there are ──────────────────────────────────────────────────────────────────────────────


@contextmanager
def bundled(_: Path) -> Iterator[Embedder]:
    """The one in the package."""
    yield open_embedder(threads=2)


@contextmanager
def hashing(_: Path) -> Iterator[Embedder]:
    """The one for tests."""
    yield open_embedder("hashing")


def in_folder(
    make: Callable[[Path], tiny_models.TinyModel],
) -> Callable[[Path], AbstractContextManager[Embedder]]:
    """One in a folder, named by it."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Embedder]:
        make(folder)
        yield open_embedder(str(folder), threads=2)

    return opened


@contextmanager
def voyage(_: Path) -> Iterator[Embedder]:
    """Voyage's, which talks to a stand-in on this machine."""
    with VoyageStub() as stub:
        access = Access(voyage_key=stub.key, voyage_url=stub.base_url)
        yield open_embedder("voyage-4-large", dimension=256, access=access)


@contextmanager
def openai(_: Path) -> Iterator[Embedder]:
    """A server's in OpenAI's format, which is played by a stand-in on this machine."""
    with ModelStub(OpenAI("m", dimension=96)) as stub:
        yield open_embedder(f"openai:{stub.address}/v1?query_prompt=query:+#m", access=Access())


@contextmanager
def with_pytorch(folder: Path) -> Iterator[Embedder]:
    """One without an ONNX network, which a stand-in for PyTorch runs."""
    with stand_in():
        save_embedder(folder, max_position_embeddings=512)
        yield open_embedder(str(folder), threads=2)


CASES: dict[str, Callable[[Path], AbstractContextManager[Embedder]]] = {
    DEFAULT_EMBEDDER: bundled,
    "hashing": hashing,
    "mean over tokens": in_folder(tiny_models.mean_embedder),
    "first token": in_folder(tiny_models.cls_embedder),
    "PyTorch": with_pytorch,
    "voyage-4-large": voyage,
    "OpenAI's format": openai,
}


@pytest.fixture(scope="module", params=CASES)
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    """Every embedder, loaded once."""
    with CASES[request.param](tmp_path_factory.mktemp("model")) as opened:
        yield opened


# ── what they do ─────────────────────────────────────────────────────────────────────────────────


def test_it_says_who_it_is_and_what_it_takes(embedder: Embedder) -> None:
    assert embedder.name
    assert embedder.revision
    assert embedder.dimension > 0
    assert embedder.max_tokens > 0
    assert all(len(language) == 2 for language in embedder.languages)


def test_vectors_are_float32_of_the_dimension_and_of_unit_length(embedder: Embedder) -> None:
    vectors = embedder.embed_documents(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), embedder.dimension), FLOAT)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    query = embedder.embed_query(TEXTS[0])
    assert (query.shape, query.dtype) == ((embedder.dimension,), FLOAT)
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    vectors = embedder.embed_documents([])
    assert (vectors.shape, vectors.dtype) == ((0, embedder.dimension), FLOAT)


@pytest.fixture(scope="module")
def alone(embedder: Embedder) -> list[Vector]:
    """The vector of each text, embedded by itself."""
    return [embedder.embed_documents([text])[0] for text in TEXTS]


@relaxed
@given(order=st.lists(st.integers(0, len(TEXTS) - 1), max_size=8))
def test_a_text_has_the_same_vector_alone_and_in_any_batch(
    embedder: Embedder, alone: list[Vector], order: list[int]
) -> None:
    """To the last bit; the vectors come in the order of the texts."""
    batch = embedder.embed_documents([TEXTS[index] for index in order])
    for row, index in enumerate(order):
        assert batch[row].tobytes() == alone[index].tobytes()


def test_more_texts_than_are_worked_on_at_a_time_stay_in_order(embedder: Embedder) -> None:
    texts = [f"number {number % 7}" for number in range(600)]
    vectors = embedder.embed_documents(texts)
    assert all(np.array_equal(vectors[row], vectors[row % 7]) for row in range(600))
    assert len({vector.tobytes() for vector in vectors[:7]}) == 7


def test_what_stands_beyond_the_last_token_read_changes_nothing(embedder: Embedder) -> None:
    full, longer = "word " * embedder.max_tokens, "word " * embedder.max_tokens + "another matter " * 1_000
    first, second = embedder.embed_documents([full, longer])
    assert np.array_equal(first, second)
    different = embedder.embed_query("word " * 20 + "another matter")
    assert not np.array_equal(embedder.embed_query("word " * 20), different)


@relaxed
@example(text="e\u0301 \ufb01ne I\u0307stanbul \u338f x\u00adsoft")
@example(text="\ud83d half \udc80 of a pair")
@example(text="a\x00b\u2028c")
@given(text=any_text)
def test_any_text_can_be_measured_and_embedded(embedder: Embedder, text: str) -> None:
    ends = list(embedder.token_ends(text))
    assert ends == sorted(ends)
    assert all(0 < end <= len(text) for end in ends)
    assert np.isfinite(embedder.embed_query(text)).all()


def test_token_ends_say_how_many_tokens_a_text_has_and_where_they_end(embedder: Embedder) -> None:
    assert list(embedder.token_ends("how to exit")) == [3, 6, 11]
    assert list(embedder.token_ends("")) == []
    assert len(embedder.token_ends(" ".join(["word"] * 3_000))) == 3_000


def test_texts_of_one_meaning_are_closer_than_others(embedder: Embedder) -> None:
    query = embedder.embed_query("How can I register functions to run when the program exits?")
    documents = embedder.embed_documents(
        [
            "register functions to be called when the program exits normally",
            "A recipe for a loaf of bread, butter and jam",
            "The stadium was full long before the match began",
        ]
    )
    right, *unrelated = documents @ query
    assert right > max(unrelated) + 0.2
