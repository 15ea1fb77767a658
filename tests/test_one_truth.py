"""Of 2500 made-up searches, none whose page, summary, tracker or export says two things.
AUGSEARCH_FUZZ_EXAMPLES=20000, as `make torture` has it, makes that 50,000."""

import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from states import ALONE, COURSE, TRIALS, make_state, with_claims

from search.commands.single_run import policy_of
from search.evidence.claim_table import (
    AugmentationClaims,
    Claims,
    CurvePoint,
    Estimate,
    StrengthRange,
    WholeClaim,
)
from search.journal.state import SearchState
from search.report.answer_text import answer, beside_answer
from search.report.figures_effects import forest_text
from search.report.summary import summarize, winner_of
from search.report.tables import verdict_table, whole_table
from search.report.view import SearchView
from search.report.wording import estimate_text, settings_text
from search.tracking.search_run import search_row

NUM_SEARCHES = int(os.environ.get("AUGSEARCH_FUZZ_EXAMPLES", "1000")) * 5 // 2
MOST_SHOWN = 300  # whose rows are compared too
NOTHING = Estimate(effect=0.0, error=0.0, ci=(0.0, 0.0), detectable=0.0)
SETTINGS = {"setting 3": TRIALS[0], "setting 5": TRIALS[2], "setting 7": TRIALS[4]}
CONTROLS: dict[str, dict[str, Any]] = {
    "course": COURSE,
    "TrivialAugment": {"policy": "trivial_augment_wide"},
}


def searches(count: int, seed: int) -> Iterator[SearchState]:
    """Finished ones of every scale of effect and error, so that all answers occur."""
    rng, state = np.random.default_rng(seed), make_state()
    assert state.evidence is not None
    for _ in range(count):
        evidence = with_claims(state.evidence, claims_at_random(rng))
        yield state.model_copy(update={"evidence": evidence})


def claims_at_random(rng: np.random.Generator) -> Claims:
    spread, error = 10 ** rng.uniform(-4, -1.3), 10 ** rng.uniform(-3.7, -1.7)

    def estimate() -> Estimate:
        effect, own = rng.normal(rng.choice([-1, 0, 1]) * spread, spread), error * rng.uniform(1, 2)
        ends = (effect - 2.9 * own, effect + 2.9 * own)
        return Estimate(effect=effect, error=own, ci=ends, detectable=3.74 * own)

    recommended = (*SETTINGS, None)[rng.choice(4, p=[0.5, 0.15, 0.1, 0.25])]
    labels = [label for label in SETTINGS if label == recommended or rng.random() < 0.5]
    wholes = [
        WholeClaim(
            label=label,
            settings=SETTINGS.get(label, {}),
            measured=estimate(),
            sets=tuple(CONTROLS.get(label, ())),
        )
        for label in (*labels, *(name for name in CONTROLS if rng.random() < 0.7))
    ]
    augmentations = [
        _augmentation(name, [NOTHING, *(estimate() for _ in ALONE[name][0][1:])], rng)
        if rng.random() < 0.9
        else AugmentationClaims(
            name=name, strength=None, alone=None, with_recommended=None, strengths=None
        )
        for name in ALONE
    ]
    if recommended is not None:
        augmentations = [
            each.model_copy(update={"with_recommended": estimate()}) if each.alone else each
            for each in augmentations
        ]
    return Claims(
        augmentations=tuple(augmentations),
        wholes=tuple(wholes),
        recommended=recommended,
        critical=2.9,
    )


def _augmentation(name: str, curve: list[Estimate], rng: np.random.Generator) -> AugmentationClaims:
    values = ALONE[name][0]
    at, ends = int(rng.integers(1, len(values))), sorted(rng.integers(0, len(values), 2))
    points = zip(values, curve, strict=True)
    return AugmentationClaims(
        name=name,
        strength=values[at],
        alone=curve[at],
        with_recommended=None,
        strengths=StrengthRange(
            first=values[ends[0]], last=values[ends[1]], at_edge=bool(rng.random() < 0.2)
        ),
        curve=tuple(CurvePoint(value=value, measured=found) for value, found in points),
    )


