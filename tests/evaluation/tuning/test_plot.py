"""The plot of a tuning: well-formed whatever the names in it, with every configuration, and in need of nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning_samples import BASELINE, LOCAL, PAID, configurations, point, row, tune_report
from vai.errors import InvalidSettings, PathNotFound
from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.tuning.axes import axis_between, axis_of_costs, decimals_of
from vai.evaluation.tuning.charts import picture_of, sides_of
from vai.evaluation.tuning.plot import page, require_plot_path, svg_file, write_plot
from vai.evaluation.tuning.tuning import TuneReport
from vai.evaluation.tuning.verdict import in_words
from vai.types import Stage1

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert(1)</script> & \"quoted\" 'names' ]]> \x00\x1b\ud800"


def drawn(report: TuneReport) -> ElementTree.Element:
    """The picture alone, parsed."""
    return ElementTree.fromstring(svg_file(report))


def titles(report: TuneReport) -> list[str]:
    """Every tooltip of the picture."""
    return [title.text or "" for title in drawn(report).iter(f"{SVG}title")]


def texts(report: TuneReport) -> list[str]:
    """Every text that is written in the picture."""
    return [text.text or "" for text in drawn(report).iter(f"{SVG}text")]


# ── well-formed, and by itself ──


@pytest.mark.parametrize("paid", [False, True])
def test_page_and_picture_are_well_formed(paid: bool) -> None:
    report = tune_report(paid=paid, rerankers=(None, LOCAL, PAID) if paid else (None, LOCAL))
    ElementTree.fromstring(svg_file(report))
    ElementTree.fromstring(page(report).removeprefix("<!DOCTYPE html>\n"))


def test_names_are_shown_as_they_are_and_never_become_markup() -> None:
    model = f"./{NASTY}"
    best = Configuration(Stage1("hybrid"), 20, 400, model, 0.5)
    report = replace(
        tune_report(corpus=NASTY, warnings=(NASTY,)),
        best=best,
        best_row=row(point(replace(best, reranker=LOCAL))),
        reason=NASTY,
        collection=NASTY,
    )
    shown = "".join(ElementTree.fromstring(page(report).removeprefix("<!DOCTYPE html>\n")).itertext())
    assert shown.count("<script>alert(1)</script> & \"quoted\" 'names' ]]> \ufffd\ufffd\ufffd") >= 4
    for text in (page(report), svg_file(report)):
        assert "<script" not in text
        text.encode("utf-8")


def test_a_name_cannot_turn_the_text_around_it_round() -> None:
    report = tune_report(corpus="a\u202eb\u2066c")
    assert not {"\u202e", "\u2066"} & set(page(report) + svg_file(report))
    assert "a\ufffdb\ufffdc" in page(report)


class Attributes(HTMLParser):
    """Collects what a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "xlink:href", "data"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    found = Attributes()
    found.feed(page(tune_report()))
    assert found.tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "foreignobject"})
    assert found.links
    assert all(link.startswith("#front-") for link in found.links)
    assert not found.handlers
    assert "url(" not in page(tune_report())
    assert "default-src 'none'" in page(tune_report())


# ── what is in it ──


def test_every_configuration_is_there_with_what_it_is_and_what_it_takes() -> None:
    report = tune_report()
    shown = {title.rpartition(" in ")[0] for title in titles(report)}
    assert {f"{in_words(at.settings)}: ndcg@10 {at.mean:.3f}" for at in report.points} <= shown


def test_every_configuration_of_a_paid_tuning_is_in_both_pictures() -> None:
    report = tune_report(rerankers=(None, LOCAL, PAID), paid=True)
    pictures = [picture_of(report, side) for side in sides_of(report)]
    assert [picture.x_name for picture in pictures] == [
        "milliseconds of a query (p95)",
        "US dollars of 1,000 queries",
    ]
    assert [len(picture.dots) for picture in pictures] == [len(report.points)] * 2
    assert [dot.x for dot in pictures[1].dots] == [at.usd_per_1k for at in report.points]


def test_what_is_free_lies_at_0_and_what_has_no_known_price_is_not_in_the_picture_of_costs() -> None:
    report = tune_report(rerankers=(None, LOCAL, PAID), paid=True)
    server = replace(BASELINE, reranker="tei:http://127.0.0.1:8080")
    points = [replace(at, usd_per_1k=at.usd_per_1k or None) for at in report.points]
    report = replace(report, points=(*points, replace(points[0], settings=server)))
    dots = picture_of(report, sides_of(report)[1]).dots
    assert len(dots) == len(points)
    assert [dot.x > 0.0 for dot in dots] == [at.settings.reranker == PAID for at in points]
    assert "1 configuration is not in the picture: it is not known what it takes." in page(report)


