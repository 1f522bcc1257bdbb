"""Which reader a file goes to, by its name: as data.

A suffix that is in none of the tables goes to the text reader, which finds out whether it is text.
"""

from __future__ import annotations

from collections.abc import Mapping

from vai.documents.source import ReadOptions


def _by_suffix(table: Mapping[str, str]) -> Mapping[str, str]:
    """A table of what belongs to which suffixes, turned round."""
    return {suffix: what for what, suffixes in table.items() for suffix in suffixes.split()}


READERS = _by_suffix(
    {
        "markdown": "md markdown mdown mkd mdx qmd rmd",
        "rst": "rst",
        "html": "html htm xhtml",
        "mail": "eml",
        "jsonl": "jsonl ndjson jsonlines",
        "csv": "csv tsv",
    }
)
"""Suffix → reader. Code and office formats have tables of their own."""

READ_WHEN_NAMED = {"parquet": "parquet"}
"""Suffix → reader, of what a folder may hold a lot of that nobody means to search."""

STREAMED = frozenset(("jsonl", "csv", "parquet"))
"""Readers that never hold a whole file."""

LANGUAGES = _by_suffix(
    {
        "asm": "asm s",
        "awk": "awk",
        "bash": "sh bash zsh",
        "batch": "bat cmd",
        "c": "c h",
        "clojure": "clj cljs cljc",
        "cmake": "cmake",
        "cpp": "cc cpp cxx hh hpp hxx",
        "csharp": "cs",
        "css": "css",
        "cuda": "cu cuh",
        "d": "d",
        "dart": "dart",
        "elixir": "ex exs",
        "elm": "elm",
        "erlang": "erl hrl",
        "fish": "fish",
        "fortran": "f f90 f95",
        "fsharp": "fs fsx",
        "go": "go",
        "graphql": "graphql gql",
        "groovy": "groovy gradle",
        "haskell": "hs",
        "hcl": "tf hcl",
        "java": "java",
        "javascript": "js mjs cjs jsx",
        "julia": "jl",
        "kotlin": "kt kts",
        "less": "less",
        "lisp": "lisp el",
        "lua": "lua",
        "make": "mk",
        "nim": "nim",
        "nix": "nix",
        "objective-c": "m mm",
        "ocaml": "ml mli",
        "pascal": "pas",
        "perl": "pl pm",
        "php": "php",
        "powershell": "ps1 psm1",
        "proto": "proto",
        "python": "py pyi pyx",
        "r": "r",
        "racket": "rkt",
        "ruby": "rb",
        "rust": "rs",
        "scala": "scala",
        "scheme": "scm",
        "scss": "scss sass",
        "solidity": "sol",
        "sql": "sql",
        "svelte": "svelte",
        "swift": "swift",
        "tcl": "tcl",
        "tsx": "tsx",
        "typescript": "ts mts cts",
        "vb": "vb",
        "vim": "vim",
        "vue": "vue",
        "zig": "zig",
    }
)
"""Suffix → programming language."""

LANGUAGES_BY_NAME = _by_suffix(
    {
        "cmake": "cmakelists.txt",
        "dockerfile": "dockerfile containerfile",
        "groovy": "jenkinsfile",
        "make": "makefile gnumakefile justfile",
        "meson": "meson.build",
        "ruby": "gemfile rakefile vagrantfile",
        "starlark": "build.bazel",
    }
)
"""Whole file name → language, where the name says it."""

OFFICE_TYPES: Mapping[str, str] = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "docm": "application/vnd.ms-word.document.macroenabled.12",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "pptm": "application/vnd.ms-powerpoint.presentation.macroenabled.12",
    "ppsx": "application/vnd.openxmlformats-officedocument.presentationml.slideshow",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xlsm": "application/vnd.ms-excel.sheet.macroenabled.12",
    "xlsb": "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    "doc": "application/msword",
    "ppt": "application/vnd.ms-powerpoint",
    "xls": "application/vnd.ms-excel",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "epub": "application/epub+zip",
    "rtf": "application/rtf",
    "ipynb": "application/x-ipynb+json",
}
"""Suffix → media type, of what the office reader reads."""

UNREAD = _by_suffix(
    {
        "an image": "png jpg jpeg gif bmp tif tiff webp avif heic ico svg psd xcf",
        "a sound file": "mp3 wav flac ogg opus m4a aac wma mid",
        "a film": "mp4 m4v mkv mov avi webm wmv mpg mpeg",
        "an archive": "zip tar gz tgz bz2 xz zst lz4 7z rar jar war whl deb rpm iso dmg",
        "a font": "ttf otf woff woff2 eot",
        "a program": "exe dll so dylib a o obj lib pyc pyo pyd class wasm bin msi",
        "a database": "sqlite sqlite3 db mdb arrow feather orc avro",
        "numeric data": "npy npz h5 hdf5 onnx safetensors gguf pt pth pkl pickle joblib",
        "a document": "odp odg msg mobi azw3 pages numbers djvu xps one pst vsdx",
    }
)
"""Suffix → what it is, of what no reader reads."""


def suffix_of(file_name: str) -> str:
    """What follows the last dot, in lower case; "" without one."""
    stem, _, suffix = file_name.rpartition(".")
    return suffix.lower() if stem else ""


def reader_for(file_name: str, options: ReadOptions, *, named: bool = False) -> str | None:
    """The reader that a file goes to, None if there is none for its format; some only take what was `named`."""
    suffix = suffix_of(file_name)
    if suffix in READ_WHEN_NAMED:
        return READ_WHEN_NAMED[suffix] if named else None
    if suffix in READERS:
        return READERS[suffix]
    if suffix in LANGUAGES or file_name.lower() in LANGUAGES_BY_NAME:
        return "code"
    if suffix in OFFICE_TYPES:
        return "office"
    if suffix == "json" and options.text_field is not None:
        return "json"
    return None if suffix in UNREAD else "text"


def language_of(file_name: str) -> str:
    """The programming language that a file is written in, or ""."""
    return LANGUAGES_BY_NAME.get(file_name.lower()) or LANGUAGES.get(suffix_of(file_name), "")


def why_unread(file_name: str) -> str:
    """Why a file for which there is no reader is skipped."""
    suffix = suffix_of(file_name)
    if suffix in READ_WHEN_NAMED:
        return f"is a table (.{suffix}) that is read only when it is named itself"
    return f"is {UNREAD[suffix]} (.{suffix}), a format that vai does not read"
