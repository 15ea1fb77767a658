"""One answer: verdicts follow from intervals, the answer from the verdicts, and none contradicts
another."""

import numpy as np
import pytest
from states import make_state

from search.evidence.answer import answer_of, least_known
from search.evidence.claim_table import (
    AugmentationClaims,
    Claims,
    CurvePoint,
    Estimate,
    WholeClaim,
    candidates,
    disagree,
    word_of,
)
from search.evidence.findings import Evidence, TakenLook
from search.evidence.looks import Settled
from search.report.answer_text import beside_answer
from search.report.view import SearchView


def estimate(low: float, high: float) -> Estimate:
    return Estimate(
        effect=(low + high) / 2, error=(high - low) / 6, ci=(low, high), detectable=high - low
    )


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.001, 0.02, "HELPS"),
        (0.001, 0.004, "HELPS"),  # it clears zero, however little it is
        (-0.03, -0.001, "HURTS"),
        (-0.005, 0.005, "NEGLIGIBLE"),
        (0.0, 0.02, "NO EVIDENCE"),
        (-0.006, 0.004, "NO EVIDENCE"),
    ],
)
def test_a_verdict_follows_from_its_interval(low: float, high: float, word: str) -> None:
    assert word_of(estimate(low, high), 0.005) == word


def test_what_was_not_tried_is_said_not_to_be() -> None:
    assert word_of(None, 0.005) == "NOT TRIED"


def _random_estimate(rng: np.random.Generator) -> Estimate | None:
    if rng.random() < 0.15:
        return None
    size = 10 ** rng.uniform(-4, -1)
    low, high = sorted(rng.normal(0, size, 2))
    return estimate(float(low), float(high))


def random_claims(rng: np.random.Generator) -> Claims:
    """A table as a search might leave it, or worse."""
    augmentations = []
    for name in ("rotation_range", "zoom_range", "horizontal_flip")[: rng.integers(4)]:
        curve = [(float(place), _random_estimate(rng)) for place in range(1, 4)]
        points = [CurvePoint(value=value, measured=each) for value, each in curve if each]
        nothing = CurvePoint(value=0.0, measured=estimate(0.0, 0.0))
        at = points[rng.integers(len(points))] if points else None
        augmentations.append(
            AugmentationClaims(
                name=name,
                strength=at.value if at else None,
                is_trained=bool(rng.random() < 0.5),
                alone=at.measured if at else None,
                with_recommended=_random_estimate(rng) if at else None,
                strengths=None,
                curve=(nothing, *points) if at else (),
            )
        )
    names = [each.name for each in augmentations if rng.random() < 0.5]
    both = {"zoom_range": 9.0, **dict.fromkeys(names, 7.0)}
    wholes = [
        WholeClaim(label="recommended", settings=both, measured=_random_estimate(rng)),
        WholeClaim(label="TrivialAugment", settings={}, measured=_random_estimate(rng)),
    ][: rng.integers(3)]
    return Claims(
        augmentations=tuple(augmentations),
        wholes=tuple(wholes),
        recommended="recommended" if wholes else None,
        critical=3.0,
    )


def test_no_answer_contradicts_its_table() -> None:
    kinds = set()
    for number in range(10_000):
        claims = random_claims(np.random.default_rng(number))
        answer = answer_of(claims)
        kinds.add(answer.kind)
        words = {each.label: word_of(each.measured, 0.005) for each in candidates(claims)}
        assert (answer.kind == "use") == ("HELPS" in words.values())
        if answer.kind == "use":
            assert answer.label is not None
            assert words[answer.label] == "HELPS"
            assert answer.gain is not None
            assert answer.gain.ci[0] > 0
            helping = {n for n, word in claims.verdicts().items() if word == "HELPS"}
            assert helping - set(answer.settings) == set(answer.left_out)
            trained = {e.name for e in claims.augmentations if e.is_trained}
            is_read_off = answer.is_alone and not trained & set(answer.settings)
            assert not (is_read_off and trained & helping)
        if answer.kind == "none":
            assert answer.at_most is not None
            tops = [each.measured.ci[1] for each in candidates(claims) if each.measured]
            tops += [p.measured.ci[1] for each in claims.augmentations for p in each.curve]
            assert max(tops) <= max(answer.at_most, 0.0) <= claims.negligible
        if answer.kind == "cannot_tell":
            opened = [each.most_open for each in claims.augmentations]
            tops = [e.measured.ci[1] for e in [*opened, *claims.wholes] if e and e.measured]
            assert max(tops, default=1.0) > claims.negligible
            assert (answer.detectable is None) == (set(words.values()) <= {"NOT TRIED"})
    assert kinds == {"use", "none", "cannot_tell"}


def test_two_estimates_of_one_setting_are_refused() -> None:
    alone = AugmentationClaims(
        name="zoom_range",
        strength=0.1,
        alone=estimate(0.01, 0.02),
        with_recommended=None,
        strengths=None,
    )
    whole = WholeClaim(
        label="recommended", settings={"zoom_range": 0.1}, measured=estimate(-0.01, 0.01)
    )
    with pytest.raises(ValueError, match="two estimates"):
        Claims(augmentations=(alone,), wholes=(whole,), recommended=None, critical=3.0)


