"""Bars on a terminal, on standard error; nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vai.types import IndexProgress, IngestProgress

if TYPE_CHECKING:
    from rich.progress import Progress


@dataclass(frozen=True, slots=True)
class Bars:
    """What is to be told of progress; None where nobody looks."""

    ingest: Callable[[IngestProgress], None] | None = None
    index: Callable[[IndexProgress], None] | None = None
    chunks: Callable[[int], None] | None = None


@contextmanager
def bars(total: int | None = None, *, shown: bool) -> Iterator[Bars]:
    """A bar for the work (`total` in its units, None if not known), and one for the index when its turn comes."""
    if not shown:
        yield Bars()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Drawn(progress, total).bars()


STEPS = {
    "embed": "embedding the questions",
    "search": "searching",
    "read": "reading the candidates",
    "time": "timing",
}
"""What the steps of an evaluation are called."""


@contextmanager
def steps(*, shown: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar for each step of an evaluation, when its turn comes; None where nobody looks."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        tasks = {name: progress.add_task(called, total=None, visible=False) for name, called in STEPS.items()}

        def update(step: str, done: int, of: int) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=None)
            progress.update(tasks[step], completed=done, total=of, visible=True)

        yield update


class _Drawn:
    """Bars that come to be when there is something to show."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._progress = progress
        self._work = progress.add_task("looking", total=total, rate="")
        self._index = progress.add_task("building the index …", total=None, rate="", visible=False)

    def bars(self) -> Bars:
        return Bars(self._ingest, self._build, self._chunks)

    def _ingest(self, at: IngestProgress) -> None:
        elapsed = self._progress.tasks[0].elapsed or 0.0
        done, unit = (at.tokens, "tokens/s") if at.tokens else (at.chunks, "chunks/s")
        rate = f"{done / elapsed:,.0f} {unit}" if elapsed and done else ""
        self._progress.update(self._work, completed=at.bytes, description=f"{at.files:,} files", rate=rate)

    def _build(self, at: IndexProgress) -> None:
        self._progress.update(self._index, completed=at.done, total=at.chunks, visible=True)

    def _chunks(self, written: int) -> None:
        self._progress.update(self._work, completed=written, description=f"{written:,} chunks")
