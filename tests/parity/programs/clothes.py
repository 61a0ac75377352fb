"""Pictures of clothes: the long kind of training script, with options, an average of the weights, early
stopping, a checkpoint from which it goes on, and a confusion matrix."""

import argparse
import copy
import math
import os
import random
from collections import OrderedDict, defaultdict

import numpy as np
import torch
import torch.backends.cudnn as cudnn
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, Subset, TensorDataset
from tqdm import tqdm


def get_args(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="fashion.npz")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--ema-decay", type=float, default=0.9)
    parser.add_argument("--patience", type=int, default=3)
    parser.add_argument("--resume", default="")
    parser.add_argument("--stop-after", type=int, default=None)
    parser.add_argument("--out", default="runs")
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args(argv)


def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)
    cudnn.deterministic = True
    cudnn.benchmark = False


class ConvBNAct(nn.Sequential):
    def __init__(self, in_ch, out_ch, k=3, s=1, g=1, act=nn.SiLU):
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(in_ch, out_ch, k, s, (k - 1) // 2, groups=g, bias=False),
                bn=nn.BatchNorm2d(out_ch, eps=1e-3, momentum=0.03),
                act=act(inplace=True) if act is not None else nn.Identity(),
            )
        )


class SqueezeExcite(nn.Module):
    def __init__(self, channels, reduction=4):
        super().__init__()
        self.fc = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // reduction, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // reduction, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.fc(x)


class MBConv(nn.Module):
    def __init__(self, in_ch, out_ch, stride=1, expand=2):
        super().__init__()
        hidden = in_ch * expand
        self.use_res = stride == 1 and in_ch == out_ch
        self.block = nn.Sequential(
            ConvBNAct(in_ch, hidden, 1),
            ConvBNAct(hidden, hidden, 3, stride, g=hidden),
            SqueezeExcite(hidden),
            ConvBNAct(hidden, out_ch, 1, act=None),
        )

    def forward(self, x):
        out = self.block(x)
        return x + out if self.use_res else out


class Net(nn.Module):
    def __init__(self, num_classes=10, widths=(8, 16, 24)):
        super().__init__()
        self.stem = ConvBNAct(1, widths[0], 3, 2)
        blocks = []
        in_ch = widths[0]
        for i, w in enumerate(widths):
            blocks += [MBConv(in_ch, w, 2 if i else 1), MBConv(w, w)]
            in_ch = w
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.0), nn.Linear(in_ch, num_classes))
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(m):
        if isinstance(m, nn.Conv2d):
            fan_out = m.kernel_size[0] * m.kernel_size[1] * m.out_channels // m.groups
            m.weight.data.normal_(0, math.sqrt(2.0 / fan_out))
            if m.bias is not None:
                m.bias.data.zero_()
        elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
            nn.init.ones_(m.weight)
            nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Linear):
            nn.init.trunc_normal_(m.weight, std=0.02)
            nn.init.constant_(m.bias, 0)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(dim=(-2, -1)))


def make_models():
    return {"model": Net()}


class ModelEMA:
    """A running average of everything in the state dict."""

    def __init__(self, model, decay):
        self.module = copy.deepcopy(model).eval()
        self.decay = decay
        self.updates = 0
        for p in self.module.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        self.updates += 1
        d = self.decay * (1 - math.exp(-self.updates / 10))
        msd = model.state_dict()
        for k, v in self.module.state_dict().items():
            if v.is_floating_point():
                v *= d
                v += (1.0 - d) * msd[k].detach()
            else:
                v.copy_(msd[k])


class AverageMeter:
    def __init__(self):
        self.val = self.sum = self.count = 0

    def update(self, val, n=1):
        self.val = val
        self.sum += val * n
        self.count += n

    @property
    def avg(self):
        return self.sum / max(self.count, 1)


def accuracy(output, target, topk=(1,)):
    with torch.no_grad():
        _, pred = output.topk(max(topk), 1, True, True)
        pred = pred.t()
        correct = pred.eq(target.view(1, -1).expand_as(pred))
        return [correct[:k].reshape(-1).float().sum(0).mul_(100.0 / target.size(0)) for k in topk]


def param_groups(model, weight_decay):
    decay, no_decay = [], []
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        (no_decay if p.ndim <= 1 or name.endswith(".bias") else decay).append(p)
    return [{"params": decay, "weight_decay": weight_decay}, {"params": no_decay, "weight_decay": 0.0}]


def train_one_epoch(
    model, ema, loader, criterion, optimizer, scheduler, scaler, device, epoch, args, history
):
    model.train()
    losses, top1 = AverageMeter(), AverageMeter()
    pbar = tqdm(loader, desc=f"epoch {epoch}", disable=None, leave=False)
    for i, (x, y) in enumerate(pbar):
        x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
        if i % 2:
            x = torch.flip(x, dims=[3])
        with torch.autocast(device_type=device.type, enabled=args.amp):
            logits = model(x)
            loss = criterion(logits, y)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=args.clip)
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        ema.update(model)
        if not math.isfinite(loss.item()):
            raise RuntimeError(f"loss is {loss.item()}")
        losses.update(loss.item(), x.size(0))
        top1.update(accuracy(logits, y, topk=(1, 5))[0].item(), x.size(0))
        history["loss"].append(loss.item())
        history["norm"].append(float(norm))
        pbar.set_postfix(loss=f"{losses.avg:.3f}", lr=f"{optimizer.param_groups[0]['lr']:.4f}")
    return losses.avg, top1.avg


