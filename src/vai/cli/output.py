"""How values look on a terminal, and as JSON."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

import click

from vai.languages import FUNCTION_WORDS
from vai.types import Hit, IngestReport, Json, QueryResponse, RerankResponse, RerankStage, Skipped

SNIPPET_LINES = 8
NAMES_PER_REASON = 20
_WORD = re.compile(r"\w+")
_SMALL = frozenset(FUNCTION_WORDS["en"].split())
_ENDINGS = ("ings", "ing", "ies", "ed", "es", "s", "e", "y")


def print_json(value: dict[str, Json], *, lines: bool = False) -> None:
    """JSON on standard output: indented, or on one line."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=None if lines else 2))


def is_coloured() -> bool:
    """Whether standard output is a terminal that wants colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def styled(text: str, *, coloured: bool, bold: bool = False, dim: bool = False, fg: str | None = None) -> str:
    """Text in a style, or as it is."""
    return click.style(text, bold=bold, dim=dim, fg=fg) if coloured else text


# ── query ──


def response_text(response: QueryResponse, *, explain: bool) -> str:
    """The hits, each with what both stages made of it; with `explain`, the stages and what was dropped too."""
    coloured = is_coloured()
    width = max(40, min(shutil.get_terminal_size().columns, 110))
    marker = _marker(response.query, coloured=coloured)
    blocks = [
        "\n".join(
            [
                *_head_lines(hit, response, coloured=coloured),
                *_passage(hit.text, marker, width, whole=explain),
            ]
        )
        for hit in response.hits
    ]
    if explain:
        blocks.append("\n".join(_stage_lines(response)))
        blocks.extend("\n".join(lines) for lines in [_dropped_lines(response)] if lines)
    return "\n\n".join(blocks)


def summary_line(response: QueryResponse) -> str:
    """What each stage did, in one line."""
    search, rerank = response.stages.search, response.stages.rerank
    first = f"stage 1 found {counted(search.candidates, 'candidate')} in {response.stages.embed.ms + search.ms:.0f} ms"
    if rerank is None:
        return f"{first}; stage 2 did not run"
    moved = sum(hit.rank != hit.stage1_rank for hit in response.hits)
    return (
        f"{first}; stage 2 ({rerank.model}) read {rerank.reranked} of {rerank.of} in {rerank.ms:.0f} ms "
        f"and moved {moved} of {counted(len(response.hits), 'hit')}"
    )


def place(hit: Hit) -> str:
    """Where a hit stands: source with line or page."""
    if hit.start_line is not None:
        lines = f"{hit.start_line}" if hit.start_line == hit.end_line else f"{hit.start_line}-{hit.end_line}"
        return f"{hit.source}:{lines}"
    return f"{hit.source} page {hit.page}" if hit.page is not None else hit.source


def _head_lines(hit: Hit, response: QueryResponse, *, coloured: bool) -> list[str]:
    stale = styled("  [changed since ingest]", coloured=coloured, fg="yellow") if hit.stale else ""
    heading = " > ".join(hit.heading) or hit.title
    where = styled(place(hit), coloured=coloured, bold=True)
    return [
        f"{hit.rank}. {where}{f'  {heading}' if heading and heading != hit.source else ''}{stale}",
        styled(f"   {_scores(hit, response)}", coloured=coloured, dim=True),
    ]


def _scores(hit: Hit, response: QueryResponse) -> str:
    similarity = f"similarity {hit.similarity:.3f}"
    if response.stages.rerank is None:
        return similarity
    if hit.relevance is None:
        return f"not reranked · {similarity} · stage 1 had it {_ordinal(hit.stage1_rank)}"
    return f"relevance {hit.relevance:.3f} · {similarity} · {_movement(hit)}"


def _movement(hit: Hit) -> str:
    moved = hit.stage1_rank - hit.rank
    if moved == 0:
        return f"{_ordinal(hit.stage1_rank)} in stage 1 too"
    return f"{_ordinal(hit.stage1_rank)} in stage 1, {'up' if moved > 0 else 'down'} {abs(moved)}"


def _ordinal(number: int) -> str:
    last_two = number % 100
    ending = "th" if 11 <= last_two <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _stage_lines(response: QueryResponse) -> Iterator[str]:
    settings, stages = response.settings, response.stages
    embed, search, rerank = stages.embed, stages.search, stages.rerank
    how = "every vector compared" if search.exact else "approximate index"
    yield f"stage 1  embed   {embed.ms:8.1f} ms  {embed.model}, {embed.tokens} tokens"
    yield (
        f"         search  {search.ms:8.1f} ms  {search.candidates} candidates, {how}"
        f" (limit {settings.limit}, num_candidates {settings.num_candidates})"
    )
    if rerank is None:
        yield "stage 2  did not run"
        return
    yield (
        f"stage 2  rerank  {rerank.ms:8.1f} ms  {rerank.model}, {rerank.reranked} of {rerank.of} read, "
        f"{rerank.tokens:,} tokens, {rerank.truncated} cut off, {rerank.cached} from the cache"
    )
    yield (
        f"         order   blend {settings.blend:.2f} (0 is stage 2 alone, 1 is stage 1 alone), relevance is "
        f"{'calibrated' if rerank.calibrated else 'not calibrated'}"
    )


def _dropped_lines(response: QueryResponse) -> list[str]:
    if not response.dropped:
        return []
    return [
        f"{counted(len(response.dropped), 'more candidate')} did not become hits:",
        *(f"{hit.rank:4}. {place(hit)}  {_scores(hit, response)}" for hit in response.dropped),
    ]


def _marker(query: str, *, coloured: bool) -> re.Pattern[str] | None:
    """What matches the query's words in a passage, in whatever form they stand; the smallest words do not count."""
    stems = sorted({_stem(word) for word in _WORD.findall(query.lower()) if word not in _SMALL}, key=len)
    if not stems:
        return None
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, reversed(stems)))})\w{{0,4}}\b", re.IGNORECASE)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def _passage(text: str, marker: re.Pattern[str] | None, width: int, *, whole: bool) -> list[str]:
    """The passage, indented, wrapped and marked: all of it, or the lines that hold most of the query's words."""
    lines: list[str] = []
    for line in text.expandtabs(4).splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line, width - 4, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True
        ) or ([""] if lines and lines[-1] else [])
    shown, cut_before, cut_after = lines, False, False
    if not whole and len(lines) > SNIPPET_LINES:
        start = _best_window(lines, marker)
        shown = lines[start : start + SNIPPET_LINES]
        cut_before, cut_after = start > 0, start + SNIPPET_LINES < len(lines)
    marked = [_marked(line, marker) for line in shown]
    return [f"   {line}".rstrip() for line in [*["…"] * cut_before, *marked, *["…"] * cut_after]]


