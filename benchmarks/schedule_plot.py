"""A small plot of curves on two logarithmic scales, as an SVG that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 44, 52
_X, _Y = (4.0, 200.0), (0.4, 40.0)
_X_TICKS = (5, 10, 20, 50, 100, 200)
_Y_TICKS = (0.5, 1, 2, 5, 10, 20, 40)


@dataclass(frozen=True)
class Curve:
    """Points as (x, y, label); the labels stand above the points or below them."""

    name: str
    colour: str
    points: list[tuple[float, float, str]]
    above: bool


def svg(curves: list[Curve], *, x: str, y: str) -> str:
    """Return the plot; ``x`` and ``y`` name its axes."""
    middle = _HEIGHT / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12" fill="#333"><rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        *_grid(),
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x)}</text>',
        f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">{escape(y)}</text>',
    ]
    for number, curve in enumerate(curves):
        parts += _curve(curve)
        at = _LEFT + number * 150
        parts.append(f'<rect x="{at}" y="18" width="14" height="4" fill="{curve.colour}"/>')
        parts.append(f'<text x="{at + 20}" y="24">{escape(curve.name)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _curve(curve: Curve) -> Iterator[str]:
    points = sorted((_at_x(x), _at_y(y), label) for x, y, label in curve.points)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    yield f'<polyline points="{line}" fill="none" stroke="{curve.colour}" stroke-width="2"/>'
    for x, y, label in points:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{curve.colour}"/>'
        # A white edge keeps a label readable where it crosses a line.
        at, anchor = ((x + 8, y - 6), "start") if curve.above else ((x - 8, y + 15), "end")
        yield (
            f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" fill="{curve.colour}" stroke="#fff" '
            f'stroke-width="4" paint-order="stroke">{escape(label)}</text>'
        )


def _grid() -> Iterator[str]:
    for tick in _X_TICKS:
        at = _at_x(tick)
        yield f'<path d="M{at:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#e4e4e4"/>'
        yield f'<text x="{at:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{tick}</text>'
    for tick in _Y_TICKS:
        at = _at_y(tick)
        yield f'<path d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}" stroke="#e4e4e4"/>'
        yield f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tick}</text>'


def _at_x(value: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * _share(value, _X)


def _at_y(value: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * _share(value, _Y)


def _share(value: float, scale: tuple[float, float]) -> float:
    low, high = map(math.log, scale)
    return (math.log(value) - low) / (high - low)
