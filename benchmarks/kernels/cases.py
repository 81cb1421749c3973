"""Convolutions of well-known networks, and how to time a call: the same for all contenders."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A square convolution: batch, size, channels in and out, window, stride, padding, groups."""

    name: str
    batch: int
    size: int
    channels: int
    outputs: int
    window: int
    stride: int = 1
    groups: int = 1

    @property
    def padding(self) -> int:
        """Zeros on each side: outputs are as many as inputs, over the stride."""
        return self.window // 2


CASES = [
    Case("cnn64 first", 64, 32, 3, 32, 3),
    Case("cnn64 second", 64, 16, 32, 64, 3),
    Case("cnn64 third", 64, 8, 128, 128, 3),
    Case("32 to 32", 64, 32, 32, 32, 3),
    Case("pointwise", 64, 32, 64, 64, 1),
    Case("resnet block", 32, 56, 64, 64, 3),
    Case("resnet stem", 8, 224, 3, 64, 7, stride=2),
    Case("resnet down", 32, 28, 128, 256, 3, stride=2),
    Case("depthwise", 64, 32, 64, 64, 3, groups=64),
    Case("mobilenet stem, one image", 1, 96, 3, 8, 3, stride=2),
    Case("depthwise, one image", 1, 48, 16, 16, 3, groups=16),
    Case("pointwise, one image", 1, 24, 32, 32, 1),
    Case("last pointwise, one image", 1, 3, 256, 256, 1),
]


def timed(
    call: Callable[[], object], *, seconds: float = 0.5, fewest: int = 3
) -> tuple[float, float]:
    """Give milliseconds of a call: the best on the wall, and the mean of the processor's."""
    call()
    walls: list[float] = []
    begin, processor = time.perf_counter(), time.process_time()
    while len(walls) < fewest or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        call()
        walls.append(time.perf_counter() - start)
    return min(walls) * 1e3, (time.process_time() - processor) / len(walls) * 1e3
