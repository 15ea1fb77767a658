"""The sentences of the report page: the facts on top, what is missing and why, what stands beside
the figures. Made from the state alone and knowing no HTML. Tables are in `tables`, the answer
itself in `wording`.
"""

from search.experiment.trial import setting_key
from search.journal.state import SearchState
from search.report.budgets import heads_cut
from search.report.leaderboard import KINDS, accuracy_interval
from search.report.wording import (
    amount_text,
    chosen_record,
    confirmation_asked,
    effect_text,
    percent_text,
    record_of,
    seconds_text,
    settings_of,
    unit_of,
)

MOST_NAMED = 10


def facts(state: SearchState) -> list[tuple[str, str]]:
    """The few figures under the answer, each with its interval where it is a measurement."""
    found = []
    baseline = state.baseline("confirm") or state.baseline()
    interval = (
        accuracy_interval(baseline, state.opened.dataset) if baseline and state.opened else None
    )
    if interval and baseline and baseline.result:
        accuracy = baseline.result.metrics["accuracy"]
        found.append(("accuracy without augmentation", percent_text(accuracy, interval)))
    if state.test and state.test.effect:
        found.append(("on the sealed test set", effect_text(state.test.effect, unit_of(state))))
    found.append(("settings tried", f"{_num_settings(state):,}"))
    if state.opened:
        counts = state.opened.dataset.counts.values()
        found.append(
            (
                "images, classes",
                f"{sum(map(sum, counts)):,}, {len(state.opened.dataset.class_names)}",
            )
        )
    found.append(("time", seconds_text(state.wall_seconds)))
    return found


def _num_settings(state: SearchState) -> int:
    """A setting that was promoted is a trial on each rung."""
    trials = (record for record in state.of_kind("trial") if record.status == "completed")
    return len({setting_key(record.spec.settings) for record in trials})


def notices(state: SearchState) -> list[str]:
    """What a reader must know before trusting the page: what failed, what was stopped, what is not
    there."""
    return [*_unfinished(state), *_untrusted(state)]


def _unfinished(state: SearchState) -> list[str]:
    said = []
    evidence = state.evidence
    if state.stopped and state.finished_at is None:
        what = "could not go on" if state.has_failed else "was stopped"
        said.append(
            f"This search {what} ({state.stopped}) and can be resumed; the page shows what it knew "
            "then."
        )
    elif state.finished_at is None:
        said.append("This search has not ended; the page shows what it knows so far.")
    if state.cut_after is not None:
        said.append(
            f"The time ran out (search.max_hours) when {_count(state.cut_after, 'trial')} had been "
            "begun."
        )
    if not (evidence and evidence.confirmed):
        off = "it was switched off (evaluation.confirm: null)"
        why = "no trial got so far" if confirmation_asked(state) else off
        said.append(f"Nothing here is confirmed on {fresh_text(state)}: {why}.")
    return said


def _untrusted(state: SearchState) -> list[str]:
    said = []
    evidence = state.evidence
    if evidence and evidence.confirmed and evidence.best_is_below_floor:
        best = record_of(state, evidence.best_trial)
        gains = best is not None and best.effect is not None and best.effect.delta > 0
        said.append(
            "The best trial of the search phase stands below the null floor: luck alone often "
            "shows as much."
            if gains
            else "No trial of the search phase was better than no augmentation."
        )
    failed = sum(record.status == "failed" for record in state.records)
    if failed:
        said.append(
            f"{_count(failed, 'trial')} failed and count in no figure; the reasons stand below the "
            "trials."
        )
    hashes = {
        r.trial: r.result.validation_hash
        for r in state.records
        if r.result and r.result.validation_hash
    }
    touched = [trial for trial, (before, after) in hashes.items() if before != after]
    if touched:
        said.append(
            f"The validation images changed during trials {_list(touched)}: do not trust their "
            "scores."
        )
    if state.test and state.test.looks > 1:
        said.append(
            f"The test set was opened {state.test.looks} times; only the first look was unbiased."
        )
    return said


def how_to_read(state: SearchState) -> str:
    unit = unit_of(state)
    return (
        f"Effects are paired differences of {unit.of} against no augmentation, image by image, "
        f"in {unit.name} ({unit.meaning}); the range in brackets is the 95 % interval."
    )


def no_verdicts(state: SearchState) -> str | None:
    evidence = state.evidence
    if evidence and evidence.verdicts:
        return None
    config = state.opened.config.get("evaluation") or {} if state.opened else {}
    if state.finished_at is not None and config.get("ablation") is False:
        return (
            "There is no verdict an augmentation: ablation was switched off (evaluation.ablation: "
            "false)."
        )
    if evidence and evidence.confirmed:
        return "There is no verdict an augmentation yet: the ablation has not been run."
    return "There are no verdicts: they need a confirmed search."


def sheet_text(state: SearchState) -> str:
    chosen = chosen_record(state)
    best = chosen or (record_of(state, state.evidence.best_trial) if state.evidence else None)
    settings = settings_of(best) if best else "the search"
    who = "recommended setting" if chosen else "best trial, not a recommendation"
    return f"Images of the data: clean on the left, then samples of the {who}: {settings}."


