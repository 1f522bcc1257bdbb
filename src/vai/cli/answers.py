"""How the answers of `vai query` and `vai rerank` look on a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from vai.cli.output import counted, is_coloured, line_width, printable, styled, table
from vai.cli.passages import marker, passage_lines
from vai.models.paying.spending import dollars
from vai.types import Hit, QueryResponse, QuerySettings, RerankResponse, RerankStage, Span

SHORTEST_HEADING = 16
"""Columns that a heading needs, to be worth showing beside a place."""


def response_text(response: QueryResponse, *, explain: bool) -> str:
    """The hits, each with what both stages made of it; with `explain`, the stages and what was dropped too."""
    coloured, width, words = is_coloured(), line_width(), marker(response.query)
    blocks = [
        _hit_text(hit, response, words=words, width=width, coloured=coloured, explain=explain)
        for hit in response.hits
    ]
    if explain:
        blocks.append(stages_text(response))
        if response.dropped:
            blocks.append(_dropped_text(response, response.dropped))
    return "\n\n".join(blocks)


def summary_line(response: QueryResponse) -> str:
    """What each stage did, in one line."""
    search, rerank = response.stages.search, response.stages.rerank
    first = f"stage 1 found {counted(search.candidates, 'candidate')} in {response.stages.embed.ms + search.ms:.0f} ms"
    if rerank is None:
        return f"{first}; stage 2 did not run"
    second = f"stage 2 ({rerank.model}) {_what_it_read(rerank)} in {rerank.ms:.0f} ms"
    if not rerank.reranked:
        return f"{first}; {second}"
    moved = sum(hit.rank != hit.stage1_rank for hit in response.hits)
    return f"{first}; {second} and moved {moved} of {counted(len(response.hits), 'hit')}"


def _what_it_read(stage: RerankStage) -> str:
    """How many passages have a value, and how many of those from an earlier reading."""
    read = f"read {stage.reranked} of {stage.of}"
    return f"{read}, {stage.cached} of them earlier," if stage.cached else read


def nothing_relevant(stage: RerankStage, least: float) -> str:
    """That there was something to read, and nothing relevant in what was read of it."""
    candidates = counted(stage.of, "candidate")
    if not stage.reranked:
        return f"nothing is known to be relevant: none of {candidates} was read"
    read = f"{stage.reranked:,} that were read of " if stage.reranked < stage.of else ""
    said = f"nothing relevant was found: of {read}{candidates} none reaches a relevance of {least:g}"
    return said if stage.best_relevance is None else f"{said}, the best has {stage.best_relevance:.3f}"


# ── hits ──


def _hit_text(
    hit: Hit,
    response: QueryResponse,
    *,
    words: re.Pattern[str] | None,
    width: int,
    coloured: bool,
    explain: bool,
) -> str:
    place = _place(hit)
    heading = _heading(hit, room=width - len(f"{hit.rank}. {place}  "))
    stale = styled("  [changed since ingest]", coloured=coloured, fg="yellow") if hit.stale else ""
    return "\n".join(
        [
            f"{hit.rank}. {styled(place, coloured=coloured, bold=True)}{heading}{stale}",
            styled(f"   {_scores(hit, response, explain=explain)}", coloured=coloured, dim=True),
            *passage_lines(
                hit.text if explain else _best_of(hit.text, hit.window),
                heading=(hit.title, *hit.heading),
                words=words,
                width=width,
                whole=explain,
                coloured=coloured,
            ),
        ]
    )


def _best_of(text: str, window: Span | None) -> str:
    """The part of a long passage that stage 2 found best; all of one that it read at once."""
    if window is None:
        return text
    start, end = window
    before, after = "…" if start > 0 else "", "…" if end < len(text) else ""
    return f"{before}{text[start:end].strip()}{after}"


def _place(hit: Hit) -> str:
    """Where a hit stands: source with line or page."""
    source = printable(hit.source)
    if hit.start_line is not None:
        lines = f"{hit.start_line}" if hit.start_line == hit.end_line else f"{hit.start_line}-{hit.end_line}"
        return f"{source}:{lines}"
    if hit.page is not None:
        return f"{source} page {hit.page}"
    # Of a file of records that says nothing of lines, such as an export, the id is what tells its documents apart.
    return source if hit.document_id == hit.source else f"{source} {printable(hit.document_id)}"


def _heading(hit: Hit, room: int) -> str:
    """The path of headings, or the title, with space before it; outer ones give way where there is no room."""
    names = [printable(name) for name in hit.heading or (hit.title,) if name]
    if room < SHORTEST_HEADING or not names or names == [hit.source.rpartition("/")[2]]:
        return ""
    path = " > ".join(names)
    while len(path) > room and len(names) > 1:
        del names[0]
        path = " > ".join(["…", *names])
    return f"  {path if len(path) <= room else f'{path[: room - 1].rstrip()}…'}"


def _scores(hit: Hit, response: QueryResponse, *, explain: bool) -> str:
    similarity = f"similarity {hit.similarity:.3f}"
    if hit.words_score is not None and (explain or response.stages.rerank is None):
        similarity += f" · words {hit.words_score:.2f}"
    if response.stages.rerank is None:
        return similarity
    if hit.relevance is None or hit.score is None:
        return f"not reranked · {similarity} · {_movement(hit)}"
    score = f"score {hit.score:.2f} · " if explain else ""
    return f"{score}relevance {hit.relevance:.3f}{_seen(hit.seen)} · {similarity} · {_movement(hit)}"


def _seen(share: float | None) -> str:
    """How much of a passage was read, where that was not all of it."""
    return "" if share is None or share >= 1 else f" · {share:.0%} read"


def _movement(hit: Hit) -> str:
    moved = hit.stage1_rank - hit.rank
    if moved == 0:
        return f"{_ordinal(hit.stage1_rank)} in stage 1 too"
    return f"{_ordinal(hit.stage1_rank)} in stage 1, {'up' if moved > 0 else 'down'} {abs(moved)}"


def _ordinal(number: int) -> str:
    last_two = number % 100
    ending = "th" if 11 <= last_two <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def passage_text(hit: Hit, query: str) -> str:
    """A hit's place and whole text, with the words of a query marked, and without what either stage made of it."""
    coloured, width, words = is_coloured(), line_width(), marker(query)
    place = _place(hit)
    heading = _heading(hit, room=width - len(f"{place}  "))
    return "\n".join(
        [
            f"{styled(place, coloured=coloured, bold=True)}{heading}",
            *passage_lines(
                hit.text,
                heading=(hit.title, *hit.heading),
                words=words,
                width=width,
                whole=True,
                coloured=coloured,
            ),
        ]
    )


