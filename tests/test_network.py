"""A network with its head: what trains and what stays, states that can be put back, decay, and what
only a GPU is given."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from search.training.cutting import cut
from search.training.head_shape import HeadShape, initial_weights
from search.training.network import Acceleration, Batch, Network, acceleration, built_in

if TYPE_CHECKING:
    import keras

SHAPE = HeadShape(6, 5, 3)


def _body() -> "keras.Model":
    import keras
    from keras import layers

    keras.utils.set_random_seed(2)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, name="below_conv")(inputs)
    x = layers.BatchNormalization(name="below_bn")(x)
    x = layers.ReLU()(
        layers.BatchNormalization(name="above_bn")(layers.Conv2D(6, 3, name="above_conv")(x))
    )
    x = layers.Dropout(0.5, name="above_dropout")(x)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="body")


def _batch(count: int = 8, seed: int = 0) -> Batch:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count).astype(np.int32)
    inputs = generator.standard_normal((count, 8, 8, 3)).astype(np.float32)
    return Batch(
        inputs, np.eye(3, dtype=np.float32)[labels], np.ones((count, 5), np.float32), labels
    )


def _network(as_training: bool = False) -> Network:
    body = _body()
    return Network(body, cut(body, "above_conv").trained, SHAPE, as_training)


def _weights_after(
    network: Network, steps: int = 3, weight_decay: float = 0.0
) -> dict[str, np.ndarray]:
    network.start(initial_weights(SHAPE, 1), 5)
    for step in range(steps):
        network.train(_batch(seed=step), 0.01, weight_decay)
    return {variable.path: variable.numpy() for variable in network.body.weights}


@pytest.mark.parametrize("as_training", [False, True])
def test_what_is_below_the_start_stays_to_the_bit(as_training: bool) -> None:
    network = _network(as_training)
    before = {variable.path: variable.numpy() for variable in network.body.weights}
    after = _weights_after(network)
    changed = {path for path in before if not np.array_equal(before[path], after[path])}
    norms = {"gamma", "beta", "moving_mean", "moving_variance"} if as_training else set()
    assert changed == {
        "above_conv/kernel",
        "above_conv/bias",
        *(f"above_bn/{name}" for name in norms),
    }


def test_the_gradient_is_that_of_the_loss_as_images_count_in_it() -> None:
    network, batch = _network(), _batch(4)
    network.start(initial_weights(SHAPE, 1), 5)
    counts = np.array([0.5, 1, 2, 0.5], np.float32)
    found = network.gradients(replace(batch, counts=counts))
    alone = [network.gradients(_row(batch, row)) for row in range(4)]
    for place, gradient in enumerate(found):
        expected = sum(counts[row] * alone[row][place] for row in range(4)) / 4
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def _row(batch: Batch, row: int) -> Batch:
    here = slice(row, row + 1)
    return Batch(batch.inputs[here], batch.targets[here], batch.kept[here], batch.labels[here])


def test_the_loss_falls() -> None:
    network, batch = _network(), _batch(24)
    network.start(initial_weights(SHAPE, 1), 5)
    losses = [float(network.train(batch, 0.01, 0.0)[0]) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]


def test_a_network_trains_by_the_loss_it_is_built_for() -> None:
    body, batch = _body(), _batch(24)
    network = Network(body, cut(body, "above_conv").trained, SHAPE, loss="brier")
    network.start(initial_weights(SHAPE, 1), 5)
    losses = [float(network.train(batch, 0.01, 0.0)[0]) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    assert max(losses) < 2 * 24


@pytest.mark.parametrize("as_training", [False, True])
def test_a_state_put_back_goes_on_as_if_nothing_had_happened(as_training: bool) -> None:
    network = _network(as_training)
    _weights_after(network)
    kept = network.state()
    network.train(_batch(seed=9), 0.01, 0.1)
    expected = network.state()
    network.start(initial_weights(SHAPE, 8), 6)
    network.train(_batch(seed=3), 0.01, 0.0)
    network.resume(kept)
    network.train(_batch(seed=9), 0.01, 0.1)
    assert all(np.array_equal(a, b) for a, b in zip(network.state(), expected, strict=True))


def test_weight_decay_shrinks_kernels_and_nothing_else() -> None:
    plain, decayed = _weights_after(_network(), 1), _weights_after(_network(), 1, weight_decay=0.5)
    kernel = "above_conv/kernel"
    before = {variable.path: variable.numpy() for variable in _body().weights}
    np.testing.assert_allclose(
        plain[kernel] - decayed[kernel], 0.01 * 0.5 * before[kernel], atol=1e-7
    )
    assert all(np.array_equal(plain[path], decayed[path]) for path in plain if path != kernel)


def test_one_step_is_that_of_keras_s_adamw() -> None:
    import keras

    network = _network()
    ours = _weights_after(network, 1, weight_decay=0.1)["above_conv/kernel"]
    network.start(initial_weights(SHAPE, 1), 5)
    gradient = network.gradients(_batch(seed=0))[0]
    kernel = keras.Variable(
        next(v.numpy() for v in _body().weights if v.path == "above_conv/kernel")
    )
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.1)
    optimizer.apply([gradient], [kernel])
    np.testing.assert_allclose(ours, kernel.numpy(), atol=1e-6)


def test_weights_put_into_another_network_give_its_answers() -> None:
    first, second, batch = _network(), _network(), _batch()
    _weights_after(first)
    second.put(first.weights())
    answers = [network.predict([batch.inputs], batch.labels) for network in (first, second)]
    np.testing.assert_array_equal(answers[0][1], answers[1][1])


def test_a_cpu_is_given_neither_xla_nor_mixed_precision() -> None:
    import keras

    from search.features.devices import sees_gpu

    assert acceleration(None) == Acceleration(False, "float32")
    if not sees_gpu():
        assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [
        ((9, 0), "mixed_bfloat16"),
        ((8, 0), "mixed_bfloat16"),
        ((7, 5), "float32"),
        ((0, 0), "float32"),
    ],
)
def test_a_gpu_is_given_xla_and_bfloat16_where_it_has_units_for_it(
    capability: tuple[int, int], dtype: str
) -> None:
    assert acceleration(capability) == Acceleration(True, dtype)


@pytest.mark.slow
def test_a_network_compiled_by_xla_comes_to_the_same() -> None:
    """Without dropout: XLA draws other random numbers."""
    body = _body()
    compiled = Network(body, cut(body, "above_conv").trained, SHAPE, compiled_by_xla=True)
    ours, theirs = (_weights_after(network, weight_decay=0.1) for network in (compiled, _network()))
    for path in theirs:
        np.testing.assert_allclose(ours[path], theirs[path], rtol=1e-3, atol=1e-4)


def test_a_network_in_bfloat16_learns_and_keeps_its_weights_in_float32() -> None:
    with built_in("mixed_bfloat16"):
        body = _body()
    network = Network(body, cut(body, "above_conv").trained, SHAPE)
    network.start(initial_weights(SHAPE, 1), 5)
    batch = _batch(24)
    losses = [float(network.train(batch, 0.01, 0.0)[0]) for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]
    assert {str(value.dtype) for value in network.state()} == {"float32"}


def test_layers_built_for_a_gpu_compute_in_bfloat16_and_keep_float32_weights() -> None:
    import keras

    with built_in("mixed_bfloat16"):
        layer = keras.layers.Dense(2)
    layer.build((None, 3))
    assert (layer.compute_dtype, str(layer.kernel.dtype)) == ("bfloat16", "float32")
    assert keras.config.dtype_policy().name == "float32"
