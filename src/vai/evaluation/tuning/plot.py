"""The outcome of a tuning as something to look at: a page, or the pictures alone.

The pictures are written here, as SVG: a plotting library would bring 10–50 MB into the install for one chart. A page
needs nothing but itself: no script, no font, no network, which its own policy forbids besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from vai.disk import reason_of, write_whole
from vai.errors import InvalidSettings, PathNotFound
from vai.evaluation.tuning.charts import Side, not_shown, picture_of, sides_of
from vai.evaluation.tuning.picture import draw
from vai.evaluation.tuning.shapes import STYLE, escaped, text
from vai.evaluation.tuning.tuning import TuneReport
from vai.evaluation.tuning.verdict import (
    bounds,
    changes,
    decision_sentence,
    difference,
    evidence,
    flags_of,
    front_table,
    sentence,
    unbroken,
)

PAGES, PICTURES = frozenset({".html", ".htm"}), frozenset({".svg"})
WIDE, NARROW = (900, 500), (480, 440)
"""Sizes of a picture, for screens and paper, and for what is narrower than 700 pixels."""
HEADING = 34
"""Pixels above each picture in a file of its own, for its title."""


def require_plot_path(path: Path) -> None:
    """Refuse a place where no plot could be written, before time is spent on what it is to show.

    Raises:
        InvalidSettings: its name says neither that it is to be a page nor a picture, or it is a folder.
        PathNotFound: the folder is not there.
    """
    if path.suffix.lower() not in PAGES | PICTURES:
        raise InvalidSettings(
            f"the name of a plot ends in .html or .svg: {path}",
            hint="a page has the picture, its figures and what they mean; an .svg is the picture alone",
        )
    if path.is_dir():
        raise InvalidSettings(f"`{path}` is no file that could be written")
    if not path.parent.is_dir():
        raise PathNotFound(f"there is no folder `{path.parent}` to write into")


def write_plot(report: TuneReport, path: Path) -> None:
    """Write the page, or the pictures alone where the name ends in .svg; what was there is replaced.

    Raises:
        InvalidSettings, PathNotFound: it cannot be written there.
    """
    require_plot_path(path)
    content = svg_file(report) if path.suffix.lower() in PICTURES else page(report)
    try:
        write_whole(path, content)
    except OSError as error:
        raise InvalidSettings(f"`{path}` cannot be written: {reason_of(error)}") from error


# ── pictures alone ──


def svg_file(report: TuneReport) -> str:
    """The pictures below each other, each under what it shows."""
    width, height = WIDE
    sides = sides_of(report)
    whole = len(sides) * (height + HEADING) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" viewBox="0 0 {width} {whole}">',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{whole}"/>',
    ]
    for number, side in enumerate(sides):
        top = number * (height + HEADING) + HEADING
        picture = picture_of(report, side)
        parts.append(text(8, top - 8, picture.title, style="label"))
        parts.append(f'<svg y="{top}" width="{width}" height="{height}">{draw(picture, width, height)}</svg>')
    return "\n".join([*parts, "</svg>", ""])


# ── the page ──


def page(report: TuneReport) -> str:
    """The decision, the evidence, the pictures, the front as a table, and how to read them."""
    title = escaped(f"Tuning {report.collection} for {report.target}")
    parts = [
        "<!DOCTYPE html>",
        '<html xmlns="http://www.w3.org/1999/xhtml" lang="en"><head><meta charset="utf-8"/>',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>",
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
        '<meta name="color-scheme" content="light dark"/>',
        f"<title>{title}</title>",
        f"<style>{STYLE}{_PAGE_STYLE}</style></head><body><main>",
        *_header(report),
        *_evidence(report),
        *(part for side in sides_of(report) for part in _figure(report, side)),
        *_table(report),
        *_warnings(report.warnings),
        *_how_to_read(report),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _header(report: TuneReport) -> Iterator[str]:
    """What was tuned, and the answer."""
    about = (
        f"vai tune · {report.target} · collection {report.collection} · {report.held_out.queries:,} questions of "
        f"{report.corpus} · {report.configurations:,} configurations"
    )
    yield f'<header><p class="about">{escaped(about)}</p>'
    yield f"<h1>{escaped(unbroken(decision_sentence(report)))}</h1>"
    flags = " ".join(f"<span>--{escaped(flag)}</span>" for flag in flags_of(report.best).split("--")[1:])
    yield f'<p class="flags"><code>vai query "…" {flags}</code></p>'
    yield f'<p class="changes">{escaped(sentence(changes(report)))}</p></header>'


def _evidence(report: TuneReport) -> Iterator[str]:
    """The held-out figures, large, and what they mean."""
    held = report.held_out
    yield '<section class="evidence"><dl>'
    for name, value, beside in (
        ("tuned", f"{held.quality.mean:.3f}", bounds(held.quality)),
        ("in force", f"{held.baseline_mean:.3f}", ""),
        ("gain", f"{held.gain.mean:+.3f}", difference(held.gain).partition(" ")[2]),
    ):
        yield f"<div><dt>{name}</dt><dd>{value} <small>{escaped(beside)}</small></dd></div>"
    yield f"</dl><p>{escaped(unbroken(sentence(evidence(report))))}</p></section>"


def _figure(report: TuneReport, side: Side) -> Iterator[str]:
    """A picture in two sizes, of which the page shows the one that fits."""
    picture = picture_of(report, side)
    yield f"<figure><figcaption><h2>{side.title}</h2></figcaption>"
    for name, (width, height) in (("wide", WIDE), ("narrow", NARROW)):
        yield f'<div class="{name}">{draw(picture, width, height, linked="front-")}</div>'
    hidden = not_shown(report, side)
    if hidden:
        said = "configuration is not in the picture: it is not known what it takes"
        if hidden > 1:
            said = "configurations are not in the picture: it is not known what they take"
        yield f"<p>{hidden:,} {said}.</p>"
    yield "</figure>"


def _table(report: TuneReport) -> Iterator[str]:
    header, rows = front_table(report)
    yield '<section><h2>The front</h2><div class="scroll"><table><thead><tr>'
    yield "".join(f"<th>{escaped(name)}</th>" for name in header)
    yield "</tr></thead><tbody>"
    for row in rows:
        attributes = (f' id="front-{row[0]}"' if row[0] else "") + (' class="marked"' if row[-1] else "")
        yield f"<tr{attributes}>{''.join(f'<td>{escaped(cell)}</td>' for cell in row)}</tr>"
    yield "</tbody></table></div></section>"


def _warnings(warnings: Sequence[str]) -> Iterator[str]:
    if warnings:
        yield '<section class="warnings"><h2>To be known</h2><ul>'
        yield from (f"<li>{escaped(sentence(warning))}</li>" for warning in warnings)
        yield "</ul></section>"


def _how_to_read(report: TuneReport) -> Iterator[str]:
    yield "<footer><p>"
    yield escaped(
        f"Each dot is one configuration, with its {report.target} over all questions; one that points down lies lower "
        "than the picture goes. The line joins those than which none is both better and faster, or cheaper; its "
        "numbers are those of the table. The upright lines are 95 % intervals (bootstrap over questions). The dots "
        "show all questions, on which the choice was made, and so flatter what was chosen; the figures on top do not: "
        "there every question was answered by settings that were chosen on others."
    )
    yield "</p></footer>"


_PAGE_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #59626e; --paper: #fff; --line: #dfe3e8; --tint: #f3f5f7; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e8ebee; --faint: #a3adb8; --paper: #15181c; --line: #31373e; --tint: #1f242a; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: clamp(12px, 3vw, 40px); }
h1 { font-size: clamp(20px, 3.2vw, 30px); line-height: 1.25; margin: .2em 0 .5em; text-wrap: balance; }
h2 { font-size: 18px; margin: 1.6em 0 .5em; }
.about, .changes, footer, figure p { color: var(--faint); }
.about { font-size: 14px; margin: 0; }
.flags { margin: 0; }
code { font: 14px/1.6 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; background: var(--tint);
  border-radius: 6px; padding: 8px 12px; display: block; overflow-wrap: anywhere; }
code span { white-space: nowrap; }
.changes { margin: .5em 0 0; font-size: 14px; }
.evidence { margin: 24px 0 8px; border: solid var(--line); border-width: 1px 0; padding: 14px 0 4px; }
.evidence dl { display: flex; flex-wrap: wrap; gap: 8px 48px; margin: 0; }
.evidence dt { color: var(--faint); font-size: 14px; }
.evidence dd { margin: 0; font-size: 26px; font-weight: 600; font-variant-numeric: tabular-nums; }
.evidence small { font-size: 14px; font-weight: 400; color: var(--faint); }
.evidence p { margin: 10px 0; }
figure { margin: 28px 0 0; break-inside: avoid; }
figure svg { display: block; width: 100%; height: auto; }
figure a { text-decoration: none; }
figcaption h2 { margin: 0 0 8px; }
.narrow { display: none; }
@media screen and (max-width: 700px) { .narrow { display: block; } .wide { display: none; } }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--faint); }
tr.marked td { font-weight: 600; }
tr:target td { background: var(--tint); }
.warnings li { margin: .3em 0; }
footer { margin-top: 28px; font-size: 14px; border-top: 1px solid var(--line); }
@media print {
  main { max-width: none; padding: 0; }
  body { font-size: 11pt; }
  code { border: 1px solid var(--line); }
  .scroll { overflow: visible; }
  table { font-size: 8pt; }
  th, td { padding: 3px 7px 3px 0; }
}
"""
