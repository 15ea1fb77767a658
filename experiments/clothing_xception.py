"""The course's head on Xception, for `clothing-xception.yaml`. Its size and its rate are searched
with the augmentations."""

import keras
import keras_tuner

WEIGHTS = None  # random; "imagenet" has Keras download them, and a path names a file of them


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    base = keras.applications.Xception(weights=WEIGHTS, include_top=False, pooling="avg")
    base.trainable = False
    pictures = keras.Input((None, None, 3))
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(pictures)
    inner = keras.layers.Dense(hp.Choice("size", [10, 100]), activation="relu")
    dropped = keras.layers.Dropout(0.2)(inner(base(scaled, training=False)))
    model = keras.Model(pictures, keras.layers.Dense(10)(dropped))
    rate = hp.Float("rate", 1e-4, 1e-2, sampling="log")
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"])
    return model
