"""Graphics processors: whether there is one, what it can do, and how processes share it.

TensorFlow would take the whole memory of every card for the first process that asks. Here each
takes what it needs as it needs it, and each worker process uses one card, in turn.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

# Heard by TensorFlow in any process, however its devices are set up, if it is there before the
# first tensor is.
GROWTH_VARIABLE = "TF_FORCE_GPU_ALLOW_GROWTH"

_Card = TypeVar("_Card")


def grow_memory() -> None:
    """Makes TensorFlow take a card's memory as it is needed, unless the user's environment says
    otherwise."""
    os.environ.setdefault(GROWTH_VARIABLE, "true")


def sees_gpu() -> bool:
    """Whether TensorFlow has a graphics processor to run on."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def compute_capability() -> tuple[int, int] | None:
    """NVIDIA's version of what the card can do, such as (8, 0); (0, 0) for a card that does not
    say; None without a card."""
    import tensorflow as tf

    cards = tf.config.get_visible_devices("GPU")
    if not cards:
        return None
    major, minor = tf.config.experimental.get_device_details(cards[0]).get(
        "compute_capability", (0, 0)
    )
    return int(major), int(minor)


def names_of_cards() -> str | None:
    """The cards of this machine, as their makers call them; None without one."""
    import tensorflow as tf

    cards = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(card) for card in cards]
    return ", ".join(each.get("device_name", "unnamed") for each in details) or None


def card_of(worker: int, cards: Sequence[_Card]) -> _Card | None:
    """The card for a worker, numbered from 1: workers are dealt out evenly. None where there is
    none."""
    return cards[(worker - 1) % len(cards)] if cards else None


def use_one_card(worker: int) -> None:
    """Hides from this process every card but its own. To be called before the first tensor is
    made."""
    import tensorflow as tf

    card = card_of(worker, tf.config.list_physical_devices("GPU"))
    if card is not None:
        tf.config.set_visible_devices(card, "GPU")
