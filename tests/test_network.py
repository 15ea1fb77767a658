"""A network with its head: what trains and what stays, states that can be put back, decay, and what
only a GPU is given."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from search.training.cutting import cut
from search.training.head_shape import HeadShape, initial_weights
from search.training.network import Network
from search.training.network_shape import Acceleration, acceleration, built_in
from search.training.network_variables import Live, Steps, StepValues

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


def _batch(count: int = 8, seed: int = 0) -> Steps:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count).astype(np.int32)
    inputs = generator.standard_normal((count, 8, 8, 3)).astype(np.float32)
    targets, kept = np.eye(3, dtype=np.float32)[labels], np.ones((count, 5), np.float32)
    return Steps(inputs, targets, kept, labels, count)


def _network(as_training: bool = False) -> Network:
    body = _body()
    return Network(body, cut(body, "above_conv").trained, SHAPE, as_training)


def _weights_after(
    network: Network, steps: int = 3, weight_decay: float = 0.0
) -> dict[str, np.ndarray]:
    return _named(network, _trained(network, steps, weight_decay))


def _trained(network: Network, steps: int = 3, weight_decay: float = 0.0) -> Live:
    live = network.start(initial_weights(SHAPE, 1), 5)
    for step in range(steps):
        _train(network, live, _batch(seed=step), weight_decay)
    return live


def _train(network: Network, live: Live, steps: Steps, weight_decay: float = 0.0) -> float:
    """The mean loss."""
    rates = np.full(steps.num_steps, 0.01, np.float32)
    return network.train(live, steps, rates, weight_decay)[0] / len(steps.labels)


def _named(network: Network, live: Live) -> dict[str, np.ndarray]:
    weights = network.weights(live)[: len(network.body.weights)]
    paths = (variable.path for variable in network.body.weights)
    return dict(zip(paths, weights, strict=True))


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
    live = network.start(initial_weights(SHAPE, 1), 5)
    counts = np.array([0.5, 1, 2, 0.5], np.float32)
    found = network.gradients(live, replace(batch, counts=counts))
    alone = [network.gradients(live, _rows(batch, row, 1)) for row in range(4)]
    for place, gradient in enumerate(found):
        expected = sum(counts[row] * alone[row][place] for row in range(4)) / 4
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_steps_of_one_call_count_images_as_those_of_several() -> None:
    network, steps = _network(), replace(_batch(8), batch_size=4)
    weighted = replace(steps, counts=np.linspace(0.25, 2, 8, dtype=np.float32))
    together, apart = (network.start(initial_weights(SHAPE, 1), 5) for _ in range(2))
    rates = np.full(2, 0.01, np.float32)
    whole = network.train(together, weighted, rates, 0.1)
    parts = [network.train(apart, _rows(weighted, at, 4), rates[:1], 0.1) for at in (0, 4)]
    np.testing.assert_allclose(whole, np.sum(parts, axis=0), rtol=1e-6)
    for one, other in zip(together.state(), apart.state(), strict=True):
        np.testing.assert_array_equal(one, other)
    unweighted = network.train(network.start(initial_weights(SHAPE, 1), 5), steps, rates, 0.1)
    assert whole[0] != unweighted[0]


def _rows(steps: Steps, start: int, size: int) -> Steps:
    here = slice(start, start + size)
    parts = StepValues(*(None if each is None else each[here] for each in steps.values))
    return Steps(*parts[:4], size, parts.counts)


def test_the_loss_falls() -> None:
    network, batch = _network(), _batch(24)
    live = network.start(initial_weights(SHAPE, 1), 5)
    losses = [_train(network, live, batch) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]


def test_a_network_trains_by_the_loss_it_is_built_for() -> None:
    body, batch = _body(), _batch(24)
    network = Network(body, cut(body, "above_conv").trained, SHAPE, loss="brier")
    live = network.start(initial_weights(SHAPE, 1), 5)
    losses = [_train(network, live, batch) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    assert max(losses) < 2


@pytest.mark.parametrize("as_training", [False, True])
def test_a_state_put_back_goes_on_as_if_nothing_had_happened(as_training: bool) -> None:
    network = _network(as_training)
    live = _trained(network)
    kept = live.state()
    _train(network, live, _batch(seed=9), 0.1)
    other = network.start(initial_weights(SHAPE, 8), 6)
    _train(network, other, _batch(seed=3))
    resumed = network.resume(kept)
    _train(network, resumed, _batch(seed=9), 0.1)
    assert all(np.array_equal(a, b) for a, b in zip(resumed.state(), live.state(), strict=True))


@pytest.mark.parametrize("as_training", [False, True])
def test_steps_in_one_graph_are_those_taken_one_by_one(as_training: bool) -> None:
    network, steps = _network(as_training), _batch(22)
    steps = replace(steps, batch_size=8)
    at_once, one_by_one = (network.start(initial_weights(SHAPE, 1), 5) for _ in range(2))
    rates = np.array([0.01, 0.02, 0.03], np.float32)
    sums = network.train(at_once, steps, rates, 0.1)
    found = []
    for number, rate in enumerate(rates):
        rows = slice(8 * number, 8 * number + 8)
        names = ("inputs", "targets", "kept", "labels")
        step = replace(steps, **{name: getattr(steps, name)[rows] for name in names})
        found.append(network.train(one_by_one, step, rate[None], 0.1))
    assert all(
        np.array_equal(a, b) for a, b in zip(at_once.state(), one_by_one.state(), strict=True)
    )
    np.testing.assert_allclose(sums, np.sum(found, axis=0), rtol=1e-6)


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
    gradient = network.gradients(network.start(initial_weights(SHAPE, 1), 5), _batch(seed=0))[0]
    kernel = keras.Variable(
        next(v.numpy() for v in _body().weights if v.path == "above_conv/kernel")
    )
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.1)
    optimizer.apply([gradient], [kernel])
    np.testing.assert_allclose(ours, kernel.numpy(), atol=1e-6)


def test_weights_put_into_another_network_give_its_answers() -> None:
    first, second, batch = _network(), _network(), _batch()
    live = _trained(first)
    pairs = (first, live), (second, second.put(first.weights(live)))
    answers = [network.predict(each, [batch.inputs], batch.labels) for network, each in pairs]
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
    live = network.start(initial_weights(SHAPE, 1), 5)
    batch = _batch(24)
    losses = [_train(network, live, batch) for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]
    assert {str(value.dtype) for value in live.state()} == {"float32"}


def test_layers_built_for_a_gpu_compute_in_bfloat16_and_keep_float32_weights() -> None:
    import keras

    with built_in("mixed_bfloat16"):
        layer = keras.layers.Dense(2)
    layer.build((None, 3))
    assert (layer.compute_dtype, str(layer.kernel.dtype)) == ("bfloat16", "float32")
    assert keras.config.dtype_policy().name == "float32"
