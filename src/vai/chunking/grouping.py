"""Which neighbouring sections are read together: pure arithmetic over an outline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vai.chunking.measure import Measure
from vai.chunking.outline import Outline, Path, Section, Span


@dataclass(frozen=True, slots=True)
class _Group:
    """Sections `first` to `last` (exclusive).

    `small`: none of them is worth a chunk of its own. `whole`: nothing that lies in its first section is left
    out. `bare`: there is nothing but headings. `home`: the path of the section that they lie in.
    """

    first: int
    last: int
    small: bool
    whole: bool
    bare: bool
    home: Path


def grouped(outline: Outline, measure: Measure) -> Iterator[Span]:
    """Stretches of whole sections, in order, covering all of them; one may be too long for a chunk.

    A section that fits in a chunk together with all it holds stays whole. Of the others:

    - headings with nothing below them go with the section that follows inside them; or with one that follows
      beside them, if both fit,
    - a small section (an eighth of a chunk) goes with the first one inside it, if both fit,
    - small neighbours inside the same section go together, as long as they fit.
    """
    group: _Group | None = None
    for following in _whole_sections(outline, measure):
        joined = _joined(outline, measure, group, following) if group is not None else following
        if joined is None and group is not None:
            yield _span(outline, group.first, group.last)
        group = joined or following
    if group is not None:
        yield _span(outline, group.first, group.last)


def _whole_sections(outline: Outline, measure: Measure) -> Iterator[_Group]:
    """The largest sections that fit with all they hold, and the own text of those that do not."""
    ends = _ends_of_all_held(outline.sections)
    index = 0
    while index < len(ends):
        fits = measure.fits(*_span(outline, index, ends[index]))
        last = ends[index] if fits else index + 1
        yield _Group(
            first=index,
            last=last,
            small=measure.count(*_span(outline, index, last)) <= measure.small,
            whole=last == ends[index],
            bare=last == index + 1 and outline.is_bare(index),
            home=outline.sections[index].home,
        )
        index = last


def _ends_of_all_held(sections: list[Section]) -> list[int]:
    """For each section, the index after the last one that lies in it."""
    ends = [len(sections)] * len(sections)
    opened: list[int] = []
    for index, section in enumerate(sections):
        while opened and not sections[opened[-1]].holds(section):
            ends[opened.pop()] = index
        if section.resumed:
            ends[index] = index + 1
        else:
            opened.append(index)
    return ends


def _joined(outline: Outline, measure: Measure, group: _Group, following: _Group) -> _Group | None:
    """Both groups as one, or None if they are better read apart."""
    leads_on = outline.sections[following.first].level > outline.sections[group.last - 1].level
    if not (group.bare and leads_on):
        little = measure.count(*_span(outline, group.first, group.last)) <= measure.small
        siblings = group.whole and following.whole and group.small and following.small
        neighbours = group.home == following.home and (siblings or group.bare)
        related = (leads_on and little) or neighbours
        if not (related and measure.fits(*_span(outline, group.first, following.last))):
            return None
    return _Group(
        first=group.first,
        last=following.last,
        small=following.small,
        whole=following.whole,
        bare=group.bare and following.bare,
        home=following.home,
    )


def _span(outline: Outline, first: int, last: int) -> Span:
    return outline.sections[first].start, outline.end(last - 1)