def test_an_augmentation_that_helps_and_is_left_out_is_explained_by_what_it_adds() -> None:
    alone = AugmentationClaims(
        name="zoom_range",
        strength=0.1,
        alone=estimate(0.01, 0.02),
        with_recommended=estimate(-0.02, -0.01),
        strengths=None,
    )
    whole = WholeClaim(
        label="recommended", settings={"rotation_range": 10}, measured=estimate(0.02, 0.03)
    )
    answer = answer_of(
        Claims(augmentations=(alone,), wholes=(whole,), recommended="recommended", critical=3.0)
    )
    assert answer.label == "recommended"
    assert answer.left_out == {"zoom_range": "HURTS"}


def test_what_a_control_sets_itself_is_not_left_out() -> None:
    helping = [
        AugmentationClaims(
            name=name,
            strength=1.0,
            alone=estimate(0.001, 0.01),
            with_recommended=None,
            strengths=None,
        )
        for name in ("rotation_range", "zoom_range")
    ]
    course = WholeClaim(
        label="course settings",
        settings={},
        sets=("rotation_range", "shear_range"),
        measured=estimate(0.02, 0.03),
    )
    answer = answer_of(
        Claims(augmentations=tuple(helping), wholes=(course,), recommended=None, critical=3.0)
    )
    assert answer.label == "course settings"
    assert answer.left_out == {"zoom_range": "NOT TRIED"}


def test_a_search_that_cannot_tell_speaks_of_what_was_searched_before_controls() -> None:
    whole = WholeClaim(
        label="setting 3", settings={"zoom_range": 0.1}, measured=estimate(-0.02, 0.02)
    )
    control = WholeClaim(label="TrivialAugment", settings={}, measured=estimate(-0.03, 0.03))
    claims = Claims(augmentations=(), wholes=(whole, control), recommended=None, critical=3.0)
    assert answer_of(claims).detectable == pytest.approx(0.04)
    assert least_known(claims) == whole


def test_what_helps_is_not_what_could_not_be_seen() -> None:
    wide, narrow = estimate(0.01, 0.05), estimate(-0.01, 0.01)
    helps = WholeClaim(label="setting 3", settings={"crop_range": 0.5}, measured=wide)
    open_ = WholeClaim(label="setting 4", settings={"zoom_range": 0.1}, measured=narrow)
    claims = Claims(augmentations=(), wholes=(helps, open_), recommended=None, critical=3.0)
    assert least_known(claims) == open_
    assert answer_of(claims).detectable == pytest.approx(0.02)


def test_a_test_set_that_says_something_else_is_noticed() -> None:
    assert disagree(estimate(0.2, 0.4), estimate(-0.03, 0.03))
    assert not disagree(estimate(0.0, 0.03), estimate(-0.03, 0.03))


def early_and_late() -> tuple[Claims, Evidence]:
    """One augmentation settled early by a wide interval; another, and both together, known at the
    end."""
    rows = [("rotation_range", 10, (0.007, 0.117)), ("zoom_range", 0.1, (0.010, 0.040))]
    alone = [
        AugmentationClaims(
            name=name,
            strength=value,
            alone=estimate(*ends),
            with_recommended=estimate(0.003, 0.027),
            strengths=None,
        )
        for name, value, ends in rows
    ]
    both = {"rotation_range": 10, "zoom_range": 0.1}
    whole = WholeClaim(label="expected best", settings=both, measured=estimate(0.039, 0.071))
    look = TakenLook(
        after=8, level=0.995, is_taken=True, settled=Settled(augmentations=(alone[0],))
    )
    claims = Claims(
        augmentations=tuple(alone), wholes=(whole,), recommended="expected best", critical=3.0
    )
    return claims, Evidence(looks=(look,))


def test_an_early_interval_that_is_wide_does_not_outdo_a_later_one() -> None:
    claims, evidence = early_and_late()
    assert answer_of(claims).label == "rotation_range alone"
    found = answer_of(claims, evidence.early)
    assert (found.label, found.left_out) == ("expected best", {})


def test_what_shows_more_than_what_is_used_is_told_of() -> None:
    claims, evidence = early_and_late()
    state = make_state()
    assert state.evidence is not None
    found = answer_of(claims, evidence.early)
    told = state.evidence.model_copy(update={"claims": claims, "answer": found})
    lines = beside_answer(SearchView(state.model_copy(update={"evidence": told})))
    more = "More is shown of rotation_range alone, +6.2 points (0.7 to 11.7), but known less well."
    assert more in lines


def test_it_is_said_of_both_together_where_they_were_tried_whole() -> None:
    claims, _ = early_and_late()
    state = make_state()
    assert state.evidence is not None
    told = state.evidence.model_copy(update={"claims": claims, "answer": answer_of(claims)})
    lines = beside_answer(SearchView(state.model_copy(update={"evidence": told})))
    (line,) = (each for each in lines if "is left out" in each)
    assert line.endswith("both together are not shown to gain more, +5.5 points (3.9 to 7.1).")
    assert "was not part of what was tried whole" not in line
