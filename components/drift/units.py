"""Factors between units that people mix up: what a served value over a trained one may mean."""

from __future__ import annotations

import math

# What the served value is in, what the trained one is in, and served / trained. Exact where the
# unit is defined so (BIPM, SI brochure, 9th edition, 2019; NIST special publication 811, 2008).
_PAIRS: list[tuple[float, str, str]] = [
    (1e3, "thousandths such as milliseconds, grams or metres", "seconds, kilograms or kilometres"),
    (1e6, "millionths such as microseconds or milligrams", "seconds or kilograms"),
    (1e9, "nanoseconds", "seconds"),
    (60.0, "seconds or minutes", "minutes or hours"),
    (3600.0, "seconds", "hours"),
    (86400.0, "seconds", "days"),
    (1440.0, "minutes", "days"),
    (24.0, "hours", "days"),
    (7.0, "days", "weeks"),
    (12.0, "months or inches", "years or feet"),
    (100.0, "percent, cents or centimetres", "shares, whole units or metres"),
    (1e4, "basis points", "shares"),
    (0.3048, "metres", "feet"),
    (0.9144, "metres", "yards"),
    (1.609344, "kilometres", "miles"),
    (1609.344, "metres", "miles"),
    (1.852, "kilometres or km/h", "nautical miles or knots"),
    (1852 / 1609.344, "miles or mph", "nautical miles or knots"),
    (1852 / 3600, "metres per second", "knots"),
    (0.44704, "metres per second", "miles per hour"),
    (3.6, "km/h", "metres per second"),
    (2.54, "centimetres", "inches"),
    (25.4, "millimetres", "inches"),
    (0.45359237, "kilograms", "pounds"),
    (28.349523125, "grams", "ounces"),
    (3.785411784, "litres", "US gallons"),
    (4.54609, "litres", "imperial gallons"),
    (0.09290304, "square metres", "square feet"),
    (33.8638866667, "hectopascals", "inches of mercury"),
    (6.894757293168, "kilopascals", "psi"),
    (4.184, "joules", "calories"),
    (180 / math.pi, "degrees", "radians"),
    (1024.0, "bytes or kibibytes", "kibibytes or mebibytes"),
    (1048576.0, "bytes", "mebibytes"),
]
FACTORS: list[tuple[float, str]] = [
    pair
    for factor, served, trained in _PAIRS
    for pair in ((factor, f"{served} for {trained}"), (1 / factor, f"{trained} for {served}"))
]
# Served is slope * trained + start.
TEMPERATURES: list[tuple[float, float, str]] = [
    (5 / 9, -160 / 9, "degrees Celsius for Fahrenheit"),
    (9 / 5, 32.0, "degrees Fahrenheit for Celsius"),
    (1.0, 273.15, "kelvins for degrees Celsius"),
    (1.0, -273.15, "degrees Celsius for kelvins"),
    (5 / 9, 273.15 - 160 / 9, "kelvins for degrees Fahrenheit"),
    (9 / 5, 32 - 9 / 5 * 273.15, "degrees Fahrenheit for kelvins"),
]


def unit_of(factor: float) -> str:
    """Which units a factor stands for, `""` where it is none that is known.

    >>> unit_of(2.54), unit_of(1 / 2.54), unit_of(0.7)
    ('centimetres for inches', 'inches for centimetres', '')
    """
    for known, name in FACTORS:
        if math.isclose(factor, known, rel_tol=1e-6):
            return name
    return ""
