"""The data sets of a program: which samples there are, and the batch that some of them make. Which samples a client draws is
decided in C++."""

from typing import Any, Callable, List, Optional, Sequence

import numpy
import torch
from torch.utils.data import TensorDataset, default_collate

from ._load import UserError

Collate = Callable[[List[Any]], Any]


def _length(dataset: Any, place: str) -> int:
    """Returns the number of samples. Raises UserError for something that can't be indexed."""
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise UserError("%s must be a data set with len() and [index] (a map-style Dataset), got %s" %
                        (place, type(dataset).__name__))
    size = len(dataset)
    if size < 1:
        raise UserError("%s must have at least one sample, got none" % place)
    return size


def batch_of(dataset: Any, indices: Any, collate: Optional[Collate], place: str) -> Any:
    """Returns the batch of the samples `indices` (int64 tensor). An exception of the data set becomes a UserError that names the
    sample."""
    if collate is None and type(dataset) is TensorDataset:
        return [tensor[indices] for tensor in dataset.tensors]
    samples = []
    for index in indices.tolist():
        try:
            samples.append(dataset[index])
        except Exception as error:
            raise UserError("%s: sample %d can't be read: %s: %s" % (place, index, type(error).__name__, error)) from error
    try:
        return default_collate(samples) if collate is None else collate(samples)
    except Exception as error:
        raise UserError("%s: the samples %s make no batch: %s: %s" %
                        (place, indices.tolist(), type(error).__name__, error)) from error


_MOST_LABEL = 2 ** 31 - 1


def labels_of(dataset: Any) -> Optional[List[int]]:
    """Returns the labels that a data set tells of itself: `targets`, `labels`, or the last tensor of a TensorDataset. Returns None
    where these are no labels, as the targets of a regression. Most partitions need none; one that does names labels=."""
    found = getattr(dataset, "targets", None)
    if found is None:
        found = getattr(dataset, "labels", None)
    if found is None and isinstance(dataset, TensorDataset):
        found = dataset.tensors[-1]
    try:
        return None if found is None else _whole_numbers(found, len(dataset))
    except UserError:
        return None


def _whole_numbers(labels: Any, samples: int) -> List[int]:
    """Returns the labels as a list. Raises UserError for what partitions can't deal by."""
    try:
        array = numpy.asarray(labels)
    except Exception as error:
        raise UserError("labels= must be whole numbers >= 0, one a sample, got %s: %s" % (type(labels).__name__, error)) from error
    if array.ndim != 1 or not numpy.issubdtype(array.dtype, numpy.integer):
        raise UserError("labels= must be whole numbers >= 0, one a sample, got shape %s of %s" % (tuple(array.shape), array.dtype))
    if len(array) != samples:
        raise UserError("labels= must have one label a sample, %d, got %d" % (samples, len(array)))
    for wrong in (array.min(), array.max()):
        if not 0 <= wrong <= _MOST_LABEL:
            raise UserError("labels= must be whole numbers from 0 to %d, got %d" % (_MOST_LABEL, wrong))
    return [int(x) for x in array]


class TrainingData:
    """The clients' training data: one data set that is shared out by [data] partition, or a data set for each client.

    sizes    samples of each client's data set; empty where there is one for all
    samples  samples of all together
    labels   a label a sample, or None where nobody knows them or each client has a data set
    """

    def __init__(self, data: Any, *, clients: Optional[int], labels: Any, collate: Optional[Collate]) -> None:
        self._collate = collate
        self._one: Any = None
        self._of: Callable[[int], Any]
        self.sizes: List[int] = []
        self.labels: Optional[List[int]] = None
        if isinstance(data, (list, tuple)):
            self._each(data)
        elif callable(data) and not hasattr(data, "__getitem__"):
            self._made(data, clients)
        else:
            self._shared(data, labels)
        if labels is not None and self.sizes:
            raise UserError("labels= is used with one data set that is shared out, but data= gives each client its own")

    def _each(self, datasets: Sequence[Any]) -> None:
        if not datasets:
            raise UserError("data= must have a data set for each client, got an empty list")
        self.sizes = [_length(d, "data[%d]" % k) for k, d in enumerate(datasets)]
        self._of = datasets.__getitem__
        self._sum_up()

    def _made(self, make: Callable[[int], Any], clients: Optional[int]) -> None:
        if clients is None:
            raise UserError("clients.count must be given where data= is a function of the client, got nothing")
        kept: dict = {}

        def of(client: int) -> Any:
            if client not in kept:
                try:
                    kept[client] = make(client)
                except Exception as error:
                    raise UserError("data(%d) raised %s: %s" % (client, type(error).__name__, error)) from error
            return kept[client]

        self.sizes = []
        for client in range(clients):
            self.sizes.append(_length(of(client), "data(%d)" % client))
            kept.clear()  # only the lengths are needed of clients that live elsewhere
        self._of = of
        self._sum_up()

    def _shared(self, dataset: Any, labels: Any) -> None:
        self.samples = _length(dataset, "data=")
        self._one = dataset
        self.labels = labels_of(dataset) if labels is None else _whole_numbers(labels, self.samples)

    def _sum_up(self) -> None:
        self._first = numpy.concatenate([[0], numpy.cumsum(self.sizes)])
        self.samples = int(self._first[-1])

    def batch(self, client: int, indices: Any) -> Any:
        """Returns the batch of samples that a client drew, by their numbers among all samples."""
        if self._one is not None:
            return batch_of(self._one, indices, self._collate, "data=")
        return batch_of(self._of(client), indices - int(self._first[client]), self._collate, "data of client %d" % client)


class HeldOutData:
    """A split to evaluate, cut into units of `size` samples."""

    def __init__(self, name: str, dataset: Any, *, size: int, collate: Optional[Collate]) -> None:
        self.samples = _length(dataset, name + "=")
        self._name, self._dataset, self._size, self._collate = name, dataset, size, collate
        self.units = (self.samples + size - 1) // size

    def batch(self, unit: int, most: Optional[int] = None) -> "tuple[Any, int]":
        """Returns a unit's batch and the number of its samples, at most `most`."""
        first = unit * self._size
        last = min(first + self._size, self.samples, first + (most or self._size))
        return batch_of(self._dataset, torch.arange(first, last), self._collate, self._name + "="), last - first
