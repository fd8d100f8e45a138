"""Effect thresholds learned from the reference's own blocks of time.

Weekdays and seasons move a column without any drift. A check joins the reference's stretches into
blocks as long as its window, holds each block against the rest, and learns what one more block of
the same process may show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

# scipy.special alone: scipy.stats takes most of a second to import.
from scipy.special import chdtrc, chdtri, fdtri

from components.core.window import Window
from components.drift import distances
from components.drift.cells import LEAST_EXPECTED, category_cells, numeric_cells
from components.drift.columns import CategoryProfile, NumericProfile
from components.drift.profile import LABEL, PREDICTION
from components.drift.variation import ColumnVariation, Integers, Variation

# Fewer blocks say nothing about a spread; below the second number shorter blocks say more, which
# vary at least as much where the process is stationary.
LEAST_BLOCKS, WANTED_BLOCKS = 4, 12
_SURE = 0.95
# From this p-value on the blocks differ by chance alone.
_CHANCE = 0.01
# Blocks of real time are not quite independent, and have longer tails than normal ones: two of
# three count, and however many there are, no more than so many.
_WORTH, _MOST_WORTH = 2 / 3, 10
# So many comparisons in one check, and so many blocks of a column at least and at most.
_COMPARISONS, _FEWEST, _MOST = 30_000, 28, 120


@dataclass(frozen=True)
class Learned:
    """The index that one more block of the reference may reach by itself.

    `effect` is learned from `blocks` blocks of `length` each, of which one reached `largest`.
    """

    effect: float
    largest: float
    blocks: int
    length: timedelta

    def source(self) -> str:
        """Where it comes from, as the end of a sentence.

        >>> Learned(0.3, 0.1, 12, timedelta(days=7)).source()
        '12 blocks of 7 days in the reference'
        """
        hours = self.length / timedelta(hours=1)
        amount, unit = (hours / 24, "day") if hours >= 24 else (hours, "hour")
        if hours < 1:
            amount, unit = 60 * hours, "minute"
        return f"{self.blocks} blocks of {amount:.4g} {unit}{'s' * (amount != 1)} in the reference"

    def facts(self) -> dict[str, float]:
        """The same as figures."""
        return {
            "effect": round(self.effect, 6),
            "largest": round(self.largest, 6),
            "blocks": self.blocks,
            "block_seconds": self.length.total_seconds(),
        }


def learn_effects(
    variation: Variation, names: Iterable[str], window: Window, level: float
) -> dict[str, Learned]:
    """What each column may differ in a window as long as this one without any drift.

    Each block of the reference is held against the rest of it, in the rule's own cells.
    `prediction_bound` says what one more may show; nothing, where a chi-square test of all blocks
    finds no more than chance. Blocks are shorter than the window where there
    would be fewer than twelve: they vary at least as much.

    Args:
        variation: the reference's counts.
        names: the columns.
        window: its length alone counts.
        level: the chance to exceed the bound, for one column.

    Returns:
        The columns with at least four blocks that can be compared.
    """
    wanted = [name for name in names if name in variation.columns]
    most = int(np.clip(_COMPARISONS // max(len(wanted), 1), _FEWEST, _MOST))
    learned = {}
    for name in wanted:
        column = variation.columns[name]
        missing = name not in (PREDICTION, LABEL)
        blocks, joined = _blocks(column, variation.seconds, window, missing)
        if len(blocks) > most:
            blocks = blocks[np.linspace(0, len(blocks) - 1, most).round().astype(np.int64)]
        total = np.array(column.counts, dtype=np.int64).sum(axis=0)
        effects = list(_effects(column, blocks, total, missing))
        if len(effects) >= LEAST_BLOCKS:
            # Blocks that differ by chance alone say nothing against the spec's effect.
            bound = prediction_bound(np.array(effects), level) if _vary(blocks, missing) else 0.0
            length = timedelta(seconds=joined * variation.seconds)
            learned[name] = Learned(bound, max(effects), len(effects), length)
    return learned


def above(learned: Learned | None, effect: float) -> Learned | None:
    """What was learned, where it exceeds the spec's effect; below that nothing matters."""
    if learned is None or learned.effect <= effect:
        return None
    return replace(learned, largest=max(learned.largest, effect))