def test_what_costs_nothing_has_no_picture_of_costs() -> None:
    assert len(sides_of(tune_report())) == 1


def test_configurations_of_unknown_latency_are_counted_and_not_drawn() -> None:
    report = tune_report()
    unknown = tuple(replace(at, p95_ms=None) if at.settings.limit == 5 else at for at in report.points)
    left_out = sum(at.p95_ms is None for at in unknown)
    report = replace(report, points=unknown)
    assert len(picture_of(report, sides_of(report)[0]).dots) == len(unknown) - left_out
    assert f"{left_out} configurations are not in the picture" in page(report)


def test_the_front_goes_up_from_left_to_right_under_the_numbers_of_the_table() -> None:
    report = tune_report()
    front = picture_of(report, sides_of(report)[0]).front
    assert [at.number for at in front] == list(range(1, len(report.frontier) + 1))
    for before, after in pairwise(front):
        assert (before.dot.x, before.dot.y) < (after.dot.x, after.dot.y)
    assert re.findall(r'<tr id="front-(\d+)"', page(report)) == [str(at.number) for at in front]


def test_the_chosen_configuration_and_the_one_in_force_are_labelled_and_have_intervals() -> None:
    report = tune_report()
    labels = [text for text in texts(report) if text.startswith(("chosen: ", "in force: "))]
    assert labels == ["chosen: 0.705 in 376 ms", "in force: 0.702 in 157 ms"]
    whiskers = [path for path in drawn(report).iter(f"{SVG}path") if "whisker" in path.get("class", "")]
    assert len(whiskers) == 2


def test_one_that_is_chosen_again_is_marked_once() -> None:
    report = tune_report(best=BASELINE)
    assert [text for text in texts(report) if "chosen" in text] == ["chosen, and in force: 0.702 in 157 ms"]


def test_what_is_in_force_is_in_the_table_though_it_is_not_on_the_front() -> None:
    bad = replace(BASELINE, blend=0.0)
    rows = re.findall(r'<tr(?: id="[^"]*")? class="marked">.*?</tr>', page(tune_report(baseline=bad)))
    assert [("chosen" in row, "in force" in row) for row in rows] == [(True, False), (False, True)]


def test_stage_1_alone_and_each_reranker_have_names_shapes_and_colours_of_their_own() -> None:
    report = tune_report(rerankers=(None, LOCAL, PAID), paid=True)
    series = picture_of(report, sides_of(report)[0]).series
    assert series == ("stage 1 alone", "reranked by vai-reranker-mini", "reranked by rerank-2.5")
    groups = [group for group in drawn(report).iter(f"{SVG}g") if group.get("class", "").startswith("dots")]
    shapes = [{child.tag.removeprefix(SVG) for child in group} for group in groups[:3]]
    assert "circle" in shapes[0]
    assert shapes[1:] == [{"path"}, {"path"}]


def test_more_rerankers_than_colours_share_the_last_one() -> None:
    report = tune_report()
    points = tuple(
        replace(at, settings=replace(at.settings, reranker=f"model-{number % 6}"))
        for number, at in enumerate(report.points)
    )
    report = replace(report, points=points, frontier=())
    picture = picture_of(report, sides_of(report)[0])
    assert len(picture.series) == 4
    assert picture.series[-1].startswith("reranked by one of ")
    assert max(dot.series for dot in picture.dots) == 3


def test_a_budget_is_drawn_as_a_line_with_its_name() -> None:
    report = tune_report(budget_ms=100)
    assert "budget: 100 ms" in texts(report)
    assert any(path.get("class") == "bound" for path in drawn(report).iter(f"{SVG}path"))


def test_the_decision_and_the_held_out_figures_are_in_words() -> None:
    shown = "".join(ElementTree.fromstring(page(tune_report()).removeprefix("<!DOCTYPE html>\n")).itertext())
    assert "Rerank: a reranker is worth +0.028" in shown
    assert "each answered by settings that were chosen on others, ndcg@10 is 0.698 [0.655, 0.741]" in shown
    assert "+0.023 [+0.006, +0.041]; the gain is certain." in shown


