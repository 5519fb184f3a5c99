"""The two networks of methods_oracle.py, in PyTorch: the LSTM language model of lm_oracle.py, and a small convolutional
classifier of 28 × 28 images. Gradients are float32; the methods' own arithmetic stays in float64. No dropout.

The flat vector holds the weights file's tensors in the order in which their data lies in the file.
"""

import json
import struct

import numpy as np
import torch
from torch import nn

import lm_oracle
from methods_oracle_problems import Given, InputError, need, only

torch.set_num_threads(1)


def read(path):
    """{name: float32 tensor} in the order of the data."""
    try:
        tensors = lm_oracle.read_safetensors(path)
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(size))
    except (lm_oracle.InputError, OSError) as problem:
        raise InputError(str(problem)) from problem
    return {name: tensors[name] for name in sorted(tensors, key=lambda n: header[n]["data_offsets"])}


class Network:
    """A flat vector in front of named parameters."""

    def __init__(self, weights):
        self.shapes = {name: w.shape for name, w in weights.items()}
        self.x0 = self.flat(weights)
        self.layers, end = [], 0
        for shape in self.shapes.values():
            self.layers.append([end, shape.numel()])
            end += shape.numel()

    def flat(self, tensors):
        return np.concatenate([tensors[name].detach().numpy().ravel() for name in self.shapes]).astype(np.float64)

    def named(self, y):
        if y.size != self.x0.size:
            raise InputError(f"x0 must hold {self.x0.size} numbers, as problem.weights does, got {y.size}")
        parts = zip(self.shapes.items(), self.layers)
        return {
            name: torch.from_numpy(y[offset : offset + size].astype(np.float32)).view(shape)
            for (name, shape), (offset, size) in parts
        }


class LanguageProblem(Network):
    """A client's draw is its next window, by lm_oracle.py's rules for passes, rotation and the carried hidden state.
    `lengths` are given draw by draw; without them every window has length bptt. The reported loss is the cross-entropy."""

    DATA = ("tokens", "batch_size", "bptt", "partition", "percent", "alpha", "beta", "tied", "layers", "weights")

    def __init__(self, problem, clients, path):
        only(problem, self.DATA + ("kind", "lengths"))
        raw = {key: problem[key] for key in self.DATA if key in problem}
        try:
            # The oracle's own checks; what it says about methods is not used here.
            method = {"algorithm": "celgc", "eta": 1, "iterations": 1, "clients": clients}
            self.config = lm_oracle.checked({**raw, **method}, "problem")
            weights = read(path(self.config["weights"]))
            model = lm_oracle.LanguageModel(weights, self.config["layers"], self.config["tied"])
            shards = lm_oracle.cut(self.config["tokens"]["train"], clients, self.config["percent"])
            self.workers = [lm_oracle.Worker(model, lm_oracle.Batches(shards, i, self.config)) for i in range(clients)]
        except lm_oracle.InputError as wrong:
            raise InputError(str(wrong)) from wrong
        largest = max(self.config["tokens"]["train"])
        if largest >= weights["encoder.weight"].shape[0]:
            raise InputError(f"problem.tokens: {largest} is outside the weights' vocabulary")
        self.lengths = Given(problem["lengths"], "problem.lengths") if problem.get("lengths") is not None else None
        super().__init__(weights)

    def gradient(self, i, r, k, y):
        length = self.config["bptt"] if self.lengths is None else self.lengths.take(i, r, k)
        worker = self.workers[i]
        worker.model.load(self.named(y))
        gradient, loss, _, _ = worker.gradient(length, self.config, None)
        return self.flat(gradient), loss

    def leftover(self):
        return self.lengths.leftover() if self.lengths is not None else None


class ImageProblem(Network):
    """Twice 5 × 5 convolution, 2 × 2 max-pooling and ReLU; then two fully connected layers with a ReLU between them.
    Cross-entropy, mean over the mini-batch, which is given as a list of image numbers draw by draw."""

    TENSORS = "convolution's weight and bias, twice, then fully connected layer's weight and bias, twice"

    def __init__(self, problem, clients, path):
        only(problem, ("kind", "images", "labels", "weights", "batches"))
        self.images = self.read_images(path(need(problem, "images")))
        self.labels = torch.tensor(need(problem, "labels"), dtype=torch.long)
        if len(self.labels) != len(self.images):
            raise InputError(f"problem.labels must hold {len(self.images)} labels, got {len(self.labels)}")
        self.batches = Given(need(problem, "batches"), "problem.batches")
        weights = read(path(need(problem, "weights")))
        if [w.dim() for w in weights.values()] != [4, 1, 4, 1, 2, 1, 2, 1]:
            given = {name: list(w.shape) for name, w in weights.items()}
            raise InputError(f"problem.weights must hold, in this order, a {self.TENSORS}; got {given}")
        super().__init__(weights)

    @staticmethod
    def read_images(path):
        try:
            if path.endswith(".npy"):
                images = torch.from_numpy(np.load(path).astype(np.float32))
            else:
                (images,) = read(path).values()
        except (OSError, ValueError) as problem:
            raise InputError(f"{path}: must hold one array of images: {problem}") from problem
        if images.dim() == 3:
            images = images.unsqueeze(1)
        if images.dim() != 4 or list(images.shape[1:]) != [1, 28, 28]:
            raise InputError(f"{path}: images must have shape [n, 1, 28, 28] or [n, 28, 28], got {list(images.shape)}")
        return images

    @staticmethod
    def logits(parameters, images):
        conv1, bias1, conv2, bias2, fc1, bias3, fc2, bias4 = parameters
        y = torch.relu(nn.functional.max_pool2d(nn.functional.conv2d(images, conv1, bias1), 2))
        y = torch.relu(nn.functional.max_pool2d(nn.functional.conv2d(y, conv2, bias2), 2))
        y = torch.relu(nn.functional.linear(y.flatten(1), fc1, bias3))
        return nn.functional.linear(y, fc2, bias4)

    def gradient(self, i, r, k, y):
        batch = self.batches.take(i, r, k)
        if not batch or not all(0 <= n < len(self.images) for n in batch):
            raise InputError(f"problem.batches: round {r}, client {i}, draw {k} must hold images 0 … {len(self.images) - 1}")
        named = {name: w.requires_grad_() for name, w in self.named(y).items()}
        loss = nn.functional.cross_entropy(self.logits(named.values(), self.images[batch]), self.labels[batch])
        gradients = torch.autograd.grad(loss, list(named.values()))
        return self.flat(dict(zip(named, gradients))), loss.item()

    def leftover(self):
        return self.batches.leftover()
