"""What an ingest did that its user may not have meant: noticed on the way, and said at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vai.documents.frontmatter import is_unread_front_matter
from vai.ingest.steps import Tally
from vai.types import Document, Json


def remark_on(document: Document, dimension: int, tally: Tally) -> None:
    """Note what is odd about a document: see the fields of `Tally`. Vectors would have `dimension` numbers."""
    if document.source not in tally.vector_fields:
        name = _vector_field(document.metadata, dimension)
        if name is not None:
            tally.vector_fields[document.source] = name
    if document.format == "markdown" and not document.metadata and is_unread_front_matter(document.text):
        tally.unread_front_matter.append(document.source)


def remarks(tally: Tally, embedder: str) -> list[str]:
    """A sentence for each thing that was noticed."""
    said = [
        f"the field `{name}` of `{source}` holds lists of numbers as long as the vectors of {embedder}, and became "
        f"metadata: `--vector-field {name}` takes them for vectors"
        for source, name in tally.vector_fields.items()
    ]
    said += [
        f"the ready-made vectors of `{source}` were replaced by what {embedder} makes of its texts: `--vectors` or "
        "`--vector-field` brings them back"
        for source in tally.replaced
    ]
    if tally.unread_front_matter:
        first, *others = tally.unread_front_matter
        said.append(
            f"front matter that is no YAML was read as text, so that its fields are not there to filter by: `{first}`"
            + (f" and {len(others):,} more" if others else "")
        )
    return said


def _vector_field(metadata: Mapping[str, Json], dimension: int) -> str | None:
    """The first field that holds as many numbers as a vector has, not all of them whole."""
    return next((name for name, value in metadata.items() if _is_vector(value, dimension)), None)


def _is_vector(value: Json, dimension: int) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != dimension:
        return False
    return all(type(item) in {int, float} for item in value) and any(type(item) is float for item in value)
