"""Residual network for 32 × 32 images (He et al., CVPR 2016, section 4.2, shortcuts without parameters) in plain PyTorch.
One step is forward, backward, clipping by norm and an SGD step on a random batch; images are not augmented, which is in its
favour."""

import torch
import torch.nn.functional as F

import timing


class Block(torch.nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.stride, self.padding = stride, outputs - inputs
        self.conv1 = torch.nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(outputs)
        self.conv2 = torch.nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        if self.padding:
            front = self.padding // 2
            x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, front, self.padding - front))
        return F.relu(y + x, inplace=True)


class ResNet(torch.nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        blocks, inputs = [], width
        for stage in range(3):
            for k in range((depth - 2) // 6):
                blocks.append(Block(inputs, width << stage, 2 if stage and not k else 1))
                inputs = width << stage
        self.blocks = torch.nn.Sequential(*blocks)
        self.fc = torch.nn.Linear(inputs, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn1(self.conv1(x)), inplace=True)).mean((2, 3)))


def main():
    o = timing.arguments(__doc__, depth=56, width=16, batch=64, channels_last=0)
    layout = torch.channels_last if o.channels_last else torch.contiguous_format
    model = ResNet(o.depth, o.width).to(memory_format=layout)
    parameters = list(model.parameters())
    eta, gamma = 0.3, 1.0
    optimizer = torch.optim.SGD(parameters, lr=eta, weight_decay=5e-4)
    images = torch.randn(o.batch, 3, 32, 32).contiguous(memory_format=layout)
    labels = torch.randint(10, (o.batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        timing.clipped_step(parameters, optimizer, eta, gamma)
        return loss.item()

    timing.time_steps(o, parameters, step)


if __name__ == "__main__":
    main()