def floor_text(state: SearchState) -> str:
    evidence, unit = state.evidence, unit_of(state)
    if evidence is None or evidence.null_floor is None:
        return "The null floor is measured when the search phase has ended."
    best = record_of(state, evidence.best_trial)
    count = _num_settings(state)
    floor = amount_text(evidence.null_floor, unit, signed=False)
    text = (
        f"If none of the {count:,} settings tried differed from no augmentation, the best of them "
        "would still show "
        f"up to {floor} {unit.name} in 95 of 100 searches: that is the null floor."
    )
    if best is None:
        return text
    where = "below" if evidence.best_is_below_floor else "above"
    return (
        f"{text} The best trial, #{best.trial}, shows {effect_text(best.effect, unit)} and stands "
        f"{where} it."
    )


def fresh_text(state: SearchState) -> str:
    """What confirmation draws anew: with one fold the images scored are always the validation
    split's."""
    config = (state.opened.config.get("evaluation") or {}) if state.opened else {}
    return "fresh seeds and views" if config.get("folds") == 1 else "fresh seeds, folds and views"


def stopping_lines(state: SearchState) -> list[str]:
    lines = []
    evidence, unit = state.evidence, unit_of(state)
    if evidence and evidence.optimism is not None:
        much = amount_text(evidence.optimism, unit, signed=False)
        lines.append(
            "Each head's epoch is chosen on other images than those it is scored on. Chosen on the "
            "same "
            f"images, as scripts do, the scores would have looked {much} {unit.name} better on "
            "average."
        )
    cut = [r.trial for r in state.of_kind(*KINDS) if r.trained is not None and heads_cut(r)]
    if cut:
        lines.append(
            f"Heads of {_count(len(cut), 'trial')} were still improving at max_epochs: "
            f"{_list(cut)}."
        )
    return lines


def test_lines(state: SearchState) -> list[str]:
    test = state.test
    if test is None:
        config = (state.opened.config.get("evaluation") or {}) if state.opened else {}
        if config.get("test") is False:
            return ["The test set stayed sealed: it was switched off (evaluation.test: false)."]
        sizes = state.opened.dataset.counts.get("test", ()) if state.opened else ()
        return [
            "The test set has not been opened." if sum(sizes) else "The data has no test images."
        ]
    opened = "once" if test.looks == 1 else f"{test.looks} times"
    lines = [
        f"{test.num_images:,} images, opened {opened}, by models trained on training and "
        "validation images."
    ]
    if test.effect:
        lines.append(
            f"Effect of the recommended setting: {effect_text(test.effect, unit_of(state))}."
        )
    else:
        lines.append("No augmentation is recommended, so there is nothing to compare it with.")
    return lines


def test_score_rows(state: SearchState) -> list[tuple[str, ...]]:
    if state.test is None:
        return []
    chosen = chosen_record(state)
    named = [(state.test.none.label, state.test.none)]
    if state.test.chosen:
        settings = settings_of(chosen) if chosen else state.test.chosen.label
        named.append((settings, state.test.chosen))
    return [
        (n, percent_text(s.metrics["accuracy"], s.accuracy_ci))
        for n, s in named
        if "accuracy" in s.metrics
    ]


def leak_text(state: SearchState) -> str | None:
    """What the demonstration of `--demo-leak` showed, where it was run."""
    if state.leak is None:
        return None
    agreement = (
        ""
        if state.leak.rho is None
        else f" The rank correlation of the two is {state.leak.rho:.2f}."
    )
    return (
        "The same settings, scored as they should be, on clean images, and by the mistake of many "
        "scripts, on validation "
        "images that are augmented too. The second column is shown on purpose and used "
        f"nowhere.{agreement}"
    )


def data_lines(state: SearchState) -> list[str]:
    if state.opened is None:
        return []
    dataset = state.opened.dataset
    lines = [f"Images are seen by the model at {dataset.image_size} x {dataset.image_size} pixels."]
    said = dataset.notes.lines()
    return (
        [*lines, *(f"{line}." for line in said)]
        if said
        else [*lines, "Nothing was converted or left out."]
    )


def cost_text(state: SearchState) -> str:
    cost, named = state.cost, {"control": "controls", "trial": "trials", "confirm": "confirmation"}
    kinds = dict.fromkeys(named.get(r.kind, r.kind) for r in state.records if r.trained is not None)
    what = f" ({', '.join(kinds)})" if kinds else ""
    repeats = sum(record.duplicate_of is not None for record in state.records)
    again = f" {_count(repeats, 'trial')} repeated another and cost nothing." if repeats else ""
    return (
        f"{seconds_text(state.wall_seconds)} for "
        f"{_count(cost.trainings, 'training')}{what}.{again} "
        f"{cost.images:,} images went through the backbone, and {cost.heads:,} heads were trained."
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _list(trials: list[int]) -> str:
    rest = f" and {len(trials) - MOST_NAMED} more" if len(trials) > MOST_NAMED else ""
    return ", ".join(f"#{trial}" for trial in trials[:MOST_NAMED]) + rest
