#!/usr/bin/env python3
"""Known answers for tests/known_answers.rs, from the textbook formulas in plain Python integers.

Usage: ci/known-answers.py > tests/data/known-answers.txt

Each line is a name and hexadecimal integers: field elements in canonical form, points as x y (the identity as 0 0).
"""

# BN254: the order r of the groups, the field p of G1's coordinates, y^2 = x^3 + 3, generator (1, 2).
R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
P = 21888242871839275222246405745257275088696311157297823662689037894645226208583
GENERATOR = (1, 2)
# 5 generates the multiplicative group of the scalar field, whose order is 2^28 times an odd number.
TWO_ADICITY, FIELD_GENERATOR = 28, 5


def show(name, values):
    print(name, *(f"{value:x}" for value in values))


def values(seed, count, modulus=R):
    """A linear congruential generator, four words a value."""
    out = []
    for _ in range(count):
        value = 0
        for _ in range(4):
            seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
            value = value * 2**64 + seed
        out.append(value % modulus)
    return out


def inverse(value, modulus):
    return pow(value, modulus - 2, modulus)


def root_of_unity(log_n):
    return pow(FIELD_GENERATOR, (R - 1) >> log_n, R)


def evaluations(coefficients, points):
    return [sum(c * pow(x, i, R) for i, c in enumerate(coefficients)) % R for x in points]


def add(a, b):
    """Affine addition; None is the identity."""
    if a is None or b is None:
        return a or b
    (x1, y1), (x2, y2) = a, b
    if x1 == x2:
        if (y1 + y2) % P == 0:
            return None
        slope = 3 * x1 * x1 * inverse(2 * y1, P)
    else:
        slope = (y2 - y1) * inverse(x2 - x1, P)
    x3 = (slope * slope - x1 - x2) % P
    return x3, (slope * (x1 - x3) - y1) % P


def multiple(scalar, point):
    total = None
    for bit in bin(scalar % R)[2:]:
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    return total


def msm(scalars, points):
    total = None
    for scalar, point in zip(scalars, points):
        total = add(total, multiple(scalar, point))
    return total


def coordinates(point):
    return point or (0, 0)


def main():
    log_n = 4
    x = values(1, 1 << log_n)
    w = root_of_unity(log_n)
    subgroup = [pow(w, k, R) for k in range(1 << log_n)]
    coset = values(2, 1)[0]
    show("ntt_input", x)
    show("ntt_root", [w])
    show("ntt_output", evaluations(x, subgroup))
    show("ntt_coset", [coset])
    show("ntt_coset_output", evaluations(x, [coset * point % R for point in subgroup]))

    scalars = values(3, 10) + [0, 1, R - 1, R - 128]
    logarithms = values(4, len(scalars) - 4) + [1, 1, 2, 0]
    points = [multiple(a, GENERATOR) for a in logarithms]
    show("msm_scalars", scalars)
    show("msm_points", [c for point in points for c in coordinates(point)])
    show("msm_sum", coordinates(msm(scalars, points)))
    small = [-128, 127, -1, 0, 1, 2, -2, 100, -100, 64, -64, 3, 5, -7]
    show("msm_small_scalars", [s % 256 for s in small])
    show("msm_small_sum", coordinates(msm(small, points)))

    # The first coordinate of the point belongs to the most significant bit of the index.
    n = 4
    table, point = values(5, 1 << n), values(6, n)
    total = 0
    for index, value in enumerate(table):
        for k in range(n):
            bit = index >> (n - 1 - k) & 1
            value *= point[k] if bit else 1 - point[k]
        total += value
    show("mle_table", table)
    show("mle_point", point)
    show("mle_value", [total % R])

    # logUp over a column of table rows: the sums on both sides of the identity are one value.
    rows = [5, 7, 11, 13]
    column = [7, 7, 5, 13, 7, 13, 5, 7]
    alpha = values(7, 1)[0]
    counts = [column.count(row) for row in rows]
    helper = [inverse(alpha - value, R) for value in column]
    assert sum(helper) % R == sum(m * inverse(alpha - t, R) for m, t in zip(counts, rows)) % R
    show("logup_table", rows)
    show("logup_column", column)
    show("logup_alpha", [alpha])
    show("logup_counts", counts)
    show("logup_helper", helper)
    show("logup_sum", [sum(helper) % R])

    # One sumcheck over a(x) b(x): the round polynomials at 0, 1, 2.
    a, b, challenges = values(8, 8), values(9, 8), values(10, 3)
    show("sumcheck_a", a)
    show("sumcheck_b", b)
    show("sumcheck_challenges", challenges)
    polynomials = []
    for r in challenges:
        half = len(a) // 2
        at = lambda t, i, x: t[i] + x * (t[i + half] - t[i])
        polynomials += [sum(at(a, i, x) * at(b, i, x) for i in range(half)) % R for x in range(3)]
        a, b = ([at(t, i, r) % R for i in range(half)] for t in (a, b))
    show("sumcheck_polynomials", polynomials)

    # An integer matrix bound by a field vector on either side.
    matrix = [[-128, 127, 3], [0, -1, 100]]
    left, right = values(11, 2), values(12, 3)
    show("matrix_left", left)
    show("matrix_right", right)
    show("matrix_rows_bound", [sum(w * row[c] for w, row in zip(left, matrix)) % R for c in range(3)])
    show("matrix_cols_bound", [sum(w * m for w, m in zip(right, row)) % R for row in matrix])


if __name__ == "__main__":
    main()
