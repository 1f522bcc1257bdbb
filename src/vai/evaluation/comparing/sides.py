"""The two sides of a comparison: rankings of the same questions, of configurations or out of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Unpack

from vai.collection import Collection
from vai.errors import InvalidSettings, PathNotFound
from vai.evaluation.data.matching import Matched, Unit, match
from vai.evaluation.data.testsets import TestSet
from vai.evaluation.data.trec import Run, read_run
from vai.evaluation.evaluating.foreign import ForeignRun, Rankings, judged_run
from vai.evaluation.replaying.announcing import announce_reading
from vai.evaluation.replaying.bench import Bench, Configuration, Progress
from vai.evaluation.replaying.configurations import changed
from vai.evaluation.replaying.pools import unit_of
from vai.evaluation.replaying.replay import Replay
from vai.evaluation.replaying.specs import Spec, parse_spec
from vai.planning import QueryOptions


@dataclass(frozen=True, slots=True)
class RunFile:
    """A run in TREC's form, and the file that it is in."""

    path: Path
    run: Run


Named = Spec | RunFile
"""What a user can name as a side."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side: the units that it ranks for each question, by id, best first.

    `configuration` is None for a file, `file` for a configuration; `collection` where none was asked.
    """

    name: str
    rankings: Rankings
    configuration: Configuration | None = None
    file: str | None = None
    collection: str | None = None


@dataclass(frozen=True, slots=True)
class Duel:
    """Both sides, and the questions that both answer.

    Args:
        name: of the test set, or of the file of questions; None where the questions are only known by their ids.
        texts: of the questions by id, "" where they are not known.
        grades: by the ids of questions; None where nothing was judged.
        unit: what is ranked; None where only the files know.
    """

    a: Side
    b: Side
    name: str | None
    texts: Mapping[str, str]
    grades: Mapping[str, Mapping[str, int]] | None
    unit: Unit | None
    warnings: tuple[str, ...] = ()


def named(text: str) -> Named:
    """What a user means by a side: the run in the file of that name if there is one, else a configuration.

    Raises:
        PathNotFound: it looks like a file, and there is none.
        InvalidSettings: it is neither a run nor a configuration.
    """
    path = Path(text)
    try:
        if path.is_file():
            return RunFile(path, read_run(path))
    except (OSError, ValueError):  # no file can have such a name
        pass
    if "=" not in text and (path.suffix or "/" in text or "\\" in text):
        raise PathNotFound(
            f"there is no run at `{text}`",
            hint="a side is a file in TREC's form, or a configuration, as in `limit=50 blend=0.3`",
        )
    return parse_spec(text)


# ── two files ──


def files_alone(a: RunFile, b: RunFile, test_set: TestSet | None) -> Duel:
    """Two runs as they are, without any collection.

    Raises:
        InvalidSettings: they, or they and the test set, are about different questions.
    """
    first, second = (Side(_tag(file), _units(file.run), file=str(file.path)) for file in (a, b))
    if test_set is None:
        return _without_test_set(first, second)
    first, second = _asked(first, test_set), _asked(second, test_set)
    warnings = (*_unanswered(first, test_set), *_unanswered(second, test_set))
    return Duel(first, second, test_set.name, test_set.queries, test_set.grades, None, warnings)


def _without_test_set(a: Side, b: Side) -> Duel:
    both = [query for query in a.rankings if query in b.rankings]
    if not both:
        raise InvalidSettings(f"`{a.file}` and `{b.file}` have no question in common")
    lonely = len(a.rankings) + len(b.rankings) - 2 * len(both)
    warnings = (
        (f"{lonely:,} questions are ranked in one of the files only, and were left out",) if lonely else ()
    )
    return Duel(a, b, None, dict.fromkeys(both, ""), None, None, warnings)


def _asked(side: Side, test_set: TestSet) -> Side:
    """The rankings of the questions of a test set."""
    asked = {query: side.rankings[query] for query in test_set.queries if query in side.rankings}
    if not asked:
        raise InvalidSettings(
            f"`{side.file}` ranks nothing for the {len(test_set.queries):,} questions of `{test_set.name}`",
            hint="a run is judged by the test set that its questions are from",
        )
    if test_set.own_documents:
        asked = {query: [unit for unit in units if unit != query] for query, units in asked.items()}
    judged = set(test_set.judged)
    if not any(unit in judged for units in asked.values() for unit in units):
        raise InvalidSettings(
            f"nothing that `{side.file}` ranks was judged in `{test_set.name}`",
            hint="its ids have to be those of the test set: of documents, or of chunks, as they were judged",
        )
    return replace(side, rankings=asked)


def _unanswered(side: Side, test_set: TestSet) -> Iterator[str]:
    lacking = len(test_set.queries) - len(side.rankings)
    if lacking:
        yield f"`{side.file}` has no ranking for {lacking:,} of the questions, which count as 0"


def _units(run: Run) -> Rankings:
    return {query: [unit for unit, _ in ranking] for query, ranking in run.rankings.items()}


def _tag(file: RunFile) -> str:
    return file.run.name or file.path.stem


# ── a collection, or two ──


