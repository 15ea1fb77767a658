"""What would have shown an effect that a search missed: on measurements whose variances are known,
the size that is told finds it, and a smaller one does not."""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from states import make_state, without_recommendation

from search.evidence.answer import Answer, Shortfall, Size
from search.evidence.intervals import Contrasts, simultaneous
from search.evidence.measurements import Luck, Measurements
from search.evidence.shortfall import MOST_SEEDS, Blur, blur_of, what_would_show
from search.report.answer_text import answer
from search.report.summary import summarize
from search.report.view import SearchView
from search.tracking.descriptions import describe

CRITICAL, POWERED = 2.9, 2.9 + 0.8416
NOW = Size(seeds=4, folds=5, images=1000)


def measurements(images: float, noise: float, heads: float, size: Size = NOW) -> Measurements:
    """Two trainings of one stage whose difference has these variances at the size of NOW, measured
    at another: images and noise are thinned by images, noise and heads by seeds."""
    more, seeds = size.images / NOW.images, size.seeds / NOW.seeds
    by_seed = noise / more / seeds / 2
    luck = heads / seeds / (size.folds / NOW.folds) / 2
    both, none = np.full(2, luck), np.zeros(2)
    return Measurements(
        names=("0", "1"),
        stages=("confirm", "confirm"),
        scores=np.zeros(2),
        image_cov=np.eye(2) * (images / more / 2 + by_seed),
        image_df=1e6,
        luck=Luck(none, both + by_seed, none + by_seed, none, none, 0.0),
        single=none,
        bounds=(-1.0, 1.0),
    )


def shown(
    images: float, noise: float, heads: float, now: Size = NOW, folded: Sequence[Size] = ()
) -> Shortfall:
    found = blur_of(measurements(images, noise, heads), PAIR, "confirm")
    missed = POWERED * sqrt(images + noise + heads)
    return what_would_show(found, CRITICAL, now, folded, missed, negligible=0.005)


FOLDED = tuple(Size(seeds=4, folds=folds, images=10_000) for folds in (5, 10))
PAIR = Contrasts(np.array([[-1.0, 1.0]]))
POINT = 0.01**2  # the variance of a standard error of a point


def test_a_variance_is_taken_apart_into_what_thins_it() -> None:
    found = blur_of(measurements(3e-5, 2e-5, 1e-5), PAIR, "confirm")
    parts = [found.images, found.noise, found.heads, found.rest]
    assert parts == pytest.approx([3e-5, 2e-5, 1e-5, 0.0])


def test_the_luck_of_an_earlier_round_and_the_model_s_error_are_thinned_by_nothing() -> None:
    measured = replace(measurements(3e-5, 2e-5, 1e-5), stages=("search", "confirm"))
    found = blur_of(measured, replace(PAIR, model_cov=np.array([[4e-6]])), "confirm")
    assert found.rest == pytest.approx(0.5e-5 + 4e-6)
    assert found.heads == pytest.approx(0.5e-5)
    assert found.images + found.noise == pytest.approx(5e-5)


@pytest.mark.parametrize(
    "parts", [(2e-6, 2e-5, 3e-5), (1e-5, 1e-6, 1e-6), (3e-6, 3e-6, 4e-6), (1e-6, 1e-6, 9e-5)]
)
def test_each_size_told_finds_the_effect_and_a_smaller_one_does_not(
    parts: tuple[float, float, float],
) -> None:
    found = shown(*parts)
    assert found.target == 0.01  # twice what matters
    assert found.ways
    for size in found.ways:
        assert _detectable(parts, size) <= found.target * 1.001
        if size.seeds > NOW.seeds and size.images == NOW.images:
            fewer = size.model_copy(update={"seeds": size.seeds - 1})
            assert _detectable(parts, fewer) > found.target * 0.999
        if size.images != NOW.images:
            fewer = size.model_copy(update={"images": round(size.images * 0.85)})
            assert _detectable(parts, fewer) > found.target


def _detectable(parts: tuple[float, float, float], size: Size) -> float:
    """As a search of that size measures it."""
    measured = measurements(*parts, size=size)
    error = simultaneous(measured, PAIR, seed=1, num_draws=100).errors[0]
    return float(POWERED * error)


def test_seeds_are_no_way_where_images_alone_blur_and_images_none_where_heads_do() -> None:
    by_images = shown(POINT, 0.0, 0.0)
    assert [size.seeds for size in by_images.ways] == [NOW.seeds]
    assert by_images.ways[0].images == pytest.approx(1000 * POWERED**2, rel=0.06)
    by_heads = shown(0.0, 0.0, POINT)
    assert by_heads.ways[0].seeds == np.ceil(4 * POWERED**2)
    assert [size.images for size in by_heads.ways] == [NOW.images]


