"""PyTorch's basic MNIST example, with other import lines.

Each import line of tinygrad_cnn says in its comment which line of a PyTorch program it stands for; put that
one in its place, and this is a PyTorch program.  (The tests do so, and run both.)

    python examples/mnist.py --data DIR --download     digits, fetched into DIR if they are not there
    python examples/mnist.py                           no digits at hand: the clothes in the package
    python examples/mnist.py --smoke                   two batches

What differs is only what the libraries are asked to do: without --data there is nothing for torchvision to
open.  What --save-model keeps under a name such as net.pt can be loaded by either.
"""

# ruff: noqa: I001 - one line here for one line there

import argparse

import tinygrad_cnn as torch  # import torch
import tinygrad_cnn.nn as nn  # import torch.nn as nn
import tinygrad_cnn.nn.functional as F  # import torch.nn.functional as F
import tinygrad_cnn.optim as optim  # import torch.optim as optim
from tinygrad_cnn.data import MNIST, FashionMNIST  # from torchvision.datasets import MNIST, FashionMNIST
from tinygrad_cnn.data import DataLoader  # from torch.utils.data import DataLoader
from tinygrad_cnn.data import transforms  # from torchvision import transforms
from tinygrad_cnn.optim.lr_scheduler import StepLR  # from torch.optim.lr_scheduler import StepLR


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(64 * 12 * 12, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


def train(args, model, device, loader, optimizer, epoch):
    model.train()
    for i, (images, labels) in enumerate(loader):
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()
        if i % args.log_interval == 0:
            print(
                f"epoch {epoch}, image {i * len(images):5} of {len(loader.dataset)}: loss {loss.item():.4f}"
            )
            if args.dry_run and i:
                break


def test(args, model, device, loader):
    model.eval()
    loss, right, seen = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            output = model(images)
            loss += F.nll_loss(output, labels, reduction="sum").item()
            guess = output.argmax(dim=1, keepdim=True)
            right += guess.eq(labels.view_as(guess)).sum().item()
            seen += len(images)
            if args.dry_run:
                break
    print(f"test: loss {loss / seen:.4f}, {right} of {seen} right ({100 * right / seen:.2f} %)")


def main(argv=None):
    parser = argparse.ArgumentParser(description="A CNN learns MNIST.")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N")
    parser.add_argument("--test-batch-size", type=int, default=1000, metavar="N")
    parser.add_argument("--epochs", type=int, default=14, metavar="N")
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument(
        "--gamma", type=float, default=0.7, help="factor of the learning rate after each epoch"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--log-interval", type=int, default=10, metavar="N", help="batches between two reports"
    )
    parser.add_argument("--dry-run", "--smoke", action="store_true", help="two batches, to see that it works")
    parser.add_argument("--save-model", metavar="FILE", help="keep the weights")
    parser.add_argument(
        "--data", metavar="DIR", help="folder of MNIST; without it, FashionMNIST is asked for its own"
    )
    parser.add_argument("--download", action="store_true", help="fetch MNIST into DIR if it is not there")
    args = parser.parse_args(argv)
    if args.dry_run:
        args.epochs = args.log_interval = 1

    torch.manual_seed(args.seed)
    device = torch.device("cpu")

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    dataset = MNIST if args.data else FashionMNIST
    train_set = dataset(args.data, train=True, download=args.download, transform=transform)
    test_set = dataset(args.data, train=False, download=args.download, transform=transform)
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=args.test_batch_size)

    model = Net().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        test(args, model, device, test_loader)
        scheduler.step()

    if args.save_model:
        torch.save(model.state_dict(), args.save_model)


if __name__ == "__main__":
    main()