def rows_of(table: Any) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def check_answer(view: SearchView) -> str:
    """The first line, what is exported, kept and counted, and the table agree. Gives the kind."""
    claims, found, summary = view.claims, view.answer, summarize(view)
    assert claims is not None
    assert found is not None
    winner, text, judged = winner_of(view), answer(view), view.augmentations
    assert winner is not None
    exported = policy_of(view.state).augmentation
    assert exported == winner["augmentation"] == summary["policy"]["settings"] == view.used
    tried = [(each.verdict, each.measured) for each in judged]
    tried += [(each.verdict, each.measured) for each in view.wholes]
    helping = [measured.effect for word, measured in tried if word == "HELPS" and measured]
    is_use = text.startswith("Use ") and not text.startswith("Use no augmentation")
    assert (found.kind == "use") == is_use == bool(exported) == bool(helping)
    assert summary["answer_kind"] == found.kind
    assert summary["answer"] == text
    assert summary["detectable"] == found.detectable
    if is_use:
        assert found.gain is not None
        assert found.gain.effect == max(helping) == summary["policy"]["effect"]
        assert summary["policy"]["verdict"] == "HELPS"
        assert estimate_text(found.gain, view.unit) in text
        said = text.removeprefix("Use ").split(":")[0]
        assert said in (found.label, settings_text(exported, 64))
    elif found.kind == "none":
        assert text.startswith("Use no augmentation")
        assert all(measured.ci[1] <= claims.negligible for _, measured in tried if measured)
    else:
        assert text.startswith("It cannot be told")
    return found.kind


def check_rows(view: SearchView) -> None:
    """One verdict per augmentation, by its interval, wherever it is shown."""
    summary, row = summarize(view), search_row(view)
    table, kind = rows_of(verdict_table(view)), summary["answer_kind"]
    for judged in view.augmentations:
        told = {
            judged.verdict,
            table[judged.name][0],
            summary["verdicts"][judged.name]["verdict"],
            summary["augmentations"][judged.name]["verdict"],
            row.tags[f"verdict.{judged.name}"],
        }
        assert told == {by_interval(summary["verdicts"][judged.name]["ci"])}
        assert f"{judged.name}: {judged.verdict}" in forest_text(view)
        assert ("4 times in 5" in table[judged.name][-1]) == (judged.verdict == "NO EVIDENCE")
    assert row.tags["answer"] == kind
    assert row.tags["recommended"] == view.recommended
    if view.policy:
        assert (row.tags["verdict"] == "HELPS") == (kind == "use")
    used = [cells for cells in rows_of(whole_table(view)).values() if "recommended" in cells[0]]
    assert len(used) <= (kind == "use")
    assert all(cells[0].startswith("HELPS") for cells in used)


def check_left_out(view: SearchView) -> None:
    helping = {each.name for each in view.augmentations if each.verdict == "HELPS"}
    told = {
        found[1] for line in beside_answer(view) if (found := re.match(r"(\w+) HELPS alone", line))
    }
    assert view.answer is not None
    assert told == helping - set(view.used or {})


def by_interval(ci: list[float] | None) -> str:
    if ci is None:
        return "NOT TRIED"
    if ci[0] > 0 or ci[1] < 0:
        return "HELPS" if ci[0] > 0 else "HURTS"
    return "NEGLIGIBLE" if max(map(abs, ci)) <= 0.005 else "NO EVIDENCE"


@pytest.mark.parametrize("seed", range(4))
def test_no_search_says_two_things(seed: int) -> None:
    kinds = []
    for number, state in enumerate(searches(NUM_SEARCHES // 4, seed)):
        view = SearchView(state)
        kinds.append(check_answer(view))
        check_left_out(view)
        if number < MOST_SHOWN // 4:
            check_rows(view)
    assert min(map(kinds.count, ("use", "none", "cannot_tell"))) > len(kinds) / 50
