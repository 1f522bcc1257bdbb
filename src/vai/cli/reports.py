"""How the reports of what changed a collection, or was taken out of it, look on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vai.cli.output import counted, duration_text, printable, size_text
from vai.types import DeleteReport, ExportReport, IngestReport, Skipped

NAMES_PER_KIND = 20


def ingest_text(report: IngestReport) -> str:
    """What became of the files, what that took, and what was skipped, each by name."""
    lines = [
        f"{counted(report.files, 'file')} into `{report.collection}` in {duration_text(report.seconds)}: "
        f"{_changes(report)}"
    ]
    if report.chunks and not report.tokens:
        lines.append(f"{counted(report.chunks, 'chunk')} with ready-made vectors")
    elif report.chunks:
        # Of less than a second, most was spent on other things.
        rate = f", {report.tokens / report.seconds:,.0f} tokens/s" if report.seconds >= 1 else ""
        lines.append(f"{counted(report.chunks, 'chunk')} embedded, {counted(report.tokens, 'token')}{rate}")
    if report.skipped:
        lines.append(f"skipped {len(report.skipped):,}:")
        lines += _skipped_lines(report.skipped)
    return "\n".join(lines)


def delete_text(report: DeleteReport) -> str:
    """What was removed, or would be, by the files that it came from."""
    if not report.sources:
        return f"nothing to delete in `{report.collection}`"
    chunks = "" if report.chunks is None else f" ({counted(report.chunks, 'chunk')})"
    done = "would be deleted" if report.dry_run else "deleted"
    lines = [
        f"{counted(report.documents, 'document')}{chunks} {done} from `{report.collection}`, of "
        f"{counted(len(report.sources), 'file')}:"
    ]
    lines += [f"  {printable(name)}" for name in report.sources[:NAMES_PER_KIND]]
    if len(report.sources) > NAMES_PER_KIND:
        lines.append(f"  … and {len(report.sources) - NAMES_PER_KIND:,} more (`--json` names each)")
    return "\n".join(lines)


def delete_remarks(report: DeleteReport, *, perhaps_ids: bool) -> list[str]:
    """What a user should know besides: what was not found, and what the next ingest will undo.

    Args:
        perhaps_ids: whether what was not found was named as a path, and may have been meant for an id.
    """
    remarks = [
        f"nothing is stored of `{printable(name)}`{_instead(name, perhaps_id=perhaps_ids)}"
        for name in report.unknown
    ]
    if len(report.returning) == 1:
        remarks.append(
            f"`{printable(report.returning[0])}` is still there: the next ingest that meets it brings back what was "
            "deleted, unless `.vaiignore` names it"
        )
    elif report.returning:
        which = (
            "these files"
            if len(report.returning) == len(report.sources)
            else f"{len(report.returning):,} of the files"
        )
        remarks.append(
            f"{which} are still there: the next ingest that meets them brings back what was deleted, unless "
            "`.vaiignore` names them"
        )
    return remarks


def _instead(name: str, *, perhaps_id: bool) -> str:
    """What else could be meant by a name of which nothing is stored."""
    document, _, ordinal = name.rpartition("#")
    if document and ordinal.isdecimal():
        return f"; if that is a passage, delete its whole document: `--id {printable(document)}`"
    if perhaps_id and not name.startswith("/"):
        return f"; if that is the id of a document: `--id {printable(name)}`"
    return ""


def export_text(report: ExportReport) -> str:
    """What was written, where and how much."""
    places = f"`{report.path}`" + (f" and `{report.vectors}`" if report.vectors else "")
    return (
        f"{counted(report.chunks, 'chunk')} of `{report.collection}` into {places} in "
        f"{duration_text(report.seconds)}: {size_text(report.bytes)}"
    )


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
