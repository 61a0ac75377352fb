"""Two ops of your own, proven and put to work in a network.

`snake` is an activation for what repeats itself, x + sin²(x) (Liu et al. 2020,
https://arxiv.org/abs/2006.08195), written twice: with `@op`, as all ops here are, and as an
`autograd.Function`, as one would in PyTorch.

`space_to_depth` moves each block of pixels into channels: (n, c, h, w) to (n, c b b, h/b, w/b), so that a
convolution sees four quarters of the image side by side.  It is linear and only moves numbers, so its
backward rule is the way back, `depth_to_space`, whose own rule is `space_to_depth`: the pair is closed, and
gradients of any order come with it.

    python examples/your_own_op.py            check the rules, then train: a few seconds
    python examples/your_own_op.py --smoke
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from hypothesis import strategies as st
from tqdm import tqdm

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.data import DataLoader, FashionMNIST, Subset
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import check_op, gradcheck
from tinygrad_cnn.testing.strategies import arrays, calls, shapes

# --- with @op: a function of arrays, and below it a rule made of ops -------------------------------


@tg.op(elementwise=True)
def snake(x):
    """x + sin²(x)"""
    return x + np.sin(x) ** 2


def snake_grad(g, x):
    """g (1 + sin 2x)."""
    return g * ((x * 2).sin() + 1)


snake.vjp(x=snake_grad)  # the rule is given x, because its parameter has that name; nothing else is kept


@tg.op
def space_to_depth(x, *, block):
    """(n, c, h, w) to (n, c block², h/block, w/block)."""
    n, c, h, w = x.shape
    pixels = x.reshape(n, c, h // block, block, w // block, block)
    return pixels.transpose(0, 1, 3, 5, 2, 4).reshape(n, c * block**2, h // block, w // block)


@tg.op
def depth_to_space(x, *, block):
    """(n, c block², h, w) to (n, c, h block, w block)."""
    n, c, h, w = x.shape
    pixels = x.reshape(n, c // block**2, block, block, h, w)
    return pixels.transpose(0, 1, 4, 2, 5, 3).reshape(n, c // block**2, h * block, w * block)


space_to_depth.vjp(x=lambda g, block: depth_to_space(g, block=block))
depth_to_space.vjp(x=lambda g, block: space_to_depth(g, block=block))


# --- the same in PyTorch's spelling ----------------------------------------------------------------


class Snake(tg.autograd.Function):
    """Unlike `@op`, forward works on Tensors here, and what backward needs is saved by hand."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x + x.sin() ** 2

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return snake_grad(g, x)


# --- a network that uses them ----------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.fc = nn.Linear(32 * 7 * 7, 10)

    def forward(self, x):
        x = space_to_depth(x, block=2)
        x = snake(self.conv1(x))
        x = Snake.apply(self.conv2(x))
        return self.fc(x.flatten(1))


def check() -> None:
    """Compare the rules with finite differences, and try every law that applies on calls that are drawn."""
    rng = np.random.default_rng(0)
    gradcheck(Snake.apply, [rng.uniform(-3, 3, (3, 4))], order=2)
    images = rng.normal(size=(2, 1, 4, 6))
    back = depth_to_space(space_to_depth(tg.tensor(images), block=2), block=2)
    print("there and back:", bool((back.numpy() == images).all()))

    block = st.just(2)
    print(check_op(snake, arrays(shapes()), max_examples=20))
    print(check_op(space_to_depth, calls(arrays((2, 1, 4, 6)), block=block), linear="x", max_examples=20))
    print(check_op(depth_to_space, calls(arrays((2, 8, 1, 2)), block=block), linear="x", max_examples=20))


def main(argv: list[str] | None = None) -> int:
    """Check, train, test; returns the exit code."""
    parser = argparse.ArgumentParser(description="Two ops of your own, proven and put to work.")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="a few images only")
    args = parser.parse_args(argv)
    check()

    tg.manual_seed(0)
    train, test = FashionMNIST(train=True), FashionMNIST(train=False)
    if args.smoke:
        train, test = Subset(train, range(256)), Subset(test, range(100))
    model = Net()
    epochs = 1 if args.smoke else args.epochs
    optimizer = tg.optim.AdamW(model.parameters(), lr=2e-3)
    for epoch in range(1, epochs + 1):
        with tqdm(
            total=len(train), desc=f"epoch {epoch}/{epochs}", unit=" images", leave=False, disable=None
        ) as bar:
            for images, labels in DataLoader(train, batch_size=64, shuffle=True):
                loss = F.cross_entropy(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                bar.set_postfix_str(f"loss {loss.item():.3f}", refresh=False)
                bar.update(len(labels))
    with tg.no_grad():
        images, labels = next(iter(DataLoader(test, batch_size=len(test))))
        right = (model(images).argmax(1) == labels).sum().item()
    print(f"test accuracy: {100 * right / len(test):.2f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
