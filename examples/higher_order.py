"""Gradients of gradients: Newton's method, and a gradient penalty.

Backward rules are made of ops, so with `create_graph=True` they are recorded like anything else, and what
they compute can be differentiated again.

1. Newton's method, x <- x - H⁻¹ g, on Rosenbrock's valley.  The Hessian H is the gradient of each entry of
   the gradient g.

2. How far apart are sneakers and ankle boots?  Wasserstein's distance between two sets of images is the
   largest difference of mean scores that a function can give them whose slope is nowhere above 1.  A small
   CNN learns to be that function; its slope, the norm of its gradient by the *image*, is held near 1 by a
   penalty in the loss, so backward has to go through a gradient (Gulrajani et al. 2017, "Improved training
   of Wasserstein GANs", https://arxiv.org/abs/1704.00028).  For comparison: a linear function of slope 1
   does best with the direction from one mean image to the other.

    python examples/higher_order.py           half a minute
    python examples/higher_order.py --smoke
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from tqdm import tqdm

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.data import FashionMNIST
from tinygrad_cnn.nn import functional as F

SNEAKER, BOOT = 7, 9


# --- Newton's method -------------------------------------------------------------------------------


def rosenbrock(x):
    """(1 - x₀)² + 100 (x₁ - x₀²)², a bent valley whose lowest point is (1, 1)."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def derivatives(f, at: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """f, its gradient (n,) and its Hessian (n, n) at a point (n,)."""
    x = tg.tensor(at, requires_grad=True)
    value = f(x)
    (g,) = tg.autograd.grad(value, x, create_graph=True)
    rows = [tg.autograd.grad(g[i], x, retain_graph=True)[0].numpy() for i in range(len(at))]
    return value.item(), g.detach().numpy(), np.stack(rows)


def newton(f, start, steps: int = 20, small: float = 1e-12) -> np.ndarray:
    """Steps to where the parabola that fits f here has its lowest point, until the gradient is small."""
    x = np.array(start, float)
    for step in range(steps + 1):
        value, g, hessian = derivatives(f, x)
        print(
            f"  step {step}: f({x[0]:9.6f}, {x[1]:9.6f}) = {value:.2e}, |gradient| = {np.linalg.norm(g):.2e}"
        )
        if np.linalg.norm(g) < small:
            break
        x = x - np.linalg.solve(hessian, g)
    return x


# --- a gradient penalty ----------------------------------------------------------------------------


class Critic(nn.Module):
    """(n, 1, 28, 28) to one score each.  No batch norm: the slope of each image must be its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(16, 32, 5, stride=2, padding=2)
        self.fc = nn.Linear(32 * 7 * 7, 1)

    def forward(self, x):
        x = F.leaky_relu(self.conv1(x), 0.2)
        x = F.leaky_relu(self.conv2(x), 0.2)
        return self.fc(x.flatten(1)).squeeze(1)


def slopes(critic: Critic, images: tg.Tensor) -> tg.Tensor:
    """The norm of d score / d image for each image (n,), itself differentiable."""
    images = images.detach().requires_grad_()
    (g,) = tg.autograd.grad(critic(images).sum(), images, create_graph=True)
    return (g.square().sum((1, 2, 3)) + 1e-12).sqrt()


def train_critic(steps: int, batch: int = 32, weight: float = 100.0) -> tuple[float, float, float]:
    """On images not trained on: the critic's distance, its mean slope, and the linear function's distance.

    At slope s the critic gains s W - weight (s - 1)², which is most at s = 1 + W / (2 weight): a heavy
    penalty keeps the slope near 1 though W is about 7.
    """
    tg.manual_seed(0)
    rng = np.random.default_rng(0)

    def photographs(train: bool, label: int) -> np.ndarray:
        data = FashionMNIST(train=train)
        return (data.data[data.targets == label, None] / 255).astype(np.float32)

    def some(images: np.ndarray) -> tg.Tensor:
        return tg.from_numpy(images[rng.integers(len(images), size=batch)])

    boots, sneakers = photographs(True, BOOT), photographs(True, SNEAKER)
    critic = Critic()
    optimizer = tg.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))
    schedule = tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with tqdm(range(steps), desc="critic", leave=False, disable=None) as bar:
        for _ in bar:
            a, b = some(boots), some(sneakers)
            distance = critic(a).mean() - critic(b).mean()
            mix = tg.from_numpy(rng.random((batch, 1, 1, 1), np.float32))
            penalty = ((slopes(critic, mix * a + (1 - mix) * b) - 1) ** 2).mean()
            loss = weight * penalty - distance
            optimizer.zero_grad()
            loss.backward()  # through the gradient in `slopes`
            optimizer.step()
            schedule.step()
            bar.set_postfix_str(
                f"distance {distance.item():.2f}, penalty {penalty.item():.4f}", refresh=False
            )

    a, b = tg.from_numpy(photographs(False, BOOT)), tg.from_numpy(photographs(False, SNEAKER))
    with tg.no_grad():
        distance = (critic(a).mean() - critic(b).mean()).item()
    mix = tg.from_numpy(rng.random((len(a), 1, 1, 1), np.float32))
    slope = slopes(critic, mix * a + (1 - mix) * b).mean().item()

    between = boots.mean(0) - sneakers.mean(0)
    apart = (a.numpy().mean(0) - b.numpy().mean(0)).ravel()
    return distance, slope, float(apart @ between.ravel() / np.linalg.norm(between))


def main(argv: list[str] | None = None) -> int:
    """Both; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Gradients of gradients: Newton's method, and a gradient penalty."
    )
    parser.add_argument("--steps", type=int, default=250, help="of the critic")
    parser.add_argument("--smoke", action="store_true", help="a few steps only")
    args = parser.parse_args(argv)

    print("Newton's method in Rosenbrock's valley:")
    newton(rosenbrock, [-1.2, 1.0])
    distance, slope, linear = train_critic(5 if args.smoke else args.steps)
    print("From sneakers to ankle boots, on images the critic has not seen:")
    print(f"  distance {distance:.2f}, mean slope {slope:.2f} (a linear function: {linear:.2f} at 1.00)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
