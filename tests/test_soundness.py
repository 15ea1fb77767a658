"""What `verify` holds of a journal without training: cuts, limits, trials tried again, failures."""

from pathlib import Path

import pytest
from tampering import events_of, only, reseal, sealed_journal, where

from search.driver.run_reading import open_run, run_of
from search.journal.journal_file import Event, read
from search.journal.run_dir import read_predictions
from search.verification.consistency import unsound
from search.verification.verify import verify


def found_unsound(run_dir: Path, events: list[Event]) -> list[str]:
    (run_dir / "journal.jsonl").write_bytes(sealed_journal(events))
    return [
        f"{each.where}: {each.what}" for each in unsound(run_of(*read(run_dir / "journal.jsonl")))
    ]


def after_trial(events: list[Event], number: int) -> int:
    return 1 + next(n for n, e in enumerate(events) if e["type"] == "told" and e["trial"] == number)


def with_limit(events: list[Event], hours: float) -> None:
    events[0]["opened"]["config"]["search"]["max_hours"] = hours


def test_an_honest_journal_is_sound(copied: Path) -> None:
    assert found_unsound(copied, events_of(copied)) == []


def test_a_cut_needs_a_limit(copied: Path) -> None:
    events = events_of(copied)
    place = after_trial(events, 3)
    events.insert(place, {"type": "cut", "after": 2, "time": events[place]["time"]})
    assert found_unsound(copied, events) == [
        "cut: the search was cut for lack of time, and its config has no search.max_hours"
    ]


def test_a_cut_comes_when_the_time_is_over_and_where_it_says(copied: Path) -> None:
    events = events_of(copied)
    place = after_trial(events, 3)
    cut = {"type": "cut", "after": 2, "time": events[place]["time"]}
    events.insert(place, cut)
    with_limit(events, 2.0)
    (early,) = found_unsound(copied, events)
    assert early.startswith("cut: the search was cut after 0.0")
    assert early.endswith(" of 2 hours, when there was time for more")
    with_limit(events, 0.001)
    assert found_unsound(copied, events) == []
    cut["after"] = 1
    assert found_unsound(copied, events) == [
        "cut: it is said to come after 1 trials; 2 were asked for by then"
    ]
    cut["after"] = 2
    events.insert(place, cut)
    assert found_unsound(copied, events) == [
        "cut: the search was cut twice, and was given no more time between"
    ]


def lifted(events: list[Event], place: int, hours: tuple[float, float | None]) -> list[Event]:
    """Cut at `place`, then resumed with another limit."""
    time, asked = events[place]["time"], sum(event["type"] == "asked" for event in events[:place])
    with_limit(events, hours[0])
    later = [
        {"type": "cut", "after": 2, "time": time},
        {
            "type": "resumed",
            "changed": {"search.max_hours": list(hours)},
            "config_hash": "",
            "time": time,
        },
        {"type": "retried", "first": asked, "trials": [], "lifts_cut": True, "time": time},
    ]
    return [*events[:place], *later, *events[place:]]


@pytest.mark.parametrize("then", [1.0, None])
def test_a_cut_is_held_against_the_limit_of_its_own_sitting(
    copied: Path, then: float | None
) -> None:
    events = events_of(copied)
    place = after_trial(events, 3)
    assert found_unsound(copied, lifted(events, place, (0.001, then))) == []
    assert found_unsound(copied, lifted(events, place, (2.0, then)))[0].endswith("time for more")


def test_a_cut_is_lifted_by_more_time_alone_and_may_come_again(copied: Path) -> None:
    events = events_of(copied)
    place = after_trial(events, 3)
    again = lifted(events, place, (0.001, 0.002))
    again.insert(place + 3, {**again[place], "time": again[place]["time"] + 1})
    assert found_unsound(copied, again) == []
    assert found_unsound(copied, lifted(events, place, (0.001, 0.001)))[0].startswith(
        "cut: the search went on after its cut with a limit of 0.001 hours"
    )


