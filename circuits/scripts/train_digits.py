#!/usr/bin/env python3
"""Train, quantise and export the digits network of the `digits` example.

A 64-128-64-10 ReLU network learns scikit-learn's 8 x 8 handwritten digits in float64 and is quantised after
training to the integer model that `circuits/MODEL_FORMAT.md` defines. Two files go to `circuits/data`:

    digits-model.safetensors   the quantised network
    digits-test.safetensors    the held-out images, their labels, the float network's predictions on them and
                               the quantised network's logits, computed here, independently of the Rust code

    python3 -m venv .venv && .venv/bin/pip install -r circuits/scripts/requirements.txt
    .venv/bin/python circuits/scripts/train_digits.py            # writes the files
    .venv/bin/python circuits/scripts/train_digits.py --check    # is a fresh run equal, byte for byte?

The files are the same on every machine, although BLAS adds in an order that depends on the processor and on
the number of threads: both operands of every matrix product are first rounded to multiples of 2^-18, so that
each partial sum is exact in float64 (`matmul` asserts it) and no order can change it. The rest is elementwise
IEEE arithmetic, but for `exp`, whose last bit may differ between processors; the softmax is rounded to the
same grid before it is used, which hides that bit but for a probability of about 2^-14 in the whole training.
"""

import argparse
import hashlib
import json
import pathlib
import sys

import numpy as np
import safetensors.numpy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 2026
WIDTHS = [64, 128, 64, 10]
EPOCHS, BATCH = 60, 64
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 1e-4
TABLE_BITS = 12
GRID = 2.0**18
DATA = pathlib.Path(__file__).resolve().parent.parent / "data"


def grid(x):
    """`x` rounded to multiples of 1/GRID."""
    return np.rint(x * GRID) / GRID


def matmul(a, b):
    """The product of two matrices of grid values, exact and so independent of the order of summation."""
    assert a.shape[1] * np.abs(a).max() * np.abs(b).max() * GRID**2 < 2.0**53, "a partial sum may be inexact"
    return a @ b


def forward(parameters, x):
    """The input of every layer, and the logits; activations and parameters are rounded to the grid."""
    inputs = []
    for weights, bias in parameters:
        inputs.append(x)
        logits = grid(matmul(x, grid(weights)) + grid(bias))
        x = np.maximum(logits, 0)
    return inputs, logits


def gradients(parameters, x, labels):
    """The gradients of the cross-entropy, summed over the batch, for every weight matrix and bias."""
    inputs, logits = forward(parameters, x)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    # Ten terms: added one after the other, whatever the processor's vector width.
    delta = exponentials / sum(exponentials.T)[:, None]
    delta[np.arange(len(labels)), labels] -= 1
    result = []
    for (weights, _), layer_input in zip(reversed(parameters), reversed(inputs)):
        delta = grid(delta)
        result.append((matmul(layer_input.T, delta), delta.sum(axis=0)))
        # The derivative of ReLU at this layer's input; harmless at the first layer, whose delta is not used.
        delta = matmul(delta, grid(weights).T) * (layer_input > 0)
    return result[::-1]


