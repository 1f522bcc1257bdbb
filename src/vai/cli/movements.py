"""How a comparison looks on a terminal: what B is worth beside A, and what moved."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from vai.cli.output import counted, is_coloured, line_width, printable, styled
from vai.collection import Collection
from vai.types import Chunk

if TYPE_CHECKING:
    from vai.evaluation.comparing.differences import DiffReport, MetricDifference, Move, QuestionDifference
    from vai.evaluation.comparing.sides import Side

Labels = Callable[[Sequence[str]], Mapping[str, str]]
"""From ids to what else can be said of what they are of."""

QUESTIONS_SHOWN = 5
MOVES_SHOWN = 4
INDENT = 4
WIDEST_ID = 40
UP, DOWN = "▲", "▼"
COLOURS = {UP: "green", DOWN: "red"}


def diff_text(report: DiffReport, *, labels: Labels, explain: bool = False) -> str:
    """All of it; every question of which something changed with `explain`."""
    parts = [_heading(report)]
    if report.metrics is not None:
        parts.append(_metrics(report.metrics))
    parts.append(_alike(report))
    if report.questions:
        parts.append(_questions(report, labels, explain=explain))
    return "\n\n".join(parts)


# ── what units are called ──


def no_labels(_: Sequence[str]) -> Mapping[str, str]:
    """Nothing but the ids is known."""
    return {}


def labels_in(collection: Collection, units: Sequence[str]) -> Mapping[str, str]:
    """The titles of documents and chunks, or what they begin with."""
    first = {unit: (unit, f"{unit}#0") for unit in units}
    stored = collection.chunks([chunk for pair in first.values() for chunk in pair])
    known = {unit: [stored[chunk] for chunk in pair if chunk in stored] for unit, pair in first.items()}
    return {unit: _label(chunks[0]) for unit, chunks in known.items() if chunks}


def _label(chunk: Chunk) -> str:
    return printable(" ".join((chunk.context or chunk.text[:200]).split()))


# ── both sides ──


def _heading(report: DiffReport) -> str:
    a, b = report.a, report.b
    width = max(len(a.name), len(b.name))
    apart = a.collection != b.collection
    lines = [
        f"A  {printable(a.name).ljust(width)}  {_side(a, apart)}",
        f"B  {printable(b.name).ljust(width)}  {_side(b, apart)}",
    ]
    about = "" if apart or a.collection is None else f" about the collection `{printable(a.collection)}`"
    named = "" if report.test_set is None else f"{printable(report.test_set)}: "
    ranked = "" if report.unit is None else f"; {report.unit}s are ranked"
    return "\n".join([*lines, f"{named}{counted(report.queries, 'question')}{about}{ranked}"])


def _side(side: Side, apart: bool) -> str:
    """What is behind a name."""
    where = f"; collection `{printable(side.collection)}`" if apart and side.collection else ""
    settings = side.configuration
    if settings is None:
        return f"`{printable(str(side.file))}`{where}"
    stage1 = settings.stage1
    said = [f"{stage1.mode} by {stage1.fusion}" if stage1.mode == "hybrid" else stage1.mode]
    said.append(counted(settings.limit, "candidate"))
    said.append(
        "no reranker"
        if settings.reranker is None
        else f"{printable(settings.reranker)} with blend {settings.blend:g}"
    )
    if settings.min_relevance is not None:
        said.append(f"relevance from {settings.min_relevance:g}")
    return f"{', '.join(said)}{where}"


# ── quality ──


def _metrics(found: Sequence[MetricDifference]) -> str:
    names = max(len(metric.metric) for metric in found)
    header = (
        f"{'':{names}}  {'A':>5}  {'B':>5}  {'B − A':<21}  {'p':>5}  {'better':>6}  {'same':>5}  {'worse':>5}"
    )
    note = (
        f"{UP} {DOWN} certain: 95 % of what resampled questions give is on one side of 0, and p (of a randomisation "
        "test) is below .05"
    )
    rows = [_row(metric, names) for metric in found]
    return "\n".join([header, *rows, *_wrapped(note), *_wrapped(_conclusion(found[0]))])


def _row(found: MetricDifference, names: int) -> str:
    gain = found.difference
    interval = f"{_signed(gain.mean)} [{_signed(gain.low)}, {_signed(gain.high)}]"
    means = f"{_short(found.a):>5}  {_short(found.b):>5}"
    counts = f"{found.wins:>6,}  {found.ties:>5,}  {found.losses:>5,}"
    line = f"{found.metric:{names}}  {means}  {interval:<21}  {_probability(found.p):>5}  {counts}"
    if found.verdict == "may be chance":
        return line
    mark = UP if found.verdict == "better" else DOWN
    return f"{line}  {styled(f'{mark} {found.verdict}', coloured=is_coloured(), fg=COLOURS[mark])}"


def _conclusion(found: MetricDifference) -> str:
    """What B is worth, in a sentence."""
    gain = found.difference
    if found.wins == found.losses == 0:
        return f"B is as good as A for every question, by {found.metric}"
    said = f"{_signed(gain.mean)} {found.metric} ({_signed(gain.low)} to {_signed(gain.high)})"
    if found.verdict == "may be chance":
        return f"what changes may be chance: {said}"
    return f"B is {found.verdict} than A: {said}"


def _probability(value: float) -> str:
    return "<.001" if value < 0.001 else _short(value)


def _signed(value: float) -> str:
    return f"{'−' if round(value, 3) < 0 else '+'}{_short(abs(value))}"


def _short(value: float) -> str:
    """Three digits, without the zero before the point."""
    return f"{value:.3f}".removeprefix("0")


# ── what moved ──


def _alike(report: DiffReport) -> str:
    found = report.alike
    said = (
        f"{found.overlap.mean:.0%} of the first {counted(report.top_k, 'hit')} are in both, rank-biased overlap is "
        f"{_short(found.rbo.mean)} (p = {found.persistence:g}); the same hits in the same order for {found.same:,} of "
        f"{counted(report.queries, 'question')}, another first hit for {found.first_changed:.0%}"
    )
    lines = _wrapped(said)
    if report.flips is not None:
        entered = sum(flip.change == "entered" for flip in report.flips)
        lines += _wrapped(
            f"of what is relevant, {entered:,} {'is' if entered == 1 else 'are'} among the first {report.top_k} of B "
            f"only, {len(report.flips) - entered:,} of A only"
        )
    return "\n".join(lines)


def _questions(report: DiffReport, labels: Labels, *, explain: bool) -> str:
    shown = report.questions if explain else report.questions[:QUESTIONS_SHOWN]
    by = f"by {report.metrics[0].metric}" if report.metrics else "by rank-biased overlap"
    which = "what changed" if explain else "what changed most"
    moves = [move for question in shown for move in _moves_shown(question, explain)]
    called = labels(list(dict.fromkeys(move.unit for move in moves)))
    lines = [f"{which}, {by}:"]
    for question in shown:
        lines += [_question(question), *_moves(question, called, explain)]
    rest = len(report.questions) - len(shown)
    if rest:
        lines.append(f"… and {counted(rest, 'question')} more (`--explain` shows each)")
    return "\n".join(lines)


def _question(question: QuestionDifference) -> str:
    change = f"{_short(question.rbo):>5}" if question.difference is None else _signed(question.difference)
    text = printable(" ".join((question.query or "").split()))
    return _cut(f"{change}  {printable(question.query_id)}  {text}".rstrip())


def _moves_shown(question: QuestionDifference, explain: bool) -> Sequence[Move]:
    return question.moves if explain else question.moves[:MOVES_SHOWN]


def _moves(question: QuestionDifference, called: Mapping[str, str], explain: bool) -> Iterator[str]:
    shown = _moves_shown(question, explain)
    units = [_unit(move) for move in shown]
    width = min(max(map(len, units), default=0), WIDEST_ID)
    for move, unit in zip(shown, units, strict=True):
        ranks = f"{_rank(move.rank_a):>5} → {_rank(move.rank_b):<5}"
        label = called.get(move.unit, "")
        named = "" if label in move.unit else label
        rest = _cut(f"{unit.ljust(width)}  {named}".rstrip(), INDENT + len(ranks))
        colour = None if move.grade is None else COLOURS[UP if _is_raised(move) else DOWN]
        yield f"{' ' * INDENT}{styled(ranks, coloured=is_coloured(), fg=colour)}{rest}"
    if len(question.moves) > len(shown):
        yield f"{' ' * (INDENT + 5)} … and {len(question.moves) - len(shown):,} more"


def _unit(move: Move) -> str:
    """Its id, with the grade where that is more than relevant."""
    return f"{printable(move.unit)}{f' ({move.grade})' if move.grade and move.grade > 1 else ''}"


def _is_raised(move: Move) -> bool:
    return move.rank_b is not None and (move.rank_a is None or move.rank_b < move.rank_a)


def _rank(rank: int | None) -> str:
    return "–" if rank is None else f"{rank:,}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, line_width(), break_long_words=False)


def _cut(text: str, taken: int = 0) -> str:
    """As much of a line as there is room for."""
    room = line_width() - taken
    return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"
