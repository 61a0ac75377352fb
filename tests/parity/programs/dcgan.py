"""A DCGAN on 32 x 32 images, in the form of PyTorch's tutorial."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torch.utils.data

batch_size = 16
nz, ngf, ndf, nc = 16, 8, 8, 1
num_epochs = 2
lr = 0.0002
beta1 = 0.5
ngpu = 0

device = torch.device("cuda:0" if (torch.cuda.is_available() and ngpu > 0) else "cpu")


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


class Generator(nn.Module):
    def __init__(self, ngpu):
        super(Generator, self).__init__()
        self.ngpu = ngpu
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, ngf * 4, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 4),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self, ngpu):
        super(Discriminator, self).__init__()
        self.ngpu = ngpu
        self.main = nn.Sequential(
            nn.Conv2d(nc, ndf, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 2, ndf * 4, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 4),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 4, 1, 4, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, input):
        return self.main(input)


def make_models():
    netG, netD = Generator(ngpu), Discriminator(ngpu)
    netG.apply(weights_init)
    netD.apply(weights_init)
    return {"G": netG, "D": netD}


def main(weights):
    images = np.load("fashion.npz")["train_images"][: 10 * batch_size]
    images = torch.from_numpy(images).float().div(255).sub_(0.5).div_(0.5).unsqueeze(1)
    dataset = torch.utils.data.TensorDataset(F.pad(images, (2, 2, 2, 2), value=-1.0))
    dataloader = torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=False, num_workers=0)
    rng = np.random.default_rng(0)

    def noise(n):
        return torch.from_numpy(rng.normal(size=(n, nz, 1, 1)).astype(np.float32)).to(device)

    netG = Generator(ngpu).to(device)
    netG.load_state_dict({name: torch.from_numpy(array) for name, array in weights["G"].items()})
    netD = Discriminator(ngpu).to(device)
    netD.load_state_dict({name: torch.from_numpy(array) for name, array in weights["D"].items()})
    print(netG)

    criterion = nn.BCELoss()
    fixed_noise = noise(4)
    real_label = 1.0
    fake_label = 0.0
    optimizerD = optim.Adam(netD.parameters(), lr=lr, betas=(beta1, 0.999))
    optimizerG = optim.Adam(netG.parameters(), lr=lr, betas=(beta1, 0.999))

    img_list, G_losses, D_losses = [], [], []
    for epoch in range(num_epochs):
        for i, data in enumerate(dataloader, 0):
            # (1) Update D: maximize log(D(x)) + log(1 - D(G(z)))
            netD.zero_grad()
            real_cpu = data[0].to(device)
            b_size = real_cpu.size(0)
            label = torch.full((b_size,), real_label, dtype=torch.float, device=device)
            output = netD(real_cpu).view(-1)
            errD_real = criterion(output, label)
            errD_real.backward()
            D_x = output.mean().item()

            fake = netG(noise(b_size))
            label.fill_(fake_label)
            output = netD(fake.detach()).view(-1)
            errD_fake = criterion(output, label)
            errD_fake.backward()
            D_G_z1 = output.mean().item()
            errD = errD_real + errD_fake
            optimizerD.step()

            # (2) Update G: maximize log(D(G(z)))
            netG.zero_grad()
            label.fill_(real_label)
            output = netD(fake).view(-1)
            errG = criterion(output, label)
            errG.backward()
            D_G_z2 = output.mean().item()
            optimizerG.step()

            if i % 5 == 0:
                print(
                    "[%d/%d][%d/%d]\tLoss_D: %.4f\tLoss_G: %.4f\tD(x): %.4f\tD(G(z)): %.4f / %.4f"
                    % (epoch, num_epochs, i, len(dataloader), errD.item(), errG.item(), D_x, D_G_z1, D_G_z2)
                )
            G_losses.append(errG.item())
            D_losses.append(errD.item())
        with torch.no_grad():
            fake = netG(fixed_noise).detach().cpu()
        img_list.append(fake.mul(0.5).add(0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy())
    assert img_list[-1].shape == (4, 32, 32, 1)
    return [loss for pair in zip(G_losses, D_losses) for loss in pair], [float(img_list[-1].mean())]