def train(x, labels):
    """Adam with a linearly falling step and decoupled weight decay."""
    rng = np.random.default_rng(SEED)
    parameters = [
        # He initialisation, uniform: variance 2 / fan-in.
        [rng.uniform(-1, 1, (k, m)) * np.sqrt(6 / k), np.zeros(m)]
        for k, m in zip(WIDTHS, WIDTHS[1:])
    ]
    moments = [[(np.zeros_like(p), np.zeros_like(p)) for p in layer] for layer in parameters]
    beta1, beta2, decay1, decay2 = 0.9, 0.999, 1.0, 1.0
    steps = EPOCHS * (len(x) // BATCH)
    step = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            rate = LEARNING_RATE * (1 - step / steps)
            step, decay1, decay2 = step + 1, decay1 * beta1, decay2 * beta2
            for i, layer in enumerate(gradients(parameters, x[chosen], labels[chosen])):
                for j, gradient in enumerate(layer):
                    gradient = gradient / BATCH
                    first, second = moments[i][j]
                    first = beta1 * first + (1 - beta1) * gradient
                    second = beta2 * second + (1 - beta2) * (gradient * gradient)
                    moments[i][j] = first, second
                    update = (first / (1 - decay1)) / (np.sqrt(second / (1 - decay2)) + 1e-8)
                    parameters[i][j] = parameters[i][j] - rate * (update + WEIGHT_DECAY * parameters[i][j])
    return parameters


def accumulate(weights, bias, x):
    """Acc = X W + 1 (x) bias, in integers."""
    return x.astype(np.int64) @ weights.astype(np.int64) + bias.astype(np.int64)


def requantise(acc, multiplier):
    """Y' = floor((m Acc + 2^15) / 2^16): numpy's right shift of a negative number rounds down."""
    return (multiplier * acc + (1 << 15)) >> 16


def quantise(parameters, images):
    """Symmetric post-training quantisation, one scale per layer; the multipliers fit the training images.

    A layer's input is `scale * x` for an i8 `x`. Its weights are `w_scale * W`, its bias and accumulators are
    in units of `scale * w_scale`. The multiplier m takes the training set's largest accumulator to 127, so
    that nothing is clamped there; the next layer's scale is *defined* as `scale * w_scale * 2^16 / m`, so
    rounding m to an integer costs no accuracy.
    """
    layers, x, scale = [], images, 1 / 16  # The float network saw pixel / 16; the integer one sees the pixel.
    for i, (weights, bias) in enumerate(parameters):
        w_scale = np.abs(grid(weights)).max() / 127
        weights = np.rint(grid(weights) / w_scale).astype(np.int8)
        bias = np.rint(grid(bias) / (scale * w_scale)).astype(np.int32)
        acc = accumulate(weights, bias, x)
        bound = weights.shape[0] * 2**14 + int(np.abs(bias.astype(np.int64)).max())
        assert bound <= 2**31 - 1, f"layer {i} could wrap"
        if i + 1 == len(parameters):
            layers.append((weights, bias, None))
            break
        multiplier = int(127 * 2**16 // acc.max())
        assert 1 <= multiplier < 2**16
        layers.append((weights, bias, multiplier))
        x = np.clip(requantise(acc, multiplier), 0, 127)
        scale = scale * w_scale * 2**16 / multiplier
    return layers


def infer(layers, x):
    """The quantised network's logits, and the range of Y' in each requantised layer."""
    ranges = []
    for weights, bias, multiplier in layers:
        acc = accumulate(weights, bias, x)
        if multiplier is None:
            assert np.abs(acc).max() < 2**31
            return acc.astype(np.int32), ranges
        y_prime = requantise(acc, multiplier)
        ranges.append((int(y_prime.min()), int(y_prime.max())))
        x = np.clip(y_prime, 0, 127)


def metadata(fields):
    """The one metadata entry of a file; a single key, because the order of several is not defined."""
    return {"zkmill": json.dumps(fields, separators=(",", ":"))}


def model_file(layers):
    tensors, described = {}, []
    for i, (weights, bias, multiplier) in enumerate(layers):
        tensors[f"layers.{i}.weight"] = weights
        tensors[f"layers.{i}.bias"] = bias
        described.append(
            None
            if multiplier is None
            else {"multiplier": multiplier, "activation": "relu", "table_bits": TABLE_BITS}
        )
    return safetensors.numpy.save(tensors, metadata({"format": "model", "version": 1, "layers": described}))


def dataset_file(images, labels, float_predictions, logits):
    tensors = {
        "images": images.astype(np.int8),
        "labels": labels.astype(np.uint8),
        "float_predictions": float_predictions.astype(np.uint8),
        "logits": logits,
    }
    return safetensors.numpy.save(tensors, metadata({"format": "dataset", "version": 1}))


def build():
    """The two files' bytes by name, reporting accuracy and ranges on the way."""
    pixels, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        pixels, labels, test_size=0.2, random_state=SEED, stratify=labels
    )
    parameters = train(train_x / 16, train_y)
    train_x, test_x = train_x.astype(np.int8), test_x.astype(np.int8)
    layers = quantise(parameters, train_x)

    accuracy = {}
    for name, x, y in [("training", train_x, train_y), ("held-out", test_x, test_y)]:
        float_predictions = forward(parameters, x / 16)[1].argmax(axis=1)
        logits, ranges = infer(layers, x)
        accuracy[name] = 100 * np.mean(float_predictions == y), 100 * np.mean(logits.argmax(axis=1) == y)
        agreement = 100 * np.mean(float_predictions == logits.argmax(axis=1))
        print(f"{name}: {len(y)} images, accuracy {accuracy[name][0]:.2f} % float, {accuracy[name][1]:.2f} %"
              f" quantised, which predict alike for {agreement:.2f} %")
        for i, (low, high) in enumerate(ranges):
            end = 2 ** (TABLE_BITS - 1)
            print(f"  layer {i}: m = {layers[i][2]}, Y' in {low}..={high}, table {-end}..={end - 1}")
            # Half the table is margin for inputs that neither set contains.
            assert max(-low, high) < 2 ** (TABLE_BITS - 2), "Y' comes too near to the table's end"
    float_accuracy, quantised_accuracy = accuracy["held-out"]
    assert quantised_accuracy >= 96, "the quantised network is not accurate enough"
    assert abs(float_accuracy - quantised_accuracy) <= 1.5, "quantisation costs too much"
    # The loop ended with the held-out images.
    return {
        "digits-model.safetensors": model_file(layers),
        "digits-test.safetensors": dataset_file(test_x, test_y, float_predictions, logits),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    parser.add_argument("--data", type=pathlib.Path, default=DATA, help="the files' directory")
    arguments = parser.parse_args()
    failed = False
    for name, content in build().items():
        path = arguments.data / name
        if arguments.check:
            same = path.is_file() and path.read_bytes() == content
            failed |= not same
            verdict = "unchanged" if same else "DIFFERS"
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            verdict = "written"
        digest = hashlib.sha256(content).hexdigest()[:16]
        print(f"{path.name}: {len(content)} bytes, sha256 {digest}, {verdict}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