def prediction_bound(effects: NDArray[np.float64], level: float) -> float:
    """What one more block may show by itself; never less than the largest seen.

    The index is close to a weighted sum of squares of normal deviations, that is, to a scaled
    chi-square with as many degrees of freedom as its mean and variance say (Satterthwaite, 1946);
    one more of them over the mean of K is F distributed, here with two thirds of the degrees that K
    independent blocks would have, and those of at most ten, so that the tails are as long as real
    ones. The variance is taken at the upper end of
    its 95 % interval, since few blocks say little about it; and the degrees are at least one,
    because of all such sums with one mean a single square has the longest tail (Szekely and
    Bakirov, 2003).

    Args:
        effects: (K,) corrected indices of K blocks, at least two.
        level: the chance to exceed the bound.

    >>> steady, wild = np.full(12, 0.1), np.array([0.0, 0.4] * 6)
    >>> [round(prediction_bound(effects, 0.001), 2) for effects in (steady, wild)]
    [0.1, 5.56]
    """
    blocks, mean = len(effects), float(effects.mean())
    if not mean:
        return 0.0
    widest = float(effects.var(ddof=1)) * (blocks - 1) / float(chdtri(blocks - 1, _SURE))
    degrees = float(np.clip(2 * mean**2 / max(widest, 1e-12), 1.0, 1e4))
    worth = min(_WORTH * (blocks - 1), _MOST_WORTH)
    bound = mean * float(fdtri(degrees, worth * degrees, 1 - level))
    return max(bound, float(effects.max()))


def _blocks(
    column: ColumnVariation, seconds: int, window: Window, missing: bool
) -> tuple[Integers, int]:
    """The blocks' counts, (blocks, cells), and how many stretches a block has.

    The last block ends with the reference; blocks that are nearly empty are left out.
    """
    counts = np.array(column.counts, dtype=np.int64)
    rows = counts.sum(axis=1) if missing else counts[:, :-1].sum(axis=1)
    used = np.flatnonzero(rows)
    if not used.size:
        return counts[:0], 1
    counts, rows = (part[used[0] : used[-1] + 1] for part in (counts, rows))
    joined = max(round((window.end - window.start).total_seconds() / seconds), 1)
    joined = max(min(joined, len(counts) // WANTED_BLOCKS), 1)
    whole = len(counts) // joined * joined
    blocks = counts[-whole:].reshape(-1, joined, counts.shape[1]).sum(axis=1)
    sizes = rows[-whole:].reshape(-1, joined).sum(axis=1)
    return blocks[sizes >= np.median(sizes) / 4], joined


def _vary(blocks: Integers, missing: bool) -> bool:
    """Whether blocks differ beyond chance: Pearson's test that all have the same shares."""
    counts = (blocks if missing else blocks[:, :-1]).astype(np.float64)
    counts = counts[counts.sum(axis=1) > 0]
    rows, cells = counts.sum(axis=1, keepdims=True), counts.sum(axis=0)
    if not rows.size:
        return False
    rare = cells * float(rows.min() / rows.sum()) < LEAST_EXPECTED
    counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    counts = counts[:, counts.sum(axis=0) > 0]
    expected = rows * counts.sum(axis=0) / rows.sum()
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if freedom < 1:
        return False
    return float(chdtrc(freedom, np.sum((counts - expected) ** 2 / expected))) < _CHANCE


def _effects(
    column: ColumnVariation, blocks: Integers, total: Integers, missing: bool
) -> Iterator[float]:
    """The corrected index of each block against the rest, where both have enough rows."""
    for block in blocks:
        psi = corrected_psi(_profile(column, total - block), _profile(column, block), missing)
        if psi is not None:
            yield psi


def corrected_psi(
    reference: NumericProfile | CategoryProfile,
    current: NumericProfile | CategoryProfile,
    missing: bool,
) -> float | None:
    """The index as the rule takes it, without the rule's tests; None for too few rows."""
    if isinstance(reference, NumericProfile) and isinstance(current, NumericProfile):
        cells = numeric_cells(reference, current, missing)
    elif isinstance(reference, CategoryProfile) and isinstance(current, CategoryProfile):
        cells = category_cells(reference, current, missing)
    else:
        return None
    n, m = cells.sizes
    if min(n, m) < 2 * LEAST_EXPECTED:
        return None
    raw = distances.psi(cells.reference, cells.current)
    return max(raw - distances.psi_bias(len(cells.reference), n, m), 0.0)


def _profile(column: ColumnVariation, counts: Integers) -> NumericProfile | CategoryProfile:
    """A block as a profile in coarse cells."""
    *cells, empty = counts.tolist()
    rows = sum(cells) + empty
    if column.known is not None:
        # The rule's test for new categories does not apply: all of these are the reference's.
        *known, rest = cells
        return CategoryProfile(
            rows=rows, missing=empty, complete=False, known=column.known, counts=known, rest=rest
        )
    edges = column.edges
    return NumericProfile(
        rows=rows,
        missing=empty,
        span=(edges[0], edges[-1]) if edges else None,
        edges=edges,
        counts=cells,
        minimum=edges[0] if edges else None,
        maximum=edges[-1] if edges else None,
    )