# ── explain ──


def stages_text(response: QueryResponse) -> str:
    """What each stage did, a line or two for each."""
    return "\n".join(_stage_lines(response))


def _stage_lines(response: QueryResponse) -> Iterator[str]:
    settings, stages = response.settings, response.stages
    embed, search, rerank = stages.embed, stages.search, stages.rerank
    if stages.load is not None:
        yield f"models   load    {stages.load.ms:8.1f} ms  {', '.join(stages.load.models)}"
    yield f"stage 1  embed   {embed.ms:8.1f} ms  {embed.model}, {counted(embed.tokens, 'token')}{_dollars(embed.usd)}"
    yield (
        f"         search  {search.ms:8.1f} ms  {counted(search.candidates, 'candidate')}, {_how(response)}"
        f" (limit {settings.limit}, num_candidates {settings.num_candidates})"
    )
    yield f"         order   by {_stage1_order(settings)}"
    if settings.filter is not None:
        shown = printable(json.dumps(settings.filter, ensure_ascii=False))
        yield f"         filter  {counted(search.matched or 0, 'chunk')} let through by {shown}"
    if rerank is None:
        yield "stage 2  did not run"
        return
    yield (
        f"stage 2  rerank  {rerank.ms:8.1f} ms  {rerank.model}, {rerank.reranked} of {rerank.of} read, "
        f"{counted(rerank.tokens, 'token')}{_dollars(rerank.usd)}, {rerank.windowed} in windows, "
        f"{rerank.truncated} cut off, {rerank.cached} from the cache"
    )
    if settings.budget_ms is not None:
        yield f"         budget  {settings.budget_ms:8,} ms  from reading the query on, models loaded"
    yield (
        f"         order   by score, blend {settings.blend:.2f} (0 is stage 2 alone, 1 is stage 1 alone); "
        f"relevance is {'calibrated' if rerank.calibrated else 'not calibrated'}"
    )


def _dollars(usd: float | None) -> str:
    return "" if usd is None else f" ({dollars(usd)})"


def _how(response: QueryResponse) -> str:
    search = response.stages.search
    if response.settings.stage1 == "words":
        return "every chunk's words"
    if search.exact:
        return "every vector compared" if search.matched is None else "every vector that passes compared"
    beside = f" and {counted(search.unindexed, 'chunk')} beside it" if search.unindexed else ""
    return f"approximate index to depth {search.depth:,}{beside}"


def _stage1_order(settings: QuerySettings) -> str:
    if settings.stage1 == "vector":
        return "similarity"
    if settings.stage1 == "words":
        return "BM25 / the greatest BM25"
    if settings.fusion == "ranks":
        return "reciprocal ranks of similarity and BM25"
    return f"similarity + {settings.words_weight:g} · BM25 / the greatest BM25"


def _dropped_text(response: QueryResponse, dropped: tuple[Hit, ...]) -> str:
    beyond = f"{counted(len(dropped), 'candidate')} beyond the first {response.settings.top_k}:"
    if response.stages.rerank is None:
        rows = [
            [f"{hit.rank:4}", f"{hit.stage1_score:.3f}", f"{hit.similarity:.3f}", _words(hit), _place(hit)]
            for hit in dropped
        ]
        return f"{beyond}\n{table(['rank', 'score', 'similarity', 'words', 'where'], rows)}"
    rows = [
        [
            f"{hit.rank:4}",
            "–" if hit.score is None else f"{hit.score:5.2f}",
            "not read" if hit.relevance is None else f"{hit.relevance:.3f}",
            f"{hit.similarity:.3f}",
            _words(hit),
            _movement(hit).replace(" in stage 1", ""),
            _place(hit),
        ]
        for hit in dropped
    ]
    header = ["rank", "score", "relevance", "similarity", "words", "in stage 1", "where"]
    return f"{beyond}\n{table(header, rows)}"


def _words(hit: Hit) -> str:
    return "–" if hit.words_score is None else f"{hit.words_score:5.2f}"


# ── rerank ──


def reranked_text(response: RerankResponse) -> str:
    """The texts in their new order, each with its place in the old one."""
    coloured, width, words = is_coloured(), line_width(), marker(response.query)
    blocks = []
    for result in response.results:
        scores = "not reranked" if result.relevance is None else f"relevance {result.relevance:.3f}"
        head = f"{result.rank}. {scores}{_seen(result.seen)} · document {result.index + 1}"
        passage = passage_lines(
            _best_of(result.text, result.window),
            heading=(),
            words=words,
            width=width,
            whole=False,
            coloured=coloured,
        )
        blocks.append("\n".join([head, *passage]))
    return "\n\n".join(blocks)


def rerank_line(stage: RerankStage) -> str:
    """What stage 2 did, in one line."""
    return f"{stage.model} {_what_it_read(stage)} in {stage.ms:.0f} ms"
