"""A variational autoencoder, in the form of PyTorch's example, with a convolution before its dense layers."""

import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class VAE(nn.Module):
    def __init__(self):
        super(VAE, self).__init__()
        self.rng = np.random.default_rng(0)
        self.conv = nn.Conv2d(1, 8, kernel_size=4, stride=2, padding=1)
        self.fc1 = nn.Linear(8 * 14 * 14, 100)
        self.fc21 = nn.Linear(100, 10)
        self.fc22 = nn.Linear(100, 10)
        self.fc3 = nn.Linear(10, 100)
        self.fc4 = nn.Linear(100, 784)

    def encode(self, x):
        h0 = F.elu(self.conv(x.view(-1, 1, 28, 28)))
        h1 = F.relu(self.fc1(h0.flatten(start_dim=1)))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.from_numpy(self.rng.normal(size=std.shape).astype("float32")).to(std)
        return mu + eps * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 784))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def make_models():
    return {"net": VAE()}


def loss_function(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


def main(weights):
    images = torch.tensor(np.load("fashion.npz")["train_images"][:320] / 255, dtype=torch.float32)[:, None]
    labels = torch.arange(len(images)) % 10
    train_loader = DataLoader(TensorDataset(images, labels), batch_size=32)

    model = VAE().to(device)
    model.load_state_dict({name: torch.tensor(array) for name, array in weights["net"].items()})
    optimizer = optim.AdamW([{"params": model.parameters()}], lr=1e-3)
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=3e-3, steps_per_epoch=len(train_loader), epochs=2
    )

    losses = []
    for epoch in range(2):
        model.train()
        train_loss = 0
        for _, (data, _) in enumerate(train_loader):
            data = data.to(device)
            optimizer.zero_grad()
            recon_batch, mu, logvar = model(data)
            loss = loss_function(recon_batch, data, mu, logvar)
            loss.backward()
            train_loss += loss.item()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item() / len(data))
        print("====> epoch: {} average loss: {:.4f}".format(epoch, train_loss / len(train_loader.dataset)))

    model.eval()
    with torch.no_grad():
        sample = model.decode(
            torch.from_numpy(model.rng.normal(size=(4, 10)).astype(np.float32)).to(device)
        ).cpu()
    return losses, [sample.view(4, 1, 28, 28).sum().item()]
