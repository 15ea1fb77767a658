"""Seeds derived from seeds: one experiment seed gives every part of a search a stream of its own.
Draws nothing itself."""

import hashlib


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed in [1, 2**31) that depends on `seed` and every name, and on nothing else.

    Never 0, which KerasTuner takes to mean "random". Hashed, because KerasTuner's oracles give the
    same trials shifted by one for seeds that are close together.
    """
    text = "/".join([str(seed), *map(str, names)])
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") % (2**31 - 1) + 1
