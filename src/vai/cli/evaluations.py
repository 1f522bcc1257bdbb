"""What the commands share that ask the questions of a test set: their flags, what they open, and their bars."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vai.cli.options import note, together, warn
from vai.cli.output import counted, duration_text
from vai.cli.progress import bars
from vai.collection import Collection
from vai.errors import InvalidSettings

if TYPE_CHECKING:
    from vai.evaluation.data.testsets import TestSet
    from vai.types import IngestReport

test_set_options = together(
    click.option(
        "--test-set",
        "test_set",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help='Questions with what is relevant: JSON or JSONL of {"query", "relevant": [ids or paths]}, a folder or zip '
        "in BEIR's layout, or TREC's judgements.",
    ),
    click.option(
        "--topics",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="The questions of TREC's judgements.",
    ),
    click.option(
        "--split",
        default="test",
        metavar="NAME",
        help="Which judgements of a set in BEIR's layout.  [default: test]",
    ),
    click.option(
        "--corpus",
        metavar="beir:PATH",
        help="Ingest the corpus of a folder or zip in BEIR's layout first, into a store of its own that is used again, "
        "and ask its questions.",
    ),
    click.option(
        "--no-chunking",
        "chunking",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Make every document of the --corpus one chunk, as published figures have it.",
    ),
    click.option(
        "--ignore-missing",
        is_flag=True,
        help="Leave out judged ids that are not in the collection, and questions of which nothing relevant is left.",
    ),
)
"""Their parameters are the fields of `Subject`, but for --ignore-missing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Of what which questions are to be asked, as the flags say it."""

    test_set: Path | None
    topics: Path | None
    split: str
    corpus: str | None
    chunking: bool
    collection: str | None
    store: Path
    max_usd: float | None
    quiet: bool

    @property
    def shown(self) -> bool:
        """Whether somebody looks at bars."""
        return sys.stderr.isatty() and not self.quiet


@contextmanager
def opened(subject: Subject) -> Iterator[tuple[Collection, TestSet]]:
    """The collection, which is closed in the end, and the questions; a corpus is ingested first.

    Raises:
        InvalidSettings, PathNotFound: flags contradict each other, or there is no such test set or corpus.
        and all that opening a collection, or an ingest, raises.
    """
    from vai.evaluation.data.testsets import read_test_set

    _refuse_contradictions(subject)
    questions = None
    if subject.test_set is not None:
        questions = read_test_set(subject.test_set, split=subject.split, topics=subject.topics)
    with ExitStack() as open_things:
        if subject.corpus is not None:
            collection, own = _prepared(subject.corpus, subject)
            open_things.callback(collection.close)
            questions = questions or own
        else:
            collection = open_things.enter_context(
                Collection.open(
                    subject.store,
                    subject.collection,
                    create=False,
                    max_usd=subject.max_usd,
                    say=partial(note, quiet=subject.quiet),
                )
            )
        assert questions is not None, "one of the two flags is there"
        yield collection, questions


def _refuse_contradictions(subject: Subject) -> None:
    if subject.test_set is None and subject.corpus is None:
        raise InvalidSettings(
            "no question is there to ask: give --test-set PATH or --corpus beir:PATH",
            hint="`vai testset FILE.jsonl` makes a test set to begin with from your own text",
        )
    if subject.topics is not None and subject.test_set is None:
        raise InvalidSettings(f"--topics {subject.topics} goes with --test-set, which is not there")
    if subject.corpus is None and not subject.chunking:
        raise InvalidSettings(
            "--no-chunking goes with --corpus: the collection was ingested already",
            hint="`vai ingest --no-chunking` makes one of whole documents",
        )
    if subject.corpus is not None and subject.collection is not None:
        raise InvalidSettings(
            f"--corpus and --collection {subject.collection} contradict each other: a corpus has its own"
        )


def _prepared(corpus: str, subject: Subject) -> tuple[Collection, TestSet]:
    from vai.evaluation.data.corpora import prepare_corpus

    with bars(shown=subject.shown) as progress:
        prepared = prepare_corpus(
            corpus,
            store=subject.store if subject.store.is_absolute() else None,
            split=subject.split,
            chunking=subject.chunking,
            max_usd=subject.max_usd,
            say=partial(note, quiet=subject.quiet),
            progress=progress.ingest,
            index_progress=progress.index,
        )
    note(_ingested(prepared.ingest, prepared.collection), quiet=subject.quiet)
    warn(prepared.ingest.warnings, quiet=subject.quiet)
    return prepared.collection, prepared.test_set


def _ingested(report: IngestReport, collection: Collection) -> str:
    where = f"`{collection.name}` in `{collection.root}`"
    if not report.added + report.changed + report.removed:
        return f"{counted(report.unchanged, 'document')} unchanged in {where}"
    return f"{counted(report.added + report.changed, 'document')} ingested in {duration_text(report.seconds)}: {where}"
