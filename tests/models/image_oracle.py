"""The image classifiers once more, from torch's own modules and the papers alone: the witness of tests/models. For every case of a
folder it takes the weights, images and labels that tacet wrote, and writes loss, gradient of every parameter, running statistics
after that training step, and the logits of an evaluation afterwards.

    image_oracle.py FOLDER     reads FOLDER/cases.json and FOLDER/CASE.in.safetensors, writes FOLDER/CASE.out.safetensors
"""

import json
import os
import struct
import sys

import torch
from torch import nn
from torch.nn import functional as F

torch.backends.mkldnn.set_flags(False)  # a witness of tacet's kernels must not share their library

TYPES = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}


def read_tensors(path):
    with open(path, "rb") as f:
        data = f.read()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        tensor = torch.frombuffer(bytearray(data[8 + size + begin:8 + size + end]), dtype=TYPES[entry["dtype"]])
        tensors[name] = tensor.reshape(entry["shape"]).clone()
    return tensors


def write_tensors(path, tensors):
    header, body = {}, b""
    for name, tensor in tensors.items():
        tensor = tensor.detach().contiguous()
        raw = tensor.numpy().tobytes()
        header[name] = {"dtype": "F64", "shape": list(tensor.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


class Logistic(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc = nn.Linear(c["channels"] * c["side"] ** 2, c["classes"])

    def forward(self, x):
        return self.fc(x.reshape(len(x), -1))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1 = nn.Linear(c["channels"] * c["side"] ** 2, c["hidden"])
        self.fc2 = nn.Linear(c["hidden"], c["classes"])

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x.reshape(len(x), -1))))


class MnistCnn(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1 = nn.Conv2d(c["channels"], 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, c["classes"])

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        return self.fc2(F.relu(self.fc1(x.reshape(-1, 320))))


class CifarCnn(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1 = nn.Conv2d(c["channels"], 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.fc1 = nn.Linear(1024, 64)
        self.fc2 = nn.Linear(64, c["classes"])

    def forward(self, x):
        pool = nn.MaxPool2d(2)
        x = pool(F.relu(self.conv1(x)))
        x = pool(F.relu(self.conv2(x)))
        x = F.relu(self.conv3(x))
        return self.fc2(F.relu(self.fc1(x.reshape(-1, 1024))))


class Basic(nn.Module):
    def __init__(self, in_planes, planes, stride, option):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.same = stride == 1 and in_planes == planes
        self.missing = planes - in_planes
        if option == "B" and not self.same:
            self.downsample = nn.Sequential(nn.Conv2d(in_planes, planes, 1, stride=stride, bias=False),
                                            nn.BatchNorm2d(planes))
        self.option = option

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.same:
            return F.relu(out + x)
        if self.option == "B":
            return F.relu(out + self.downsample(x))
        half = x[:, :, ::2, ::2]
        zeros = torch.zeros(len(x), self.missing // 2, half.shape[2], half.shape[3], dtype=x.dtype)
        return F.relu(out + torch.cat([zeros, half, zeros], dim=1))


class Bottle(nn.Module):
    def __init__(self, in_planes, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.downsample = None
        if stride != 1 or in_planes != planes * 4:
            self.downsample = nn.Sequential(nn.Conv2d(in_planes, planes * 4, 1, stride=stride, bias=False),
                                            nn.BatchNorm2d(planes * 4))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, c, counts, make, last, stem):
        super().__init__()
        width = c["width"]
        if stem == "large":
            self.conv1 = nn.Conv2d(c["channels"], width, 7, stride=2, padding=3, bias=False)
        else:
            self.conv1 = nn.Conv2d(c["channels"], width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.Identity() if stem == "small" else nn.MaxPool2d(3, 2, 1)
        planes = width
        for k, count in enumerate(counts):
            blocks = []
            for b in range(count):
                blocks.append(make(planes, width * 2 ** k, 2 if k > 0 and b == 0 else 1))
                planes = width * 2 ** k * last
            setattr(self, "layer%d" % (k + 1), nn.Sequential(*blocks))
        self.stages = len(counts)
        self.fc = nn.Linear(planes, c["classes"])

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for k in range(self.stages):
            x = getattr(self, "layer%d" % (k + 1))(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def cell(in_planes, planes):
    return nn.Sequential(nn.Conv2d(in_planes, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes), nn.ReLU())


class ResNet9(nn.Module):
    def __init__(self, c):
        super().__init__()
        w = c["width"]
        self.prep = cell(c["channels"], w)
        self.layer1 = cell(w, 2 * w)
        self.res1a = cell(2 * w, 2 * w)
        self.res1b = cell(2 * w, 2 * w)
        self.layer2 = cell(2 * w, 4 * w)
        self.layer3 = cell(4 * w, 8 * w)
        self.res3a = cell(8 * w, 8 * w)
        self.res3b = cell(8 * w, 8 * w)
        self.fc = nn.Linear(8 * w, c["classes"])

    def forward(self, x):
        x = F.max_pool2d(self.layer1(self.prep(x)), 2)
        x = x + self.res1b(self.res1a(x))
        x = F.max_pool2d(self.layer2(x), 2)
        x = F.max_pool2d(self.layer3(x), 2)
        x = x + self.res3b(self.res3a(x))
        return self.fc(torch.flatten(F.adaptive_max_pool2d(x, 1), 1))


def build(c):
    name = c["name"]
    plain = {"logistic": Logistic, "mlp": Mlp, "mnist-cnn": MnistCnn, "cifar-cnn": CifarCnn, "resnet-9": ResNet9}
    if name in plain:
        return plain[name](c)
    depth = int(name.split("-")[1])
    if depth == 18:
        return ResNet(c, [2, 2, 2, 2], lambda i, o, s: Basic(i, o, s, "B"), 1, c["stem"])
    if depth == 50:
        return ResNet(c, [3, 4, 6, 3], Bottle, 4, c["stem"])
    return ResNet(c, [(depth - 2) // 6] * 3, lambda i, o, s: Basic(i, o, s, "A"), 1, "small")


def run(case, tensors):
    model = build(case).double()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(tensors.pop("parameter/" + name))
    x, target = tensors.pop("x"), tensors.pop("target")
    if tensors:
        raise SystemExit("%s: tacet has parameters of its own: %s" % (case["case"], ", ".join(tensors)))
    model.train()
    loss = F.nll_loss(F.log_softmax(model(x), dim=1), target)
    loss.backward()
    out = {"loss": loss.reshape(1)}
    for name, p in model.named_parameters():
        out["gradient/" + name] = p.grad
    for name, b in model.named_buffers():
        if b.is_floating_point():
            out["buffer/" + name] = b
    model.eval()
    with torch.no_grad():
        out["logits"] = model(x)
    return out


def main():
    folder = sys.argv[1]
    torch.set_num_threads(1)
    with open(os.path.join(folder, "cases.json"), encoding="utf-8") as f:
        cases = json.load(f)
    for case in cases:
        path = os.path.join(folder, case["case"])
        write_tensors(path + ".out.safetensors", run(case, read_tensors(path + ".in.safetensors")))


if __name__ == "__main__":
    main()