def ask_both(
    a: tuple[Named, Collection],
    b: tuple[Named, Collection],
    test_set: TestSet,
    *,
    judged: bool = True,
    ignore_missing: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    **options: Unpack[QueryOptions],
) -> Duel:
    """Ask each side every question. The two may be about two collections, as to compare two embedders.

    Args:
        test_set: the questions; without `judged` what it says of their answers does not count.
        ignore_missing: leave out ids that are not in a collection.
        progress: is told how far it has come.
        say: is told in a sentence what takes long.
        options: of a query, where a configuration says nothing else.

    Raises:
        InvalidSettings: ids are missing, the two collections were judged otherwise, or options contradict each other.
        RemoteFailure, BudgetSpent: not every candidate could be read.
        and all that opening models raises.
    """
    collections = list(dict.fromkeys((a[1], b[1])))
    if judged:
        matched = [match(test_set, collection, ignore_missing=ignore_missing) for collection in collections]
    else:
        matched = [Matched(test_set, _unit_shown(a, b)) for _ in collections]
    matched = _in_common(matched, test_set)
    asking = _Asking(options, ignore_missing, progress, say)
    sides: list[Side] = []
    for collection, questions in zip(collections, matched, strict=True):
        sides += asking.sides(
            [given for given, asked in (a, b) if asked is collection], collection, questions
        )
    return Duel(
        sides[0],
        sides[1],
        name=test_set.name,
        texts=matched[0].test_set.queries,
        grades=_joined(matched) if judged else None,
        unit=matched[0].unit,
        warnings=(*_left_out(matched), *asking.warnings),
    )


def _unit_shown(a: tuple[Named, Collection], b: tuple[Named, Collection]) -> Unit:
    """What is compared where nothing was judged: what users see, unless chunks of the two sides are not the same."""
    comparable = a[1] is b[1] and isinstance(a[0], Spec) and isinstance(b[0], Spec)
    return "chunk" if comparable else "document"


def _in_common(matched: Sequence[Matched], test_set: TestSet) -> list[Matched]:
    """Each without the questions that another one lacks."""
    if len({one.unit for one in matched}) > 1:
        raise InvalidSettings(
            f"`{test_set.name}` judges documents of one of the collections, and chunks of the other"
        )
    both = [
        query
        for query in matched[0].test_set.queries
        if all(query in one.test_set.queries for one in matched)
    ]
    return [
        replace(
            one,
            test_set=replace(
                one.test_set,
                queries={query: one.test_set.queries[query] for query in both},
                grades={query: one.test_set.grades[query] for query in both},
            ),
        )
        for one in matched
    ]


def _joined(matched: Sequence[Matched]) -> dict[str, Mapping[str, int]]:
    """What is judged of a question in any of the collections."""
    return {
        query: {unit: grade for one in matched for unit, grade in one.test_set.grades[query].items()}
        for query in matched[0].test_set.grades
    }


def _left_out(matched: Sequence[Matched]) -> Iterator[str]:
    missing = len({unit for one in matched for unit in one.missing})
    if missing:
        gone = f"{missing:,} judged id{' is' if missing == 1 else 's are'} not in the collection"
        lost = max(one.left_out for one in matched)
        yield f"{gone}; {lost:,} question{' was' if lost == 1 else 's were'} left out for that"


@dataclass
class _Asking:
    """What is the same for all that are asked, and what there is to know of it in the end."""

    options: QueryOptions
    ignore_missing: bool
    progress: Progress | None
    say: Callable[[str], None] | None
    warnings: list[str] = field(default_factory=list)

    def sides(self, given: Sequence[Named], collection: Collection, matched: Matched) -> Iterator[Side]:
        """The sides that are about one collection."""
        asked = self._asked([spec for spec in given if isinstance(spec, Spec)], collection, matched)
        for one in given:
            yield next(asked) if isinstance(one, Spec) else self._read(one, collection, matched)

    def _asked(self, specs: Sequence[Spec], collection: Collection, matched: Matched) -> Iterator[Side]:
        if not specs:
            return
        bench = Bench.open(collection, matched, progress=self.progress, **self.options)
        configurations = [bench.configuration(**changed(self.options, spec.options)) for spec in specs]
        replay = Replay.searched(bench, configurations, progress=self.progress)
        if self.say is not None:
            announce_reading(replay, configurations, self.say)
        replay.read(configurations, progress=self.progress)
        self.warnings += collection.remarks
        for spec, configuration in zip(specs, configurations, strict=True):
            yield Side(spec.name, _rankings(replay, configuration), configuration, collection=collection.name)

    def _read(self, file: RunFile, collection: Collection, matched: Matched) -> Side:
        read: ForeignRun = judged_run(
            _tag(file), file.path, file.run, matched, collection, ignore_missing=self.ignore_missing
        )
        self.warnings += read.warnings
        return Side(read.name, read.rankings, file=read.file, collection=collection.name)


def _rankings(replay: Replay, configuration: Configuration) -> Rankings:
    """The units of all hits, best first, by question."""
    final, pools, unit = replay.final(configuration), replay.pools(configuration), replay.bench.matched.unit
    return {
        query: list(
            dict.fromkeys(
                unit_of(pools.ids[number][column], unit)
                for column in final.columns[number, final.kept[number]].tolist()
            )
        )
        for number, query in enumerate(replay.bench.queries)
    }