def test_a_trial_tried_again_is_asked_for_and_told_once_more(copied: Path) -> None:
    """No two of the events that stand ask for or tell one trial; those that were withdrawn do not
    stand."""
    events = events_of(copied)
    place = after_trial(events, 3)
    asked = next(
        n for n, e in enumerate(events) if e["type"] == "asked" and e["record"]["trial"] == 3
    )
    retried = {"type": "retried", "first": 3, "trials": [3], "time": events[place]["time"]}
    assert found_unsound(copied, [*events[:place], retried, *events[asked:]]) == []
    twice = found_unsound(copied, [*events[:place], *events[asked:]])
    assert "trial 3: it is asked for twice in the journal" in twice
    assert "trial 3: it has two answers in the journal" in twice


@pytest.mark.parametrize(
    ("kept", "what"),
    [
        ("predictions_file", "it is said to have failed and has predictions"),
        ("effect", "it is said to have failed and has an effect"),
        ("score", "it is said to have failed and has score"),
        ("curve", "it is said to have failed and has curve"),
        ("", "it is said to have failed, and nothing says of what"),
    ],
)
def test_a_failure_measured_nothing_and_has_a_reason(copied: Path, kept: str, what: str) -> None:
    events = events_of(copied)
    told = only(events, "told", trial=3)
    result = {"status": "failed"} | ({"error": "it did not go"} if kept else {})
    told["result"] = result | ({kept: told["result"][kept]} if kept in told["result"] else {})
    told |= {
        name: None for name in ("predictions_file", "predictions_sha256", "effect") if name != kept
    }
    assert found_unsound(copied, events) == [f"trial 3: {what}"]


@pytest.mark.parametrize(("num_lost", "is_sound"), [(1, True), (0, False)])
def test_a_failure_tells_its_networks_where_they_did_not_train(
    copied: Path, num_lost: int, is_sound: bool
) -> None:
    events = events_of(copied)
    told = only(events, "told", trial=3)
    lost = [{"head": 0, "why": "chance", "epoch": 4}][:num_lost]
    told["result"] = {"status": "failed", "error": "it did not go", "num_heads": 2, "lost": lost}
    told |= dict.fromkeys(("predictions_file", "predictions_sha256", "effect"))
    said = [] if is_sound else ["trial 3: it is said to have failed and has num_heads"]
    assert found_unsound(copied, events) == said


def test_nothing_is_asked_for_or_answered_twice_but_what_failed(copied: Path) -> None:
    events = events_of(copied)
    asked = next(e for e in events if e["type"] == "asked" and e["record"]["trial"] == 3)
    told = only(events, "told", trial=3)
    failed = {**told, "result": {"status": "failed", "error": "out of memory"}}
    assert found_unsound(copied, [*events[:-1], events[-1]]) == []
    place = after_trial(events, 3) - 1
    assert found_unsound(copied, [*events[:place], failed, *events[place:]]) == []
    assert found_unsound(copied, [*events, asked, told]) == [
        "trial 3: it is asked for twice in the journal",
        "trial 3: it has two answers in the journal",
    ]


def test_what_is_said_of_the_config_follows_from_it(copied: Path) -> None:
    events = events_of(copied)
    opened = events[0]["opened"]
    opened["fixed"]["learning_rate"], opened["name"], opened["environment"]["precision"] = (
        0.5,
        "x",
        "bfloat16",
    )
    assert [each.partition(": ")[0] for each in found_unsound(copied, events)] == [
        *("fixed", "name", "environment")
    ]


def test_images_in_no_groups_have_no_number_of_independent_ones(copied: Path) -> None:
    events = events_of(copied)
    record = open_run(copied).state.records[1]
    told = only(events, "told", trial=1)["result"]
    told["num_independent"] = float(len(read_predictions(record, copied).images))
    reseal(copied, events)
    assert "trial 1: num_independent" in where(verify(copied, trial=0))
