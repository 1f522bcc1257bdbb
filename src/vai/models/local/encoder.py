"""A tokenizer and a network on ONNX Runtime, as fast as a processor runs them.

One text per call and no padding: on a CPU a batch only adds padding to compute, and with dynamic quantisation a
text's values would depend on its neighbours. Instead there is a thread per core, each running one text at a time
through the same session (the run releases the interpreter lock).
"""

from __future__ import annotations

import math
import os
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from vai.arrays import Vector

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

    from vai.models.local.recipes import Output, Recipe
    from vai.types import Span

Item = TypeVar("Item")

SLICE = 32
"""Texts tokenised at a time: enough for the tokenizer to use every core, and few enough for a deadline."""

PIECE = 1 << 16
"""Characters tokenised at a time, of one text or several: what the tokenizer says of them is a hundred times their
size, and it cannot be stopped."""


# ── the tokenizer ────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=4)
def load_tokenizer(path: Path, lower_case: bool = False) -> Tokenizer:
    """The tokenizer in a `tokenizer.json`, without its own truncation and padding; kept, since models share it.

    Args:
        lower_case: whether texts become lower case before anything else is done to them.
    """
    from tokenizers import Tokenizer, normalizers

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if lower_case:
        own = [tokenizer.normalizer] if tokenizer.normalizer else []
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
    return tokenizer


def pieces_of(text: str) -> Iterator[tuple[int, str]]:
    """A text in pieces that no token reaches across, each with its offset.

    They end before a single space between two words, since tokens of most models begin with it; where there is
    none, behind white space; where there is none of that either, they end anywhere.
    """
    start = 0
    while start < len(text):
        stop = start + PIECE
        if stop < len(text):
            stop = _before_single_space(text, start, stop) or _behind_white_space(text, start, stop) or stop
        yield start, text[start:stop]
        start = stop


def _before_single_space(text: str, start: int, stop: int) -> int | None:
    place = text.rfind(" ", start + 1, stop)
    while place > start:
        if not text[place - 1].isspace() and not text[place + 1 : place + 2].isspace():
            return place
        place = text.rfind(" ", start + 1, place)
    return None


def _behind_white_space(text: str, start: int, stop: int) -> int | None:
    behind = max(text.rfind(" ", start, stop), text.rfind("\n", start, stop)) + 1
    return behind if behind > start else None


