"""How an evaluation looks on a terminal: runs side by side, what is gained, and where the rest is lost."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from vai.cli.output import counted, is_coloured, line_width, printable, styled, table
from vai.evaluation.measures.significance import FEWEST
from vai.models.paying.spending import dollars

if TYPE_CHECKING:
    from vai.evaluation.evaluating.misses import Miss
    from vai.evaluation.evaluating.reporting import EvalReport, RunReport
    from vai.evaluation.measures.costs import Cost
    from vai.evaluation.measures.intervals import Interval

STAGE1 = "stage1"
GAP = "  "
UP, DOWN = "▲", "▼"
SHORTEST_QUESTION = 20
"""Columns for a question, however long its id is."""
Cell = tuple[str, str | None]
"""A text, and its colour."""


def report_text(report: EvalReport, *, explain: bool = False) -> str:
    """All of it; every single miss with `explain`."""
    parts = [_heading(report), _means(report)]
    if len(report.runs) > 1:
        parts.append(_gains(report))
    if report.depths:
        parts.append(_depths(report))
    parts.append(_misses(report))
    if any(run.cost is not None for run in report.runs):
        parts.append(_costs(report))
    if explain:
        parts += _each_miss(report)
    return "\n\n".join(parts)


def _heading(report: EvalReport) -> str:
    judged = (
        "documents were judged, by their best chunks" if report.unit == "document" else "chunks were judged"
    )
    return (
        f"{printable(report.corpus)}: {counted(report.queries, 'question')} about the collection "
        f"`{printable(report.collection)}`; {judged}"
    )


# ── quality ──


def _means(report: EvalReport) -> str:
    rows = {_marked(run, report): [_mean(value) for value in run.metrics.values()] for run in report.runs}
    return f"{_blocks('', _metrics(report), rows)}\n* what `vai query` does now"


def _gains(report: EvalReport) -> str:
    first, *others = report.runs
    enough = report.queries >= FEWEST
    rows = {
        printable(run.name): [_gain(value, enough=enough) for value in (run.against or {}).values()]
        for run in others
    }
    said = f"against {printable(first.name)}"
    note = (
        f"{UP} {DOWN} certain: 95 % of what resampled questions give is on one side of 0"
        if enough
        else f"with fewer than {FEWEST} questions no difference is certain"
    )
    return "\n".join([_blocks(said, _metrics(report), rows), note, *_conclusion(report)])


def _conclusion(report: EvalReport) -> Iterator[str]:
    """What stage 2 is worth, in a sentence, where it is in force and compared with stage 1."""
    current, metric = report.run(report.in_force), _metrics(report)[0]
    if report.runs[0].name != STAGE1 or current.against is None:
        return
    gain = current.against[metric]
    found = f"{_signed(gain.mean)} {metric} ({_signed(gain.low)} to {_signed(gain.high)})"
    if gain.low == gain.high == 0.0:
        yield f"stage 2 changes the {metric} of no question here"
    elif not gain.certain or report.queries < FEWEST:
        yield f"what stage 2 is worth here may be chance: {found}"
    elif gain.mean > 0:
        yield f"stage 2 is worth {found}"
    else:
        yield f"{_stage2(current)} does harm here: {found}; `--no-rerank` is better"


def _stage2(run: RunReport) -> str:
    """What it is called where it also throws hits out, which may be what does the harm."""
    least = None if run.configuration is None else run.configuration.min_relevance
    return "stage 2" if least is None else f"stage 2, with a `min_relevance` of {least:g},"


def _metrics(report: EvalReport) -> list[str]:
    return list(report.runs[0].metrics)


def _marked(run: RunReport, report: EvalReport) -> str:
    return f"{printable(run.name)}{' *' if run.name == report.in_force else ''}"


def _mean(value: Interval) -> Cell:
    return f"{value.mean:.3f} ±{_short(_half(value))}", None


def _gain(value: Interval, *, enough: bool) -> Cell:
    said = f"{_signed(value.mean)} ±{_short(_half(value))}"
    if not enough or not value.certain:
        return said, None
    return (f"{said}{UP}", "green") if value.mean > 0 else (f"{said}{DOWN}", "red")


def _half(value: Interval) -> float:
    return (value.high - value.low) / 2


def _signed(value: float) -> str:
    return f"{'−' if round(value, 3) < 0 else '+'}{_short(abs(value))}"


def _short(value: float) -> str:
    """Three digits, without the zero before the point."""
    return f"{value:.3f}".removeprefix("0")


def _blocks(title: str, header: Sequence[str], rows: Mapping[str, Sequence[Cell]]) -> str:
    """A table of runs, and below it further ones where it would be wider than the terminal."""
    names = max(map(len, (title, *rows)))
    widths = [
        max(len(name), *(len(cells[column][0]) for cells in rows.values()))
        for column, name in enumerate(header)
    ]
    blocks: list[list[int]] = [[]]
    used = names
    for column, width in enumerate(widths):
        if blocks[-1] and used + len(GAP) + width > line_width():
            blocks.append([])
            used = names
        blocks[-1].append(column)
        used += len(GAP) + width
    return "\n\n".join(_block(title, header, rows, names, widths, columns) for columns in blocks)


def _block(
    title: str,
    header: Sequence[str],
    rows: Mapping[str, Sequence[Cell]],
    names: int,
    widths: Sequence[int],
    columns: Sequence[int],
) -> str:
    coloured = is_coloured()
    lines = [[title.ljust(names), *(header[column].ljust(widths[column]) for column in columns)]]
    for name, cells in rows.items():
        shown = [
            styled(cells[column][0].ljust(widths[column]), coloured=coloured, fg=cells[column][1])
            for column in columns
        ]
        lines.append([name.ljust(names), *shown])
    return "\n".join(GAP.join(line).rstrip() for line in lines)


# ── where the rest is lost ──


def _depths(report: EvalReport) -> str:
    current = report.run(report.in_force)
    now = current.metrics.get(report.depth_metric)
    rows = [
        ["candidates of stage 1", *(f"{depth.depth:,}" for depth in report.depths)],
        ["recall", *(f"{depth.recall:.3f}" for depth in report.depths)],
        [f"best possible {report.depth_metric}", *(f"{depth.best:.3f}" for depth in report.depths)],
    ]
    text = table(rows[0], rows[1:])
    if now is None:
        return text
    return f"{text}\n`{printable(current.name)}` has {now.mean:.3f}, with {_limit(current)}"


def _limit(run: RunReport) -> str:
    return "" if run.configuration is None else counted(run.configuration.limit, "candidate")


def _misses(report: EvalReport) -> str:
    counted_runs = [run for run in report.runs if run.misses is not None]
    width = max(len(run.name) for run in counted_runs)
    relevant = max(run.misses.relevant for run in counted_runs if run.misses is not None)
    lines = [f"of {counted(relevant, f'relevant {report.unit}')}, those that are not {_shown(report.top_k)}:"]
    for run in counted_runs:
        lines += _wrapped(f"{printable(run.name).ljust(width)}{GAP}", _lost(run))
    return "\n".join(lines)


def _shown(top_k: int) -> str:
    return "the first hit" if top_k == 1 else f"among the first {top_k:,} hits"


def _lost(run: RunReport) -> str:
    """What one run misses, and what stage 2 has to do with it."""
    misses = run.misses
    if misses is None:
        return ""
    said = misses.summary
    if run.configuration is not None and run.configuration.reranker is not None:
        said += f"; stage 2 brought {len(misses.promoted):,} in and took {misses.displaced:,} out"
    return said


def _wrapped(beginning: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        line_width(),
        initial_indent=beginning,
        subsequent_indent=" " * len(beginning),
        break_long_words=False,
    )


def _each_miss(report: EvalReport) -> Iterator[str]:
    """Every relevant unit that the run in force does not show, by the reason for that and by question."""
    misses = report.run(report.in_force).misses
    for found in () if misses is None else misses.reasons:
        lines, last = [f"{found.reason}: {found.misses:,}"], None
        for miss in misses.misses if misses else ():
            if miss.reason == found.reason:
                lines += [] if miss.query_id == last else [_question(miss)]
                lines.append(f"    {printable(miss.unit)}: {_why(miss)}")
                last = miss.query_id
        yield "\n".join(lines)


def _question(miss: Miss) -> str:
    width = max(SHORTEST_QUESTION, line_width() - 4 - len(miss.query_id))
    return f"  {printable(miss.query_id)}  {textwrap.shorten(printable(miss.query), width, placeholder=' …')}"


def _why(miss: Miss) -> str:
    said = [
        _known(miss.exact_rank, "{:,} in exact search"),
        _known(miss.stage1_rank, "{:,} in stage 1's order"),
        _known(miss.final_rank, "{:,} in the end"),
        _known(miss.relevance, "relevance {:.3f}"),
        _known(None if miss.seen == 1.0 else miss.seen, "{:.0%} of it was read"),
    ]
    if miss.reason == "not ingested":
        return "it is not in the collection"
    if miss.reason == "filtered out":
        return "the filter lets nothing of it through"
    return ", ".join(part for part in said if part) or "neither search found it"


def _known(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


# ── what it takes ──


def _costs(report: EvalReport) -> str:
    rows = [[printable(run.name), *_cost_cells(run.cost)] for run in report.runs if run.cost is not None]
    return table(["a query takes", f"{'p50':>9}", f"{'p95':>9}", "1,000 queries cost"], rows)


def _cost_cells(cost: Cost) -> list[str]:
    price = "nothing" if not cost.usd_per_1k else dollars(cost.usd_per_1k)
    return [f"{_milliseconds(value):>9}" for value in (cost.p50_ms, cost.p95_ms)] + [price]


def _milliseconds(value: float | None) -> str:
    return "not known" if value is None else f"{value:,.1f} ms" if value < 100 else f"{value:,.0f} ms"
