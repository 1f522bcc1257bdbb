"""How the report of an ingest looks on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vai.cli.output import counted, duration_text, printable
from vai.types import IngestReport, Skipped

NAMES_PER_KIND = 20


def ingest_text(report: IngestReport) -> str:
    """What became of the files, what that took, and what was skipped, each by name."""
    lines = [
        f"{counted(report.files, 'file')} into `{report.collection}` in {duration_text(report.seconds)}: "
        f"{_changes(report)}"
    ]
    if report.chunks:
        # Of less than a second, most was spent on other things.
        rate = f", {report.tokens / report.seconds:,.0f} tokens/s" if report.seconds >= 1 else ""
        lines.append(f"{counted(report.chunks, 'chunk')} embedded, {counted(report.tokens, 'token')}{rate}")
    if report.skipped:
        lines.append(f"skipped {len(report.skipped):,}:")
        lines += _skipped_lines(report.skipped)
    return "\n".join(lines)


def _changes(report: IngestReport) -> str:
    """Documents by what became of them, where that is any."""
    counts = {
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "removed": report.removed,
    }
    said = [(count, what) for what, count in counts.items() if count]
    if not said:
        return "no documents"
    (first, what), *others = said
    return ", ".join(
        [f"{counted(first, 'document')} {what}", *(f"{count:,} {also}" for count, also in others)]
    )


def _skipped_lines(skipped: Sequence[Skipped]) -> Iterator[str]:
    kinds: dict[str, list[Skipped]] = {}
    for item in skipped:
        kinds.setdefault(_kind(item.reason), []).append(item)
    for items in kinds.values():
        for item in items[:NAMES_PER_KIND]:
            yield f"  {printable(item.source)}: {printable(item.reason)}"
        if len(items) > NAMES_PER_KIND:
            yield f"  … and {len(items) - NAMES_PER_KIND:,} more of that kind (`--json` names each)"


def _kind(reason: str) -> str:
    """What reasons that differ only in their numbers and details have in common."""
    return re.sub(r"\d[\d.,]*", "0", reason.partition(":")[0])
