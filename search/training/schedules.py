"""Learning rates over the steps of a training: pure functions of the step."""

import math


def warm_cosine(step: int, steps_an_epoch: int, max_epochs: int, warmup_epochs: float, peak: float) -> float:
    """The rate at `step` (from 0): a line up to `peak` over the warm-up, then half a cosine down to 0 at the end of `max_epochs`.

    The cosine is that of I. Loshchilov and F. Hutter, "SGDR" (https://arxiv.org/abs/1608.03983), without restarts.
    """
    warmup = min(warmup_epochs, max_epochs) * steps_an_epoch
    if step < warmup:
        return peak * min(1.0, (step + 1) / warmup)
    whole = max_epochs * steps_an_epoch - warmup
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / whole))) if whole > 0 else 0.0
