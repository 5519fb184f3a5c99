"""Floating-point operations of one training step, counted from the shapes: a multiplication and an addition are two. Only
matrix products and convolutions count. A product costs as much again for the gradient of each of its two factors that needs
one. The formulas are told in docs/reference/performance.md."""


def awd_lstm(vocabulary, embedding, hidden, layers, length, batch):
    widths = [embedding] + [hidden] * (layers - 1) + [embedding]
    gates = sum(4 * out * (inputs + out) for inputs, out in zip(widths, widths[1:]))
    return 3 * 2 * length * batch * (gates + embedding * vocabulary)


def resnet56(depth, width, batch):
    """The images need no gradient, so the first convolution costs two products, not three."""
    first = 9 * 3 * width * 32 * 32
    macs, inputs = 0, width
    for stage in range(3):
        outputs, side = width << stage, 32 >> stage
        for _ in range((depth - 2) // 6):
            macs += 9 * (inputs + outputs) * outputs * side * side
            inputs = outputs
    return 2 * batch * (2 * first + 3 * (macs + 10 * inputs))


def rnn_classifier(embedding, hidden, mlp, length, batch):
    """The word vectors are frozen, so the product with them costs two, not three."""
    cells = length * (2 * embedding * hidden + 3 * hidden * hidden)
    return 2 * batch * (cells + 3 * (hidden * mlp + mlp * mlp + 2 * mlp))