def _best_window(lines: Sequence[str], marker: re.Pattern[str] | None) -> int:
    """Where the lines to show begin: those with most different query words, the first of equals."""
    found = [{match.lower()[:4] for match in marker.findall(line)} if marker else set() for line in lines]

    def worth(start: int) -> int:
        return len(set().union(*found[start : start + SNIPPET_LINES]))

    return max(range(len(lines) - SNIPPET_LINES + 1), key=lambda start: (worth(start), -start))


def _marked(line: str, marker: re.Pattern[str] | None) -> str:
    if marker is None:
        return line
    coloured = is_coloured()
    return marker.sub(
        lambda match: click.style(match[0], fg="green", bold=True) if coloured else f"**{match[0]}**", line
    )


# ── rerank ──


def reranked_text(response: RerankResponse) -> str:
    """The texts in their new order, each with its place in the old one."""
    coloured = is_coloured()
    width = max(40, min(shutil.get_terminal_size().columns, 110))
    marker = _marker(response.query, coloured=coloured)
    blocks = []
    for result in response.results:
        scores = "not reranked" if result.relevance is None else f"relevance {result.relevance:.3f}"
        head = f"{result.rank}. {scores} · document {result.index + 1}"
        blocks.append("\n".join([head, *_passage(result.text, marker, width, whole=False)]))
    return "\n\n".join(blocks)


def rerank_line(stage: RerankStage) -> str:
    """What stage 2 did, in one line."""
    return f"{stage.model} read {stage.reranked} of {stage.of} in {stage.ms:.0f} ms"


# ── ingest ──


def report_text(report: IngestReport) -> str:
    """The summary of an ingest."""
    rate = f", {report.tokens / report.seconds:,.0f} tokens/s" if report.tokens and report.seconds else ""
    lines = [
        f"{counted(report.files, 'file')} into `{report.collection}` in {report.seconds:.1f} s: "
        f"{counted(report.added, 'document')} added, {report.changed:,} changed, {report.unchanged:,} unchanged, "
        f"{report.removed:,} removed",
        f"{counted(report.chunks, 'chunk')} embedded, {counted(report.tokens, 'token')}{rate}",
    ]
    if report.skipped:
        lines.append(f"skipped {len(report.skipped):,}:")
        lines += _skipped_lines(report.skipped)
    return "\n".join(lines)


def _skipped_lines(skipped: Sequence[Skipped]) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for item in skipped:
        by_reason.setdefault(item.reason, []).append(item.source)
    for reason, names in by_reason.items():
        for name in names[:NAMES_PER_REASON]:
            yield f"  {name}: {reason}"
        if len(names) > NAMES_PER_REASON:
            yield f"  … and {len(names) - NAMES_PER_REASON:,} more of that kind (`--json` names each)"


# ── tables ──


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )


def counted(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size_text(size: float) -> str:
    """Bytes as people say them."""
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
