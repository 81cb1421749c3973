"""PyTorch's side of `convolutions.py`: channels last, in a process of its own."""

import json

import torch
from cases import CASES, timed


def main() -> None:
    torch.manual_seed(0)
    for case in CASES:
        shape = (case.batch, case.channels, case.size, case.size)
        layer = torch.nn.Conv2d(
            case.channels,
            case.outputs,
            case.window,
            stride=case.stride,
            padding=case.padding,
            groups=case.groups,
            bias=False,
        ).to(memory_format=torch.channels_last)
        x = torch.randn(shape).to(memory_format=torch.channels_last)
        w = layer.weight
        with torch.no_grad():
            y = layer(x)
            dy = torch.randn_like(y)
            found = {
                "forward": timed(lambda: layer(x)),  # noqa: B023 - called at once
                "weights": timed(lambda: backward(dy, x, w, case, (False, True))),  # noqa: B023
                "input": timed(lambda: backward(dy, x, w, case, (True, False))),  # noqa: B023
            }
        print(json.dumps(found), flush=True)


def backward(dy, x, w, case, which):
    return torch.ops.aten.convolution_backward(
        dy,
        x,
        w,
        None,
        [case.stride] * 2,
        [case.padding] * 2,
        [1, 1],
        False,
        [0, 0],
        case.groups,
        [*which, False],
    )


if __name__ == "__main__":
    main()
