"""In which numbers a frozen backbone computes: one record per precision, and which of them each
part of a search uses.

What is compared is computed alike: a setting and its "no augmentation" belong to one part of a
search, and each part has one precision. Which precision a machine can have, and which is faster
there, is `features.precision_choice`.
"""

from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "bfloat16", "int8"]
Part = Literal["search", "confirm", "test"]


@dataclass(frozen=True)
class PrecisionRecord:
    """hint: OpenVINO's name of the numbers that are not quantised. batch_size: images a forward
    pass of OpenVINO. allowed_difference: from Keras's features, as `relative_difference` has it;
    more than rounding makes is a fault. speed: images a second over float32's, for estimates of
    time alone. parts: what each part of a search computes in, where this is the precision of the
    search.
    """

    name: Precision
    hint: str
    batch_size: int
    allowed_difference: float
    speed: float
    parts: dict[Part, Precision]


def _throughout(precision: Precision) -> dict[Part, Precision]:
    return {"search": precision, "confirm": precision, "test": precision}


PRECISIONS: dict[Precision, PrecisionRecord] = {
    record.name: record
    for record in (
        # Engines sum in other orders, which makes 1e-6 to 1e-5. Few images keep a network's
        # activations in the cache of one core; 4 of 150 px are 5 % faster than 8:
        # benchmarks/README.md.
        PrecisionRecord("float32", "f32", 4, 1e-3, 1.0, _throughout("float32")),
        # It keeps 8 bits of a number, which makes 0.05 on photographs in EfficientNet-Lite0. One
        # wrong image among the sixteen of a check already makes more than 0.1.
        PrecisionRecord("bfloat16", "bf16", 4, 0.1, 1.0, _throughout("bfloat16")),
        # Rounding alone makes 0.15 to 0.3, and 0.97 where the quantiser saw no photographs; what
        # decides is `head_agreement`. In batches of 4 or 16 it is slower. Why confirmation is in
        # float32 is in docs/precision.md; the model that is kept computes in float32, so that its
        # head must be trained and tested in it.
        PrecisionRecord(
            "int8", "f32", 8, 0.6, 2.2, {"search": "int8", "confirm": "float32", "test": "float32"}
        ),
    )
}