def test_more_folds_score_more_images_where_the_validation_split_alone_was_scored() -> None:
    one = Size(seeds=4, folds=1, images=1000)
    found = shown(3e-5, 0.0, 0.0, one, FOLDED)
    assert found.ways[0] == Size(seeds=4, folds=5, images=10_000)
    assert found.ways[-1].folds == 1
    assert found.ways[-1].images > 1000
    assert shown(3e-5, 0.0, 0.0).ways[0].folds == 5  # which all images are scored in already


def test_no_more_folds_are_told_than_a_plan_may_have() -> None:
    one = Size(seeds=4, folds=1, images=1000)
    found = shown(3e-5, 0.0, 3e-5, one)
    assert found.ways
    assert {size.folds for size in found.ways} == {1}


def test_ways_are_told_the_cheapest_first() -> None:
    found = shown(2e-6, 4e-6, 4e-6, Size(seeds=4, folds=1, images=1000), FOLDED)
    heads = [size.seeds * size.folds for size in found.ways[:-1]]
    assert heads == sorted(heads)
    assert found.ways[-1].images > 1000  # the dearest: they have to be found


def test_what_no_size_shows_has_no_way() -> None:
    blur = Blur(images=0.0, noise=0.0, heads=0.0, rest=POINT)
    assert not what_would_show(blur, CRITICAL, NOW, (), 0.04, 0.005).ways


def test_half_of_what_was_missed_is_asked_for_where_no_size_shows_what_matters() -> None:
    by_heads = Blur(images=POINT, noise=0.0, heads=1.0, rest=0.0)
    assert by_heads.at(NOW.model_copy(update={"seeds": MOST_SEEDS}), NOW) > 1e-4
    found = what_would_show(by_heads, CRITICAL, NOW, (), POWERED, 0.005)
    assert found.target == pytest.approx(POWERED / 2)
    assert [size.seeds for size in found.ways] == [4 * NOW.seeds + 1]


def test_a_smaller_effect_is_asked_for_where_one_that_matters_would_have_been_seen() -> None:
    for missed, target in ((0.03, 0.01), (0.007, 0.005), (0.004, 0.002)):
        blur = Blur(images=(missed / POWERED) ** 2, noise=0.0, heads=0.0, rest=0.0)
        found = what_would_show(blur, CRITICAL, NOW, (), missed, 0.005)
        assert found.target == target
        assert found.ways
    # a pair that was trained as long again tells more than the claim, whose strength was not
    known = Blur(images=1e-7, noise=0.0, heads=0.0, rest=0.0)
    assert not what_would_show(known, CRITICAL, NOW, (), 0.007, 0.005).ways


SHORTFALL = Shortfall(
    target=0.005,
    now=Size(seeds=5, folds=1, images=270),
    ways=(
        Size(seeds=12, folds=1, images=270),
        Size(seeds=5, folds=5, images=1520),
        Size(seeds=5, folds=1, images=800),
    ),
)
WORDS = (
    "It cannot be told whether augmentation helps: of rotation_range 10, known least "
    "of what may still help, a "
    "gain below 0.8 points was invisible here. "
    "What finds an effect of 0.5 points 4 times in 5, the cheapest way first: 12 seeds instead of "
    "5 (evaluation.confirm.seeds); or 5 folds instead of 1 (evaluation.folds); or about 800 scored "
    "images instead of 270."
)


def test_it_is_said_in_the_first_lines_wherever_the_answer_is() -> None:
    state = without_recommendation()
    assert state.evidence is not None
    assert state.evidence.answer is not None
    found = state.evidence.answer.model_copy(update={"shortfall": SHORTFALL})
    evidence = state.evidence.model_copy(update={"answer": found})
    view = SearchView(state.model_copy(update={"evidence": evidence}))
    assert answer(view) == WORDS
    assert describe(view).startswith(f"**{WORDS}**")
    summary = summarize(view)
    assert summary["answer"] == WORDS
    assert summary["shortfall"] == SHORTFALL.model_dump(mode="json")


def test_an_answer_that_is_known_lacks_nothing() -> None:
    assert summarize(SearchView(make_state()))["shortfall"] is None


def test_only_an_answer_that_cannot_tell_lacks_something() -> None:
    with pytest.raises(ValueError, match="the answer is none, and says what would show more"):
        Answer(kind="none", at_most=0.001, shortfall=SHORTFALL)
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Size(seeds=0, folds=5, images=10)
