"""The accountant's numbers a second time, by the definition of the Rényi divergence and in whole numbers where there are any.

    privacy_witness.py OUT     writes a line "kind q z order value" for each setting

kinds: themselves, the divergence of (1 − q) N(0, z²) + q N(1, z²) from N(0, z²), by Simpson's rule on the densities; fixed, the sum of
Wang, Balle, Kasiviswanathan's Theorem 9 with C(α, j) in whole numbers; pair, a divergence that the bound for a fixed number must not
be below: one sampled client adds 1 in one run and −1 in the other, and the others nothing.
"""

import math
import sys

SETTINGS = [(0.01, 4.0), (0.1, 1.0), (0.5, 0.5), (0.004, 1.3), (0.02, 0.3), (1.0, 0.7), (0.3, 8.0)]
WHOLE = [2, 3, 7, 32, 200]
PARTS = [1.1, 1.5, 2.5, 9.9]


def normal(x, mean, z):
    """The logarithm of the density of N(mean, z²)."""
    return -((x - mean) ** 2) / (2 * z * z) - math.log(z * math.sqrt(2 * math.pi))


def mixture(x, q, mean, z):
    """The logarithm of the density of (1 − q) N(0, z²) + q N(mean, z²)."""
    if q == 1:
        return normal(x, mean, z)
    a, b = math.log(1 - q) + normal(x, 0, z), math.log(q) + normal(x, mean, z)
    return max(a, b) + math.log1p(math.exp(min(a, b) - max(a, b)))


def divergence(p, q, order, low, high, step):
    """log ∫ p^α q^(1−α) / (α − 1)."""
    n = 2 * math.ceil((high - low) / step / 2)
    h = (high - low) / n
    logs = []
    for k in range(n + 1):
        x = low + k * h
        weight = 1 if k in (0, n) else 4 if k % 2 else 2
        logs.append(order * p(x) + (1 - order) * q(x) + math.log(weight * h / 3))
    most = max(logs)
    return (most + math.log(math.fsum(math.exp(v - most) for v in logs))) / (order - 1)


def themselves(q, z, order):
    return divergence(lambda x: mixture(x, q, 1, z), lambda x: normal(x, 0, z), order, -15 * z, order + 15 * z, z / 40)


def pair(q, z, order):
    # The integrand has the size of a Gaussian around 0 or around ±(2α − 1).
    end = 2 * order + 15 * z
    return divergence(lambda x: mixture(x, q, 1, z), lambda x: mixture(x, q, -1, z), order, -end, end, z / 20)


def fixed(q, z, order):
    def of_all(alpha):
        return 2 * alpha / z**2

    terms = [0.0, math.log(q * q * math.comb(order, 2)) + min(math.log(4 * math.expm1(of_all(2))), math.log(2) + of_all(2))]
    terms += [j * math.log(q) + math.log(2 * math.comb(order, j)) + (j - 1) * of_all(j) for j in range(3, order + 1)]
    most = max(terms)
    bound = (most + math.log(math.fsum(math.exp(t - most) for t in terms))) / (order - 1)
    return min(of_all(order), bound)


with open(sys.argv[1], "w", encoding="utf-8") as out:
    for q, z in SETTINGS:
        for order in WHOLE + PARTS:
            print("themselves", q, z, order, repr(themselves(q, z, order)), file=out)
        for order in WHOLE:
            print("fixed", q, z, order, repr(fixed(q, z, order)), file=out)
            if order < 100:
                print("pair", q, z, order, repr(pair(q, z, order)), file=out)
