"""Results as tables for people and as a JSON file to keep."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from measuring.sampling import Comparison, Percentiles, Samples
from vai.types import Json


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, aligned so that it reads as it is."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """Ours, the reference, their ratio and the goals; each a median with the least and greatest round."""
    header = ["measured", "vai", "reference", "ratio vai/reference", "goal", "met"]
    return table(header, [_comparison_row(comparison) for comparison in comparisons])


def _comparison_row(comparison: Comparison) -> list[str]:
    digits = 3 if comparison.unit == "s" else 0
    reference, ratio, verdicts = comparison.reference, comparison.ratio, comparison.verdicts
    return [
        comparison.name,
        f"{comparison.ours.spread(digits)} {comparison.unit}",
        f"{reference.spread(digits)} {comparison.unit}: {comparison.reference_name}" if reference else "",
        ratio.spread(2) if ratio else "",
        ", ".join(
            f"{goal} {comparison.unit}" if goal is comparison.goal else f"ratio {goal}"
            for goal, _ in verdicts
        ),
        ", ".join("yes" if met else "no" for _, met in verdicts),
    ]


def percentile_table(stages: Sequence[Percentiles]) -> str:
    """The stages of warm queries."""
    rows = [[stage.name, f"{stage.p50:.1f}", f"{stage.p95:.1f}", str(stage.queries)] for stage in stages]
    return table(["stage", "p50 ms", "p95 ms", "queries"], rows)


def comparison_json(comparison: Comparison) -> dict[str, Json]:
    """A comparison with every round."""
    return {
        "name": comparison.name,
        "unit": comparison.unit,
        "ours": _samples_json(comparison.ours),
        "reference_name": comparison.reference_name or None,
        "reference": _samples_json(comparison.reference),
        "ratio": _samples_json(comparison.ratio),
        "goals": [{"goal": str(goal), "met": met} for goal, met in comparison.verdicts],
    }


def _samples_json(samples: Samples | None) -> Json:
    return None if samples is None else {"median": samples.median, "rounds": list(samples.values)}


def save(result: Mapping[str, Json], destination: Path, kind: str) -> Path:
    """Write a result: to the `.json` file, or into the folder as `<kind>-<commit>.json`."""
    named = destination.suffix == ".json"
    path = destination if named else destination / f"{kind}-{result['commit']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


def say(text: str) -> None:
    """How far it has come; standard output is for results."""
    print(text, file=sys.stderr, flush=True)
