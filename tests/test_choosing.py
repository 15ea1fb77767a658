"""Which strengths are told to be as good as the best."""

import numpy as np
import pytest

from search.evidence.choosing import about


@pytest.mark.parametrize(
    ("best", "kept", "ends"),
    [
        (2, [True, True, True, True], (0, 3)),
        (1, [False, True, True, False, True], (1, 2)),
        (4, [True, False, True, True, True], (2, 4)),
        (3, [True, True, True, False], (0, 3)),  # the best always is
    ],
)
def test_a_range_has_no_strength_that_is_shown_to_be_worse(
    best: int, kept: list[bool], ends: tuple[int, int]
) -> None:
    assert about(best, np.array(kept)) == ends
