"""Metrics over steps as SVG lines and words: values only, so that templates decide nothing. Pure."""

from dataclasses import dataclass

from hubernate_core.job_metrics import Point, Series

WIDTH, HEIGHT = 400, 100
"""Of a drawing, in its own units; y downwards."""


@dataclass(frozen=True)
class Curve:
    """One metric. `lines`: what SVG's ``points`` takes, broken where a value is no number."""

    id: str
    title: str
    newest: str
    peak: str
    summary: str
    first: str
    last: str
    lines: list[str]


def curve(series: Series, number: int) -> Curve:
    """The curve of `series`, the page's `number`-th; it has points."""
    points = series.points
    numbers = [each.value for each in points if each.value is not None]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 0.0)
    steps = [each.step for each in points]
    newest = _shown(points[-1].value)
    summary = f"Now {newest}, at step {points[-1].step}; between {_shown(low)} and {_shown(high)}."
    if len(numbers) < len(points):
        summary += " Where the line is broken it was no number."
    return Curve(
        id=f"metric-{number}",
        title=series.name,
        newest=newest,
        peak=f"{_shown(low)} – {_shown(high)}",
        summary=summary,
        first=f"step {min(steps)}",
        last=f"{max(steps)}",
        lines=_lines(points, (min(steps), max(steps)), (low, high)),
    )


def _lines(points: list[Point], steps: tuple[int, int], values: tuple[float, float]) -> list[str]:
    lines: list[list[str]] = [[]]
    for each in points:
        if each.value is None:
            lines.append([])
        else:
            x, y = _part(each.step, *steps) * WIDTH, (1 - _part(each.value, *values)) * HEIGHT
            lines[-1].append(f"{x:.1f},{y:.1f}")
    # A line of one point is drawn as a dot, if it has an end.
    return [" ".join(line if len(line) > 1 else line * 2) for line in lines if line]


def _part(value: float, low: float, high: float) -> float:
    # Halves, as the distance between the largest numbers is not one.
    span = high / 2 - low / 2
    return (value / 2 - low / 2) / span if span > 0 else 0.5


def _shown(value: float | None) -> str:
    return "no number" if value is None else f"{value:.4g}"
