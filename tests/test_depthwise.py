"""The gradient of a depthwise kernel by products is TensorFlow's own."""

import numpy as np
import pytest

from search.training.depthwise import kernel_gradient


@pytest.mark.parametrize(
    ("size", "kernel", "stride"),
    [(5, 5, 1), (3, 5, 1), (10, 5, 2), (9, 5, 2), (6, 7, 1), (4, 3, 1)],
)
def test_it_is_tensorflow_s_own(size: int, kernel: int, stride: int) -> None:
    import tensorflow as tf

    generator, out = np.random.default_rng(size), -(-size // stride)
    inputs = generator.standard_normal((4, size, size, 6)).astype(np.float32)
    upstream = generator.standard_normal((4, out, out, 6)).astype(np.float32)
    shape, strides = (kernel, kernel, 6, 1), [1, stride, stride, 1]
    native = tf.nn.depthwise_conv2d_backprop_filter(inputs, shape, upstream, strides, "SAME")
    ours = kernel_gradient(tf.constant(inputs), tf.constant(upstream), kernel, stride)
    np.testing.assert_allclose(ours, native, rtol=1e-4, atol=1e-4)


def test_networks_train_by_it() -> None:
    import keras
    import tensorflow as tf

    from search.training import depthwise
    from search.training.head_shape import HeadShape, initial_weights
    from search.training.network import Network
    from search.training.network_variables import Steps

    inputs = keras.Input((6, 6, 4))
    outputs = keras.layers.DepthwiseConv2D(5, padding="same", name="own")(inputs)
    body = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(outputs**2))
    network = Network(body, frozenset({"own"}), HeadShape(4, 3, 2))
    live = network.start(initial_weights(network.shape, 1), 1)
    images = np.random.default_rng(0).standard_normal((5, 6, 6, 4)).astype(np.float32)
    targets, kept = np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 1]], np.ones((5, 3), np.float32)
    found = network.gradients(live, Steps(images, targets, kept, np.zeros(5, np.int32), 5))[0]
    assert "DepthwiseConv2dNative" in depthwise.override()
    kernel, bias = body.get_layer("own").weights
    with tf.GradientTape() as tape:
        features = body(images)
        head = initial_weights(network.shape, 1)
        logits = tf.nn.relu(features @ head[0] + head[1]) @ head[2] + head[3]
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
    expected = tape.gradient(loss, [kernel.value, bias.value])[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
