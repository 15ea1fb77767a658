"""The model that `benchmarks.fit` trains in both ways, as KerasTuner takes it."""

import keras
import keras_tuner


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    model = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Rescaling(1 / 255)])
    for filters in (16, 32, 64):
        model.add(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(keras.layers.MaxPooling2D())
    model.add(keras.layers.GlobalAveragePooling2D())
    model.add(keras.layers.Dense(10, activation="softmax"))
    rate = keras.optimizers.Adam(hp.Choice("rate", [0.001, 0.003]))
    model.compile(rate, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