# ── where it is on the paper ──


@pytest.mark.parametrize(
    "baseline", [BASELINE, replace(BASELINE, blend=0.0), Configuration(Stage1("words"), 5, 100)]
)
@pytest.mark.parametrize("budget", [None, 3, 20_000])
def test_nothing_lies_outside_of_the_picture(baseline: Configuration, budget: int | None) -> None:
    root = drawn(tune_report(baseline=baseline, budget_ms=budget))
    inner = root.find(f".//{SVG}svg/{SVG}svg")
    assert inner is not None
    _, _, width, height = map(float, inner.get("viewBox", "").split())
    for element in inner.iter():
        for name, most in (("x", width), ("cx", width), ("y", height), ("cy", height)):
            assert -1.0 <= float(element.get(name, "0")) <= most + 1.0, ElementTree.tostring(element)


def test_a_report_of_one_configuration_can_be_drawn() -> None:
    report = tune_report(best=BASELINE)
    one = replace(report, points=(point(BASELINE),), frontier=(row(point(BASELINE)),))
    assert texts(one).count("1") == 1


def test_a_chosen_configuration_without_a_front_is_still_labelled() -> None:
    assert "chosen: 0.705 in 376 ms" in texts(replace(tune_report(), frontier=()))


def test_a_report_without_latencies_can_be_drawn() -> None:
    report = tune_report()
    points = tuple(replace(at, p95_ms=None) for at in report.points)
    ElementTree.fromstring(
        svg_file(replace(report, points=points, frontier=(), best_row=None, baseline_row=None))
    )


numbers = st.floats(1e-4, 1e6)


@given(st.lists(numbers | st.just(0.0), min_size=1))
def test_what_takes_more_is_further_to_the_right(values: Sequence[float]) -> None:
    axis = axis_of_costs(values, 50.0, 900.0)
    places = [axis.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(50.0 <= place <= 900.0 for place in places)


@given(numbers, numbers, st.integers(2, 10))
def test_ticks_are_few_lie_on_the_axis_and_are_told_apart_by_their_decimals(
    one: float, other: float, most: int
) -> None:
    for axis in (
        axis_of_costs([one, other], 0.0, 100.0),
        axis_between(min(one, other), max(one, other), 0.0, 100.0),
    ):
        ticks = axis.ticks(most)
        assert len(ticks) <= most
        assert all(axis.low * 0.999 - 1e-9 <= tick <= axis.high * 1.001 for tick in ticks)
        if not axis.logarithmic:
            written = [f"{tick:.{decimals_of(ticks)}f}" for tick in ticks]
            assert len(set(written)) == len(ticks)


def test_latencies_that_span_decades_lie_on_a_logarithmic_axis_and_what_is_free_beside_it() -> None:
    axis = axis_of_costs([0.0, 1.0, 10.0, 1000.0], 0.0, 100.0)
    assert axis.logarithmic
    assert axis.ticks(9) == [0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0]
    assert 0.0 < axis.at(0.0) < 5.0 < axis.at(1.0)
    assert axis.at(100.0) - axis.at(10.0) == pytest.approx(axis.at(1000.0) - axis.at(100.0))
    assert not axis_of_costs([1.0, 5.0], 0.0, 100.0).logarithmic


# ── files ──


def test_the_name_says_whether_it_is_a_page_or_a_picture(tmp_path: Path) -> None:
    for name, begin in (
        ("plot.html", "<!DOCTYPE html>"),
        ("plot.HTM", "<!DOCTYPE html>"),
        ("plot.svg", "<svg "),
    ):
        write_plot(tune_report(), tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begin)


def test_places_where_no_plot_can_be_written_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(InvalidSettings, match=r"the name of a plot ends in \.html or \.svg: .*plot\.png"):
        require_plot_path(tmp_path / "plot.png")
    with pytest.raises(InvalidSettings, match="is no file that could be written"):
        require_plot_path(tmp_path / "folder.html")
    with pytest.raises(PathNotFound, match="there is no folder"):
        require_plot_path(tmp_path / "none" / "plot.svg")


def test_the_samples_have_configurations_of_each_kind() -> None:
    """So that the tests above are about something."""
    found = list(configurations())
    assert {at.reranker for at in found} == {None, LOCAL}
    assert len(tune_report().frontier) > 10
