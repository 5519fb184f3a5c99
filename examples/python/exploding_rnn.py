"""Why gradients of recurrent networks explode: the norm of the Jacobian ∂h_t/∂h_0 over t, which a gradient through t steps is
multiplied by.

    python exploding_rnn.py --out exploding

h_t = φ(W h_{t−1} + x_t), so ∂h_t/∂h_0 is the product of diag(φ′) W over the steps. W = ρ Q with an orthogonal Q has the spectral
radius ρ. Without φ the norm is ρ^t exactly: it vanishes below 1, stays at 1, and explodes above. With φ = tanh each factor is
shortened by 1 − h². It needs Python's standard library alone, prints a table, and writes jacobians.csv and jacobians.svg."""

import argparse
import math
import os
import random


def product(a, b):
    columns = list(zip(*b))
    return [[sum(x * y for x, y in zip(row, column)) for column in columns] for row in a]


def apply(a, v):
    return [sum(x * y for x, y in zip(row, v)) for row in a]


def length(v):
    return math.sqrt(sum(x * x for x in v))


def orthogonal(units, draw):
    """A random rotation or reflection, by Gram and Schmidt. Each row is made orthogonal twice, against rounding."""
    rows = []
    while len(rows) < units:
        row = [draw.gauss(0, 1) for _ in range(units)]
        for _ in range(2):
            for other in rows:
                along = sum(x * y for x, y in zip(row, other))
                row = [x - along * y for x, y in zip(row, other)]
        size = length(row)
        if size > 1e-6:
            rows.append([x / size for x in row])
    return rows


def spectral_norm(a):
    """The largest singular value, by power iteration on aᵀa."""
    transposed = [list(column) for column in zip(*a)]
    v, norm = [1 / math.sqrt(len(a))] * len(a), 0.0
    for _ in range(1000):
        u = apply(transposed, apply(a, v))
        before, norm = norm, math.sqrt(length(u))
        if norm == 0 or abs(norm - before) <= 1e-13 * norm:
            break
        size = length(u)
        v = [x / size for x in u]
    return norm


def states(weights, inputs, start, tanh):
    """h_0, h_1, …, h_T."""
    h = [start]
    for x in inputs:
        z = [a + b for a, b in zip(apply(weights, h[-1]), x)]
        h.append([math.tanh(v) for v in z] if tanh else z)
    return h


def jacobians(weights, inputs, start, tanh):
    """∂h_t/∂h_0 for t = 1 … T."""
    whole = [[float(j == k) for k in range(len(start))] for j in range(len(start))]
    out = []
    for h in states(weights, inputs, start, tanh)[1:]:
        whole = product(weights, whole)
        if tanh:
            whole = [[(1 - value * value) * x for x in row] for value, row in zip(h, whole)]
        out.append(whole)
    return out


def norms(radius, units, steps, seed, tanh):
    draw = random.Random(seed)
    weights = [[radius * x for x in row] for row in orthogonal(units, draw)]
    inputs = [[draw.gauss(0, 0.05) for _ in range(units)] for _ in range(steps)]
    return [spectral_norm(a) for a in jacobians(weights, inputs, [0.0] * units, tanh)]


def svg(curves, steps):
    """A curve for each radius on a logarithmic axis: whole lines without φ, dashed ones with tanh."""
    width, height, left, bottom = 640, 400, 70, 50
    low = math.floor(min(math.log10(max(v, 1e-300)) for c in curves for v in c["norms"]))
    high = math.ceil(max(math.log10(max(v, 1e-300)) for c in curves for v in c["norms"]))
    high = max(high, low + 1)
    x_of = lambda t: left + (width - left - 20) * t / steps
    y_of = lambda v: height - bottom - (height - bottom - 20) * (math.log10(max(v, 1e-300)) - low) / (high - low)
    colours = ["#1f77b4", "#555555", "#d62728", "#2ca02c", "#9467bd", "#8c564b"]
    radii = list(dict.fromkeys(c["radius"] for c in curves))
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">' % (width, height),
           '<rect width="100%" height="100%" fill="white"/>']
    step = max(1, (high - low) // 6)
    for power in range(low, high + 1, step):
        y = y_of(10.0 ** power)
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#dddddd"/>' % (left, width - 20, y, y))
        out.append('<text x="%d" y="%.1f" text-anchor="end">1e%d</text>' % (left - 6, y + 4, power))
    for c in curves:
        points = " ".join("%.1f,%.1f" % (x_of(t + 1), y_of(v)) for t, v in enumerate(c["norms"]))
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>'
                   % (points, colours[radii.index(c["radius"]) % len(colours)], ' stroke-dasharray="5 4"' if c["tanh"] else ""))
    for k, radius in enumerate(radii):
        out.append('<text x="%d" y="%d" fill="%s">ρ = %g</text>' % (left + 10, 30 + 16 * k, colours[k % len(colours)], radius))
    out.append('<text x="%d" y="%d" fill="#333333">dashed: tanh</text>' % (left + 10, 30 + 16 * len(radii)))
    out.append('<text x="%d" y="%d" text-anchor="middle">t = 1 … %d</text>' % ((left + width) // 2, height - 15, steps))
    out.append('<text x="15" y="%d" transform="rotate(-90 15 %d)" text-anchor="middle">‖∂h_t/∂h_0‖</text>' % (height // 2, height // 2))
    return "\n".join(out + ["</svg>", ""])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--radii", default="0.9,1,1.1", help="spectral radii of W (default: %(default)s)")
    parser.add_argument("--units", type=int, default=8, help="size of h (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=50, help="T (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of Q and the inputs (default: %(default)s)")
    parser.add_argument("--out", default="", help="folder for jacobians.csv and jacobians.svg (default: none are written)")
    given = parser.parse_args()
    try:
        given.radii = [float(r) for r in given.radii.split(",")]
    except ValueError:
        parser.error("--radii: must be numbers with commas, got %s" % given.radii)
    if not all(0 < r < 10 for r in given.radii):
        parser.error("--radii: must be > 0 and < 10, got %s" % ", ".join("%g" % r for r in given.radii))
    if given.units < 1 or given.steps < 1:
        parser.error("--units and --steps: must be >= 1, got %d and %d" % (given.units, given.steps))
    return given


def main():
    given = arguments()
    curves = [{"radius": r, "tanh": tanh, "norms": norms(r, given.units, given.steps, given.seed, tanh)}
              for r in given.radii for tanh in (False, True)]
    rows = sorted({1, *(round(given.steps * k / 5) for k in range(1, 6))} - {0})
    print("‖∂h_t/∂h_0‖ of h_t = φ(W h + x), %d units\n" % given.units)
    print("%-18s" % "t" + "".join("%12d" % t for t in rows))
    for c in curves:
        name = "ρ = %g, %s" % (c["radius"], "tanh" if c["tanh"] else "linear")
        print("%-18s" % name + "".join("%12.4g" % c["norms"][t - 1] for t in rows))
    if not given.out:
        return
    os.makedirs(given.out, exist_ok=True)
    with open(os.path.join(given.out, "jacobians.csv"), "w", encoding="utf-8") as f:
        f.write("radius,phi,t,norm\n")
        for c in curves:
            f.writelines("%r,%s,%d,%r\n" % (c["radius"], "tanh" if c["tanh"] else "linear", t + 1, v) for t, v in enumerate(c["norms"]))
    with open(os.path.join(given.out, "jacobians.svg"), "w", encoding="utf-8") as f:
        f.write(svg(curves, given.steps))


if __name__ == "__main__":
    main()
