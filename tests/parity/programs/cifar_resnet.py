"""A ResNet for 32 x 32 images: cropped and mirrored batches, SGD with nesterov, warm-up and cosine, label
smoothing, no decay of biases and norms, resumed from a checkpoint in the middle."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.utils.data import DataLoader, TensorDataset

device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def conv3x3(in_planes, out_planes, stride=1):
    return nn.Conv2d(in_planes, out_planes, kernel_size=3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = conv3x3(in_planes, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != self.expansion * planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, self.expansion * planes, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(self.expansion * planes),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self, block, num_blocks, num_classes=10):
        super().__init__()
        self.in_planes = 8
        self.conv1 = conv3x3(3, 8)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = self._make_layer(block, 8, num_blocks[0], stride=1)
        self.layer2 = self._make_layer(block, 16, num_blocks[1], stride=2)
        self.layer3 = self._make_layer(block, 32, num_blocks[2], stride=2)
        self.linear = nn.Linear(32 * block.expansion, num_classes)

        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2.0 / n))
            elif isinstance(m, nn.BatchNorm2d):
                m.weight.data.fill_(1)
                m.bias.data.zero_()
            elif isinstance(m, nn.Linear):
                nn.init.kaiming_normal_(m.weight)
                nn.init.constant_(m.bias, 0)

    def _make_layer(self, block, planes, num_blocks, stride):
        strides = [stride] + [1] * (num_blocks - 1)
        layers = []
        for stride in strides:
            layers.append(block(self.in_planes, planes, stride))
            self.in_planes = planes * block.expansion
        return nn.Sequential(*layers)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer1(out)
        out = self.layer2(out)
        out = self.layer3(out)
        out = F.avg_pool2d(out, out.size()[3])
        out = out.view(out.size(0), -1)
        return self.linear(out)


def make_models():
    return {"net": ResNet(BasicBlock, [1, 1, 1])}


def load_data():
    arrays = np.load("fashion.npz")
    images = torch.tensor(arrays["train_images"][:320], dtype=torch.float32) / 255.0
    images = F.pad(images[:, None], (2, 2, 2, 2))
    labels = torch.tensor(arrays["train_labels"][:320].astype(np.int64)).long()
    tint = torch.linspace(0.5, 1.0, 30).reshape(10, 3)[labels]
    images = images.repeat(1, 3, 1, 1) * tint[:, :, None, None]
    mean = images.mean(dim=(0, 2, 3), keepdim=True)
    std = images.std(dim=(0, 2, 3), keepdim=True)
    return TensorDataset((images - mean) / std, labels)


def augment(images, rng, pad=4):
    """Mirror half of the images, and crop each at a random place of its padded self."""
    n, _, h, w = images.shape
    flip = torch.from_numpy(rng.random(n) < 0.5).to(images.device)
    images = torch.where(flip[:, None, None, None], images.flip(-1), images)
    padded = F.pad(images, [pad] * 4, mode="reflect")
    tops, lefts = rng.integers(0, 2 * pad + 1, (2, n)).tolist()
    return torch.stack([padded[i, :, t : t + h, l : l + w] for i, (t, l) in enumerate(zip(tops, lefts))])


def param_groups(model, weight_decay):
    decay, no_decay = [], []
    for name, param in model.named_parameters():
        if not param.requires_grad:
            continue
        if param.ndim <= 1 or name.endswith(".bias"):
            no_decay.append(param)
        else:
            decay.append(param)
    return [{"params": decay, "weight_decay": weight_decay}, {"params": no_decay, "weight_decay": 0.0}]


def accuracy(output, target, topk=(1,)):
    """The accuracy over the k top predictions."""
    with torch.no_grad():
        maxk = max(topk)
        _, pred = output.topk(maxk, 1, True, True)
        pred = pred.t()
        correct = pred.eq(target.view(1, -1).expand_as(pred))
        return [correct[:k].reshape(-1).float().sum(0).mul_(100.0 / target.size(0)).item() for k in topk]


def build():
    model = ResNet(BasicBlock, [1, 1, 1]).to(device)
    optimizer = optim.SGD(param_groups(model, 5e-4), lr=0.01, momentum=0.9, nesterov=True)
    warmup = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.2, total_iters=5)
    cosine = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=15)
    scheduler = optim.lr_scheduler.SequentialLR(optimizer, [warmup, cosine], milestones=[5])
    return model, optimizer, scheduler


def save_checkpoint(path, epoch, **parts):
    torch.save({"epoch": epoch, **{name: part.state_dict() for name, part in parts.items()}}, path)


def load_checkpoint(path, **parts):
    checkpoint = torch.load(path, map_location="cpu")
    for name, part in parts.items():
        part.load_state_dict(checkpoint[name])
    return checkpoint["epoch"]


def train_one_epoch(model, criterion, optimizer, scheduler, loader, rng, losses, rates):
    model.train()
    running = torch.zeros(1, device=device)
    for images, targets in loader:
        images = augment(images.to(device, non_blocking=True), rng)
        targets = targets.to(device, non_blocking=True)
        loss = criterion(model(images), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=2.0)
        optimizer.step()
        scheduler.step()
        running += loss.detach()
        losses.append(loss.item())
        rates.append(optimizer.param_groups[0]["lr"])
    return running.item() / len(loader)


def main(weights):
    dataset = load_data()
    rng = np.random.default_rng(0)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1).to(device)
    model, optimizer, scheduler = build()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights["net"].items()})
    print(sum(p.numel() for p in model.parameters() if p.requires_grad), "parameters")

    losses, rates = [], []
    for epoch in range(2):
        if epoch == 1:  # as after an interruption
            model, optimizer, scheduler = build()
            assert (
                load_checkpoint("checkpoint.pt", model=model, optimizer=optimizer, scheduler=scheduler) == 0
            )
        loader = DataLoader(
            dataset, batch_size=32, sampler=rng.permutation(len(dataset)).tolist(), drop_last=True
        )
        loss = train_one_epoch(model, criterion, optimizer, scheduler, loader, rng, losses, rates)
        print(f"epoch {epoch}: loss {loss:.4f}, lr {scheduler.get_last_lr()[0]:.5f}")
        save_checkpoint("checkpoint.pt", epoch, model=model, optimizer=optimizer, scheduler=scheduler)

    model.eval()
    with torch.no_grad():
        images, targets = dataset.tensors
        output = model(images.to(device)).cpu()
        top1, top5 = accuracy(output, targets, topk=(1, 5))
        confusion = torch.zeros(10, 10, dtype=torch.int64)
        for t, p in zip(targets.view(-1), output.argmax(1).view(-1)):
            confusion[t.long(), p.long()] += 1
    assert confusion.sum().item() == len(dataset)
    assert abs(confusion.diag().sum().item() / len(dataset) * 100 - top1) < 1e-3 and top5 >= top1
    print(f"top 1 {top1:.2f} %, top 5 {top5:.2f} %")
    return losses, [*rates, F.cross_entropy(output, targets).item()]
