"""Whether a document's id is free: which source holds it, and whether that source still does."""

from __future__ import annotations

from pathlib import Path

from vai.errors import DuplicateId
from vai.freshness import is_unchanged, stamp_of
from vai.protocols import Writer
from vai.types import Claim, StoredDocument


class Claims:
    """Judges claims on ids by what is stored and what the files say."""

    def __init__(self, writer: Writer, root: Path) -> None:
        self._writer = writer
        self._root = root

    def is_known(self, document: StoredDocument, line: int | None, claim: Claim | None) -> bool:
        """Whether a document of that id is stored, which this one replaces or is.

        Raises:
            DuplicateId: another source holds it, or this one a second time.
        """
        if claim is None or (claim.source == document.source and not claim.current):
            return claim is not None
        again = f"`{document.source}`" + (f" on line {line}" if line else "")
        if claim.current:
            raise DuplicateId(
                f"the id `{document.id}` stands twice in one source, the second time in {again}",
                hint="ids must be unique: name another field with `--id-field`, or mend the file",
            )
        if self._still_holds(claim.source):
            raise DuplicateId(
                f"the id `{document.id}` is claimed by `{claim.source}` and by {again}",
                hint="ids must be unique in a collection: ingest one of the two with `--collection NAME`, or "
                "name another field with `--id-field`",
            )
        return True

    def _still_holds(self, source: str) -> bool:
        """Whether a source is as it was ingested; one that has changed or gone may have given its ids away."""
        path = self._root / source
        state = self._writer.source(source)
        if not path.is_file():
            return False
        return state is None or is_unchanged(state, path, stamp_of(path))