def _together(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts that are tokenised at a time: `SLICE` at most, and of no more than a `PIECE`, or else one."""
    first, total = 0, 0
    for place, text in enumerate(texts):
        if place > first and (place - first == SLICE or total + len(text) > PIECE):
            yield texts[first:place]
            first, total = place, 0
        total += len(text)
    if first < len(texts):
        yield texts[first:]


def _readable(text: str) -> str:
    """The text with "?" for lone surrogates (from an argument that was not UTF-8), which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode()


def _encoded(tokenizer: Tokenizer, text: str) -> Iterator[tuple[int, Encoding]]:
    """The tokens of a text without special ones, a piece at a time, each with the offset of the piece."""
    for start, piece in pieces_of(_readable(text)):
        yield start, tokenizer.encode(piece, add_special_tokens=False)


def token_ends(tokenizer: Tokenizer, text: str) -> Sequence[int]:
    """For each token of a text, the offset of the character after it."""
    ends = array("q")
    for start, encoding in _encoded(tokenizer, text):
        ends.extend(start + end for _, end in encoding.offsets)
    return ends


# ── the network ──────────────────────────────────────────────────────────────────────────────────


class Runs(Protocol):
    """What makes a vector, or a logit, of one row of tokens; called from several threads."""

    def run(self, ids: Sequence[int], types: Sequence[int]) -> Vector:
        """float32 [d] of one text, or [1] of one pair; `types` are those of the tokens."""
        ...


class Network:
    """An ONNX session, told what it asks for, and of what it gives the one output that is wanted.

    Args:
        path: the network.
        outputs: what is known how to be used, the best first.
        full_range: whether int8 weights use all of their range. Without VNNI x86 processors add up products in
            16 bits, which overflow then and give silently wrong numbers; ONNX Runtime takes slower kernels on
            such processors, and changes nothing on others, where `session.x64quantprecision` tells it to (see
            `MlasPlatformU8S8Overflow` in its source).
        first_position: of the first token, where it asks for positions.

    Raises:
        ValueError: it asks for, or gives, something that is not known. ONNX Runtime has errors of its own.
    """

    def __init__(
        self, path: Path, outputs: Sequence[Output], *, full_range: bool, first_position: int
    ) -> None:
        # From 1.29 on the runtime reports its use to its maker as soon as it is imported, unless it is told not to.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # it raises what it logs
        if full_range:
            options.add_session_config_entry("session.x64quantprecision", "1")
        self._session: Any = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {each.name: _number_type(each.name, each.type) for each in self._session.get_inputs()}
        self._first_position = first_position
        self.output = _chosen(outputs, self._session.get_outputs())

    def run(self, ids: Sequence[int], types: Sequence[int]) -> Vector:
        """What it makes of one text: the wanted output, after the steps that come behind it."""
        feeds: dict[str, Any] = {
            name: np.array([self._fed(name, ids, types)], kind) for name, kind in self._inputs.items()
        }
        value = np.asarray(self._session.run([self.output.name], feeds)[0][0], dtype=np.float32)
        for step in self.output.steps:
            value = step(value)
        return value

    def _fed(self, name: str, ids: Sequence[int], types: Sequence[int]) -> Sequence[int]:
        if name == "input_ids":
            return ids
        if name == "token_type_ids":
            return types
        if name == "attention_mask":
            return [1] * len(ids)
        return range(self._first_position, self._first_position + len(ids))


def _number_type(name: str, kind: str) -> type:
    known = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    if name not in {"input_ids", "token_type_ids", "attention_mask", "position_ids"} or kind not in known:
        raise ValueError(f"its network asks for `{name:.60}` ({kind}), which is not known")
    return known[kind]


def _chosen(outputs: Sequence[Output], given: Sequence[Any]) -> Output:
    for output in outputs:
        if output.name in {each.name for each in given}:
            return output
    names = ", ".join(f"`{each.name}`" for each in given)
    raise ValueError(f"its network gives {names:.200}, of which nothing is known how to be used")


# ── both together ────────────────────────────────────────────────────────────────────────────────


class Encoder:
    """A tokenizer and its network, which any number of threads run one text at a time.

    Args:
        recipe: the model.
        threads: how many texts to run at a time.
        network: what runs it; the recipe's ONNX network on ONNX Runtime, if None.

    Raises:
        VaiError: as the recipe says of a model that cannot be loaded.
    """

    def __init__(self, recipe: Recipe, *, threads: int, network: Runs | None = None) -> None:
        self._recipe = recipe
        self._threads = threads
        try:
            self.tokenizer = load_tokenizer(recipe.tokenizer.resolve(), recipe.lower_case)
            self._network = network or Network(
                recipe.network,
                recipe.outputs,
                full_range=recipe.full_range,
                first_position=recipe.first_position,
            )
        except Exception as error:  # neither library has a class for it
            raise recipe.unusable(str(error)) from error

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="vai-model")

    def token_ids(
        self, texts: Sequence[str], *, enough: float = math.inf, deadline: float = math.inf
    ) -> Iterator[Sequence[int]]:
        """Token ids of each text, without special tokens; some texts are tokenised ahead.

        Args:
            enough: of a text with more tokens than that, only some are given, but more than that.
            deadline: a `time.monotonic()` time from which on a text may be given in part.
        """
        for group in _together(texts):
            if len(group) == 1 and len(group[0]) > PIECE:
                yield self._ids_of_long(group[0], enough, deadline)
            else:
                readable = [_readable(text) for text in group]
                for encoding in self.tokenizer.encode_batch_fast(readable, add_special_tokens=False):
                    yield encoding.ids

    def _ids_of_long(self, text: str, enough: float, deadline: float) -> Sequence[int]:
        ids: list[int] = []
        for _, encoding in _encoded(self.tokenizer, text):
            ids += encoding.ids
            if len(ids) > enough or time.monotonic() >= deadline:
                break
        return ids

    def token_ends(self, text: str) -> Sequence[int]:
        """For each token of a text, the offset of the character after it."""
        return token_ends(self.tokenizer, text)

    def token_spans(self, text: str, count: int) -> Sequence[Span]:
        """Where each of a text's first `count` tokens, at least, begins and ends, in characters."""
        spans: list[Span] = []
        for start, encoding in _encoded(self.tokenizer, text):
            spans.extend((start + begin, start + end) for begin, end in encoding.offsets)
            if len(spans) >= count:
                break
        return spans

    def run(self, ids: Sequence[int], types: Sequence[int]) -> Vector:
        """The network's output for one text.

        Raises:
            VaiError: it fails, as it does where its files promise more than it can read.
        """
        try:
            return self._network.run(ids, types)
        except Exception as error:  # neither ONNX Runtime nor PyTorch has one class for it
            raise self._recipe.unusable(str(error)) from error

    def each(self, items: Iterator[Item], work: Callable[[Item], None]) -> None:
        """Do `work` on every item, on all threads.

        Items are begun in order, and taken only when a thread is free: what makes them runs ahead of nobody.
        """
        lock, failures = Lock(), list[BaseException]()

        def take() -> Item | None:
            with lock:
                return None if failures else next(items, None)

        def drain() -> None:
            try:
                while (item := take()) is not None:
                    work(item)
            except BaseException as failure:
                failures.append(failure)
                raise

        helpers = [self._pool.submit(drain) for _ in range(self._threads - 1)]
        try:
            drain()
        finally:
            # one that has not begun waits for another caller's work, and has nothing to do any more
            begun = [helper for helper in helpers if not helper.cancel()]
            wait(begun)
        for helper in begun:
            helper.result()