@torch.inference_mode()
def validate(model, loader, device, num_classes=10):
    model.eval()
    total, loss = 0, 0.0
    cm = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for x, y in loader:
        logits = model(x.to(device)).cpu()
        loss += F.cross_entropy(logits, y, reduction="sum").item()
        pred = logits.argmax(dim=1)
        cm += torch.bincount(y * num_classes + pred, minlength=num_classes**2).view(num_classes, num_classes)
        total += y.numel()
    recall = cm.diag().float() / cm.sum(1).clamp(min=1)
    precision = cm.diagonal() / cm.sum(0).clamp(min=1)
    f1 = (2 * precision * recall / (precision + recall + 1e-12)).mean()
    return loss / total, cm.trace().item() / total, f1.item(), cm


def load_data(path):
    with np.load(path) as f:
        images, labels = f["train_images"], f["train_labels"]
    x = torch.from_numpy(images.copy()).float().div(255).unsqueeze(1)
    mean, std = x.mean(), x.std()
    return TensorDataset((x - mean) / std, torch.from_numpy(labels.astype(np.int64)))


def fit(args, weights, history):
    set_seed(args.seed)
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    os.makedirs(args.out, exist_ok=True)
    data = load_data(args.data)
    train_set, val_set = Subset(data, range(320)), Subset(data, range(320, 448))
    train_loader = DataLoader(train_set, args.batch_size, shuffle=False, pin_memory=False, drop_last=True)
    val_loader = DataLoader(val_set, batch_size=64)

    model = Net(num_classes=10).to(device)
    if weights is not None:
        model.load_state_dict({k: torch.as_tensor(v) for k, v in weights.items()}, strict=True)
    n_params = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(f"{n_params / 1e3:.1f}k parameters")
    ema = ModelEMA(model, args.ema_decay)
    criterion = nn.CrossEntropyLoss(label_smoothing=args.label_smoothing).to(device)
    optimizer = optim.SGD(
        param_groups(model, args.weight_decay), lr=args.lr, momentum=args.momentum, nesterov=True
    )
    steps = args.epochs * len(train_loader)
    warmup = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=5)
    cosine = lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps - 5, eta_min=1e-4)
    scheduler = lr_scheduler.SequentialLR(optimizer, [warmup, cosine], milestones=[5])
    scaler = torch.amp.GradScaler(enabled=args.amp)

    start, best, bad = 0, -1.0, 0
    if args.resume:
        ckpt = torch.load(args.resume, map_location=device, weights_only=True)
        model.load_state_dict(ckpt["model"])
        ema.module.load_state_dict(ckpt["ema"])
        ema.updates = ckpt["updates"]
        optimizer.load_state_dict(ckpt["optimizer"])
        scheduler.load_state_dict(ckpt["scheduler"])
        scaler.load_state_dict(ckpt["scaler"])
        start, best, bad = ckpt["epoch"] + 1, ckpt["best"], ckpt["bad"]
        print(f"=> resumed from {args.resume} (epoch {ckpt['epoch']})")

    for epoch in range(start, args.epochs):
        loss, top1 = train_one_epoch(
            model, ema, train_loader, criterion, optimizer, scheduler, scaler, device, epoch, args, history
        )
        val_loss, val_acc, f1, cm = validate(ema.module, val_loader, device)
        history["val_loss"].append(val_loss)
        history["lr"].append(optimizer.param_groups[0]["lr"])
        assert cm.sum().item() == len(val_set)
        is_best = -val_loss > best or best == -1.0
        best, bad = (-val_loss, 0) if is_best else (best, bad + 1)
        ckpt = {
            "epoch": epoch,
            "model": model.state_dict(),
            "ema": ema.module.state_dict(),
            "updates": ema.updates,
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "scaler": scaler.state_dict(),
            "best": best,
            "bad": bad,
            "args": vars(args),
        }
        torch.save(ckpt, os.path.join(args.out, "last.pt"))
        if is_best:
            torch.save(model.state_dict(), os.path.join(args.out, "best.pt"))
        print(
            f"epoch {epoch}: loss {loss:.3f} top1 {top1:.1f} | val {val_loss:.3f} acc {val_acc:.3f} f1 {f1:.3f}"
        )
        if bad >= args.patience:
            print("early stopping")
            break
        if args.stop_after is not None and epoch + 1 >= args.stop_after:
            break
    return model


def main(weights):
    history = defaultdict(list)
    fit(get_args(["--epochs", "4", "--stop-after", "2"]), weights["model"], history)
    model = fit(get_args(["--epochs", "4", "--resume", "runs/last.pt"]), None, history)
    best = torch.load(os.path.join("runs", "best.pt"), map_location="cpu")
    model.load_state_dict(best)
    return history["loss"], history["lr"]


if __name__ == "__main__":
    fit(get_args(), None, defaultdict(list))
