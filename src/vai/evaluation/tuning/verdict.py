"""What tuning found, in words: for the terminal, the picture and the settings file alike."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from vai.evaluation.measures.intervals import Interval
from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.tuning.tuning import FrontierRow, Point, TuneReport
from vai.models.names import place_of
from vai.models.paying.spending import dollars

NO_RERANKER = "no reranker"

# ── configurations ──


def flags_of(configuration: Configuration) -> str:
    """A configuration as it is typed behind `vai query`."""
    stage1 = configuration.stage1
    flags = [f"--stage1 {stage1.mode}"]
    if stage1.mode == "hybrid":
        flags.append(f"--fusion {stage1.fusion}")
        if stage1.fusion == "scores":
            flags.append(f"--words-weight {stage1.words_weight:g}")
    flags += [f"--limit {configuration.limit}", f"--num-candidates {configuration.num_candidates}"]
    if configuration.reranker is None:
        return " ".join([*flags, "--no-rerank"])
    flags += [f"--rerank-model {shlex.quote(configuration.reranker)}", f"--blend {configuration.blend:g}"]
    if configuration.min_relevance is not None:
        flags.append(f"--min-relevance {configuration.min_relevance:g}")
    return " ".join(flags)


def stage1_in_words(configuration: Configuration) -> str:
    """How its candidates are found, in a word or two."""
    stage1 = configuration.stage1
    if stage1.mode != "hybrid":
        return stage1.mode
    return "hybrid, ranks" if stage1.fusion == "ranks" else f"hybrid {stage1.words_weight:g}"


def in_words(configuration: Configuration) -> str:
    """A configuration in one short line."""
    depths = f"limit {configuration.limit} of {configuration.num_candidates:,}"
    said = f"{stage1_in_words(configuration)}, {depths}"
    if configuration.reranker is None:
        return f"{said}, {NO_RERANKER}"
    least = "" if configuration.min_relevance is None else f", min_relevance {configuration.min_relevance:g}"
    return f"{said}, {configuration.reranker}, blend {configuration.blend:g}{least}"


# ── numbers ──


def bounds(interval: Interval) -> str:
    """The 95 % interval of a mean."""
    return f"[{interval.low:.3f}, {interval.high:.3f}]"


def difference(interval: Interval) -> str:
    """A difference with its sign and its 95 % interval."""
    return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def milliseconds(value: float | None) -> str:
    """A latency, to two or three digits."""
    if value is None:
        return "not known"
    return f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"


def price(value: float | None) -> str:
    """US dollars of a thousand queries."""
    if value is None:
        return "not known"
    return "$0" if value == 0.0 else dollars(value)


def price_of(row: FrontierRow | Point) -> float | None:
    """What a thousand queries cost, in US dollars: 0 where nothing is paid, None where a server does not say."""
    reranker = row.settings.reranker
    if row.usd_per_1k is None and reranker is not None and place_of(reranker) == "server":
        return None
    return row.usd_per_1k or 0.0


# ── sentences ──


def decision_sentence(report: TuneReport) -> str:
    """Whether to rerank, and why."""
    return f"{'Rerank' if report.decision == 'rerank' else 'Do not rerank'}: {report.reason}"


def evidence(report: TuneReport) -> str:
    """What the tuned settings are worth on questions that they were not chosen on, beside what is in force."""
    held = report.held_out
    return (
        f"on {held.queries:,} questions, each answered by settings that were chosen on others, {held.metric} is "
        f"{held.quality.mean:.3f} {bounds(held.quality)}, with the settings in force {held.baseline_mean:.3f}: "
        f"{difference(held.gain)}; {verdict_on_gain(report)}"
    )


def is_in_force(report: TuneReport) -> bool:
    """Whether what was chosen is what queries do already."""
    return report.best.to_dict() == report.baseline.to_dict()


def verdict_on_gain(report: TuneReport) -> str:
    """How sure the gain is."""
    gain = report.held_out.gain
    if is_in_force(report):
        return "nothing better was found than the settings in force"
    if not gain.certain:
        return "that may be chance"
    return (
        "the gain is certain"
        if gain.mean > 0.0
        else "the loss is certain: there are too few questions to tune on"
    )


def sentence(words: str) -> str:
    """Words as a sentence that stands alone."""
    return f"{words[:1].upper()}{words[1:]}."


def unbroken(words: str) -> str:
    """Words in which what stands in brackets stays in one piece: with spaces at which no line is broken."""
    return re.sub(r"\[.*?\]", lambda found: found[0].replace(" ", "\u00a0"), words)


def changes(report: TuneReport) -> str:
    """What is other in the chosen configuration than in the one in force."""
    said = list(_changed(report.best, report.baseline))
    return "; ".join(said) if said else "nothing changes"


def _changed(best: Configuration, baseline: Configuration) -> Iterator[str]:
    if stage1_in_words(best) != stage1_in_words(baseline):
        yield f"stage 1 by {stage1_in_words(best)} instead of {stage1_in_words(baseline)}"
    if best.limit != baseline.limit:
        fewer = "fewer" if best.limit < baseline.limit else "more"
        yield f"{fewer} candidates: {best.limit} instead of {baseline.limit}"
    if best.num_candidates != baseline.num_candidates:
        yield f"searched {best.num_candidates:,} deep instead of {baseline.num_candidates:,}"
    if best.reranker != baseline.reranker:
        yield f"{best.reranker or NO_RERANKER} instead of {baseline.reranker or NO_RERANKER}"
    elif best.reranker is not None and best.blend != baseline.blend:
        yield f"blend {best.blend:g} instead of {baseline.blend:g}"
    if best.reranker is not None and best.min_relevance != baseline.min_relevance:
        yield f"min_relevance {best.min_relevance} instead of {baseline.min_relevance}"


# ── the front as a table ──


def front_table(report: TuneReport) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the front, and below it, without a number, what was chosen and what is in force.

    The price is left out where nothing is paid.
    """
    paid = is_paid(report)
    header = ["", report.target, "95 % interval", "p95", *(["1,000 queries"] if paid else [])]
    header += ["stage 1", "limit", "of", "reranker", "blend", ""]
    rows = [_cells(str(number), row, report, paid) for number, row in enumerate(report.frontier, 1)]
    rows += [_cells("", row, report, paid) for row in _beside_the_front(report)]
    return header, rows


def is_paid(report: TuneReport) -> bool:
    """Whether anything that was compared costs money."""
    prices = [row.usd_per_1k for row in report.frontier] + [point.usd_per_1k for point in report.points]
    return any(prices)


def _beside_the_front(report: TuneReport) -> Iterator[FrontierRow]:
    listed = [row.settings.to_dict() for row in report.frontier]
    for row in (report.best_row, report.baseline_row):
        if row is not None and row.settings.to_dict() not in listed:
            listed.append(row.settings.to_dict())
            yield row


def _mark_of(settings: Configuration, report: TuneReport) -> str:
    marks = (("chosen", report.best), ("in force", report.baseline))
    return ", ".join(name for name, marked in marks if settings.to_dict() == marked.to_dict())


def _cells(number: str, row: FrontierRow, report: TuneReport, paid: bool) -> list[str]:
    settings = row.settings
    return [
        number,
        f"{row.quality.mean:.3f}",
        bounds(row.quality),
        milliseconds(row.p95_ms),
        *([price(price_of(row))] if paid else []),
        stage1_in_words(settings),
        str(settings.limit),
        f"{settings.num_candidates:,}",
        settings.reranker or "–",
        "–" if settings.reranker is None else f"{settings.blend:g}",
        _mark_of(settings, report),
    ]
