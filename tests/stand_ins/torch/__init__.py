"""As much of PyTorch as `vai.models.local.pytorch` uses, over NumPy."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

THREADS = [0]
"""What `set_num_threads` was told last."""
_MODE = threading.local()


class Tensor:
    """An array that can be asked for what PyTorch's tensors are asked for."""

    def __init__(self, values: NDArray[np.generic]) -> None:
        self.values = values

    def __getitem__(self, index: int) -> Tensor:
        return Tensor(self.values[index])

    def float(self) -> Tensor:
        return Tensor(self.values.astype(np.float32))

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> NDArray[np.generic]:
        return self.values


def tensor(values: Sequence[Sequence[int]], *, device: str) -> Tensor:
    assert device == "cpu"
    return Tensor(np.array(values, dtype=np.int64))


def set_num_threads(count: int) -> None:
    THREADS[0] = count


@contextlib.contextmanager
def inference_mode() -> Iterator[None]:
    _MODE.inferring = True
    try:
        yield
    finally:
        _MODE.inferring = False


def is_inference_mode_enabled() -> bool:
    return getattr(_MODE, "inferring", False)
