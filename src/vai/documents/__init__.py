"""Folder or file → documents, with a word on everything that was skipped.

`find_sources` walks what the user named and says of every file which reader it goes to; `read_documents` turns
one such file into documents. Both also yield `Skipped`, whose `kept` says whether what an earlier ingest stored
of the file stays:

    kept      it could not be read: no permission, not in the encoding it claims, changed under the reader, the
              reader failed. A source with such a `Skipped` under its own name is not finished.
    not kept  nothing in it is to be found: empty, binary, a format without a reader, larger than the limit, a
              link that leads outside, gone. A collection is then what folder and flags say, whatever its past.

A `Skipped` named `<folder>/` is a folder that could not be listed: nothing is known of what lies below it.
One named `<file>:<line>` is a record; its file is read all the same.

Not ingested, silently: what `.gitignore` or `.vaiignore` exclude, names that begin with a dot, dependency and
cache folders, lock files and minified code. Naming such a path itself ingests it. Never ingested, even when
named: stores, version control, and files that may hold secrets.
"""

from vai.documents.reading import opened_records, read_documents, recipe
from vai.documents.source import ReadOptions, SourceFile, Unfit, source_name
from vai.documents.walk import find_sources

__all__ = [
    "ReadOptions",
    "SourceFile",
    "Unfit",
    "find_sources",
    "opened_records",
    "read_documents",
    "recipe",
    "source_name",
]
