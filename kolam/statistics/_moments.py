"""Mean, spread and shape of numbers, merged without loss of digits."""

import math
from dataclasses import dataclass

import numpy as np

from kolam.statistics._encoding import encode_float


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and the sums of the second to fourth powers of differences from the mean.

    Example:
        >>> Moments.of(np.array([1.0, 2.0, 3.0])).merge(Moments.of(np.array([4.0]))).mean
        2.5

    References:
        Chan, Golub, LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample
        Variances, 1979; Pébay, Formulas for Robust, One-Pass Parallel Computation of Covariances
        and Arbitrary-Order Statistical Moments, 2008.
    """

    count: int = 0
    mean: float = 0.0
    second: float = 0.0
    third: float = 0.0
    fourth: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Sum up finite float64 values ``[n]``."""
        if not values.size:
            return cls()
        with np.errstate(over="ignore", invalid="ignore"):  # 1e308 squared: then no spread is given
            mean = float(values.mean())
            away = values - mean
            squared = away * away
            return cls(
                values.size,
                mean,
                float(squared.sum()),
                float((squared * away).sum()),  # not BLAS: its threads wait for one another
                float((squared * squared).sum()),
                float(values.min()),
                float(values.max()),
            )

    def merge(self, other: "Moments") -> "Moments":
        """Give the moments of the values of both."""
        if not self.count or not other.count:
            return self if self.count else other
        a, b = float(self.count), float(other.count)
        n = a + b
        with np.errstate(over="ignore", invalid="ignore"):
            step = np.float64(other.mean) - self.mean
            second = self.second + other.second + step**2 * a * b / n
            third = (
                self.third
                + other.third
                + step**3 * a * b * (a - b) / n**2
                + 3 * step * (a * other.second - b * self.second) / n
            )
            fourth = (
                self.fourth
                + other.fourth
                + step**4 * a * b * (a * a - a * b + b * b) / n**3
                + 6 * step**2 * (a * a * other.second + b * b * self.second) / n**2
                + 4 * step * (a * other.third - b * self.third) / n
            )
            mean = self.mean + step * b / n
        return Moments(
            self.count + other.count,
            float(mean),
            float(second),
            float(third),
            float(fourth),
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
        )

    @property
    def variance(self) -> float | None:
        """Sample variance; `None` below two values or beyond float64."""
        if self.count < 2 or not math.isfinite(self.second):
            return None
        return self.second / (self.count - 1)

    @property
    def standard_deviation(self) -> float | None:
        """Square root of the sample variance."""
        return None if self.variance is None else math.sqrt(max(self.variance, 0.0))

    @property
    def skewness(self) -> float | None:
        """Third standardised moment; `None` without spread."""
        if not (self.second > 0 and math.isfinite(self.third)):
            return None
        spread = (self.second / self.count) ** 1.5
        return self.third / self.count / spread if spread > 0 else None

    @property
    def kurtosis(self) -> float | None:
        """Fourth standardised moment, 3 for a normal distribution; `None` without spread."""
        if not (self.second > 0 and math.isfinite(self.fourth)):
            return None
        spread = (self.second / self.count) ** 2
        return self.fourth / self.count / spread if spread > 0 else None

    def to_json(self) -> list[float | str]:
        """Give the seven numbers."""
        powers = (self.mean, self.second, self.third, self.fourth, self.minimum, self.maximum)
        return [self.count, *(encode_float(value) for value in powers)]

    @classmethod
    def from_json(cls, record: list[float | str]) -> "Moments":
        """Read what `to_json` gives."""
        return cls(int(record[0]), *(float(value) for value in record[1:]))
