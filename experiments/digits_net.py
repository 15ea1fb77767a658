"""A small network of one's own for `digits-own.yaml`, as KerasTuner takes it."""

import keras
import keras_tuner


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    model = keras.Sequential([keras.layers.Rescaling(1 / 255)])
    for number in range(hp.Int("blocks", 1, 2)):
        filters = hp.Choice(f"filters_{number}", [16, 32])
        model.add(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(keras.layers.MaxPooling2D())
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5, step=0.25)))
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return model
