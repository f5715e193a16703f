"""Whether something grows, with how sure that is: a line through samples that hang together."""

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from numpy.typing import ArrayLike

Z = 1.96
"""Of 95 in 100, for many samples."""
LEAST_FREEDOM = 3.0
LEAST_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Growth:
    """Slope of a line, and between what it lies with a probability of 95 %."""

    slope: float
    low: float
    high: float

    @property
    def is_proven(self) -> bool:
        """Zero lies below all that is likely."""
        return self.low > 0


def fitted(places: ArrayLike, values: ArrayLike) -> Growth:
    """Least squares; samples that follow their neighbours count for less.

    Memory stays where it was from one sample to the next: taken as independent, samples would make
    any drift look certain. They count as n (1 - r) / (1 + r), where r is the correlation of the
    residuals with their neighbours (Santer et al. 2000, section 3).
    """
    x, y = np.asarray(places, np.float64), np.asarray(values, np.float64)
    if len(x) < LEAST_SAMPLES:
        return Growth(0.0, -inf, inf)
    x = x - x.mean()
    square = float(x @ x)
    slope = float(x @ y) / square
    rest = y - y.mean() - slope * x
    power = float(rest @ rest)
    if power < 1e-9 * max(float(y @ y), 1.0) ** 0.5:
        return Growth(slope, slope, slope)
    alike = min(max(float(rest[1:] @ rest[:-1]) / power, 0.0), 0.99)
    freedom = len(x) * (1 - alike) / (1 + alike) - 2
    if freedom < LEAST_FREEDOM:
        return Growth(slope, -inf, inf)
    # Student's t by its first correction, which is within 3 % from three degrees on.
    t = Z * (1 + (Z * Z + 1) / (4 * freedom))
    error = t * sqrt(power / freedom / square)
    return Growth(slope, slope - error, slope + error)
