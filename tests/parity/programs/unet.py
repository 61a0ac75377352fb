"""Segmentation of discs and squares: a U-Net, BCE and Dice, Adam, a rate that waits for a plateau."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, Dataset, random_split

device = "cuda" if torch.cuda.is_available() else "cpu"


class Shapes(Dataset):
    """Noisy gray images, and for each a mask of its discs and one of its squares."""

    def __init__(self, n, size=48, seed=0):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:size, :size]
        self.images, self.masks = [], []
        for _ in range(n):
            cy, cx, r = rng.integers(8, size - 8, 2).tolist() + [int(rng.integers(4, 10))]
            top, left, side = rng.integers(0, size - 16, 2).tolist() + [int(rng.integers(6, 16))]
            disc = (y - cy) ** 2 + (x - cx) ** 2 <= r * r
            square = (y >= top) & (y < top + side) & (x >= left) & (x < left + side)
            image = 0.8 * disc + 0.6 * square + 0.2 * rng.normal(size=(size, size))
            self.images.append(image.astype(np.float32))
            self.masks.append(np.stack([disc, square]))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, idx):
        image = torch.as_tensor(self.images[idx].copy()).float().contiguous()
        mask = torch.as_tensor(self.masks[idx].copy()).float()
        return {"image": image[None], "mask": mask}


class DoubleConv(nn.Module):
    """(convolution => BN => ReLU) * 2"""

    def __init__(self, in_channels, out_channels, mid_channels=None):
        super().__init__()
        if not mid_channels:
            mid_channels = out_channels
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(mid_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, in_channels, out_channels, bilinear=True):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(in_channels, out_channels, in_channels // 2)
        else:
            self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
            self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        diff_y = x2.size()[2] - x1.size()[2]
        diff_x = x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [diff_x // 2, diff_x - diff_x // 2, diff_y // 2, diff_y - diff_y // 2])
        x = torch.cat([x2, x1], dim=1)
        return self.conv(x)


class UNet(nn.Module):
    def __init__(self, n_channels, n_classes):
        super().__init__()
        self.n_channels = n_channels
        self.n_classes = n_classes
        self.inc = DoubleConv(n_channels, 8)
        self.down1 = Down(8, 16)
        self.down2 = Down(16, 32)
        self.up1 = Up(32, 16, bilinear=False)
        self.up2 = Up(24, 8, bilinear=True)
        self.outc = nn.Conv2d(8, n_classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x = self.up1(x3, x2)
        x = self.up2(x, x1)
        return self.outc(x)


def make_models():
    return {"net": UNet(1, 2)}


def dice_coeff(input, target, epsilon=1e-6):
    assert input.size() == target.size()
    inter = 2 * (input * target).sum(dim=(-1, -2))
    sets_sum = input.sum(dim=(-1, -2)) + target.sum(dim=(-1, -2))
    sets_sum = torch.where(sets_sum == 0, inter, sets_sum)
    return ((inter + epsilon) / (sets_sum + epsilon)).mean()


@torch.no_grad()
def evaluate(net, loader):
    net.eval()
    dice, inter, union = 0, torch.zeros(2), torch.zeros(2)
    for batch in loader:
        image, mask = batch["image"].to(device), batch["mask"].to(device=device, dtype=torch.float32)
        pred = (torch.sigmoid(net(image)) > 0.5).float()
        dice += dice_coeff(pred, mask).item()
        p, m = pred.bool(), mask.bool()
        inter += (p & m).sum(dim=[0, 2, 3]).float().cpu()
        union += (p | m).sum(dim=[0, 2, 3]).float().cpu()
    net.train()
    return dice / max(len(loader), 1), (inter / union.clamp(min=1)).tolist()


def main(weights):
    dataset = Shapes(60, size=45)
    n_val = int(len(dataset) * 0.2)
    train_set, val_set = random_split(
        dataset, [len(dataset) - n_val, n_val], generator=torch.Generator().manual_seed(0)
    )
    # the parts are another library's, so take the same ones of both
    train_set.indices, val_set.indices = list(range(n_val, len(dataset))), list(range(n_val))
    train_loader = DataLoader(train_set, shuffle=False, batch_size=8, num_workers=0)
    val_loader = DataLoader(val_set, shuffle=False, drop_last=True, batch_size=4)

    net = UNet(n_channels=1, n_classes=2)
    net.load_state_dict({name: torch.from_numpy(array) for name, array in weights["net"].items()})
    net.to(device=device)
    optimizer = Adam(net.parameters(), lr=1e-3, weight_decay=1e-8)
    scheduler = ReduceLROnPlateau(optimizer, "max", patience=0, factor=0.5)
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0, 3.0], device=device)[:, None, None])

    losses, scores, rates = [], [], []
    for epoch in range(1, 5):
        net.train()
        epoch_loss = 0
        for batch in train_loader:
            images, true_masks = batch["image"], batch["mask"]
            assert images.shape[1] == net.n_channels
            images = images.to(device=device, dtype=torch.float32)
            true_masks = true_masks.to(device=device, dtype=torch.float32)
            masks_pred = net(images)
            loss = criterion(masks_pred, true_masks)
            loss += 1 - dice_coeff(torch.sigmoid(masks_pred), true_masks)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_value_(net.parameters(), 1.0)
            optimizer.step()
            epoch_loss += loss.item()
            losses.append(loss.item())
        score, ious = evaluate(net, val_loader)
        scheduler.step(score)
        scores += [score, *ious]
        rates.append(optimizer.param_groups[0]["lr"])
        print(f"epoch {epoch}: loss {epoch_loss / len(train_loader):.4f}, dice {score:.4f}")
    torch.save(net.state_dict(), "unet.pt")
    return losses, rates
