"""Whether the events of a journal are those of one search: in order, speaking of trials that were
asked and of names that exist, and saying the same wherever the journal says a thing twice. Each
event's own types were checked before (`run_reading`).
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.dataset import SPLIT_NAMES
from data.errors import UserError
from data.messages import escaped
from search.driver.conclusion_checks import check_evidence, check_leak, check_test
from search.driver.experiment_file import parse_config
from search.driver.order_checks import SittingOrder
from search.driver.prepare import backbones_of
from search.driver.shared_checks import LARGEST_COUNT, MOST_SCORED, SearchSoFar, need
from search.driver.trial_checks import check_asked, check_retried, check_told, spelled
from search.experiment.config import ExperimentConfig, by_place, may_change
from search.experiment.config_changes import changed, differences
from search.experiment.precisions import PRECISIONS
from search.journal.events import LATEST, Opened, Resumed
from search.journal.journal_file import Event, JournalError
from search.journal.state import place_of, replay

MOST_CONFIG_BYTES = 1 << 17
MOST_CLASSES = 10_000


def check_events(events: Sequence[Event], most_of_type: Mapping[str, int]) -> None:
    """Whether the events follow one another as those of one search do, and speak of one search.
    most_of_type: how many events of a type are gone through. Raises JournalError."""
    counts = Counter(event["type"] for event in events)
    for kind, most in most_of_type.items():
        if counts[kind] > most:
            raise JournalError(
                f"the journal holds {counts[kind]} `{kind}` events; at most {most} are read"
            )
    _check_repeats(events)
    so_far, order = SearchSoFar(), SittingOrder()
    for number, event in enumerate(events):
        if (event["type"] == "opened") != (number == 0):
            raise JournalError(
                f"{place_of(event)}: a journal begins with `opened`, and has it once"
            )
        try:
            if (check := _CHECKS.get(event["type"])) is not None:
                check(so_far, event)
            order.check(event, so_far)
        except UserError as error:
            raise JournalError(
                f"{place_of(event)}: {' '.join(escaped(str(error)).split())[:400]}"
            ) from error


def _check_repeats(events: Sequence[Event]) -> None:
    """A search concludes nothing twice, and goes on from its end only in another sitting."""
    concluded: set[str] = set()
    is_over = False
    for event in events:
        kind = event["type"]
        if kind in ("evidence", "test", "leak"):
            said = json.dumps(event["evidence"], sort_keys=True) if kind == "evidence" else kind
            if said in concluded:
                raise JournalError(f"{place_of(event)}: it was concluded before")
            concluded.add(said)
        elif kind == "retried":
            concluded.clear()
        if is_over and kind not in ("shown", "resumed"):
            raise JournalError(f"{place_of(event)}: the search had finished")
        is_over = kind == "finished" or (is_over and kind == "shown")


def _check_opened(so_far: SearchSoFar, event: Event) -> None:
    opened = replay([event]).opened
    assert opened is not None
    need(
        len(json.dumps(opened.config)) <= MOST_CONFIG_BYTES,
        f"its config has more than {MOST_CONFIG_BYTES} bytes",
    )
    so_far.opened, so_far.config = opened, parse_config(opened.config, "the journaled config")
    so_far.space, so_far.backbones = so_far.config.space, backbones_of(so_far.config)
    need(
        opened.config_hash == so_far.config.hash,
        f"config_hash is {opened.config_hash!r}, and {so_far.config.hash!r} is its config's, which "
        "was changed or written by another version",
    )
    other = ", ".join(differences(opened.config, so_far.config.filled))[:80]
    need(not other, f"its config is not spelled as a search spells it: {other}")
    need(
        opened.name == so_far.config.name,
        f"name is {opened.name!r}, and {so_far.config.name!r} in its config",
    )
    fixed = so_far.space.fixed_by_name
    need(
        spelled(opened.space) == spelled(so_far.space.as_json()), "space is not that of its config"
    )
    strange = [
        name
        for name, value in opened.fixed.items()
        if name not in fixed or spelled(value) != spelled(fixed[name])
    ]
    need(not strange, f"fixed is not that of its config: {', '.join(strange[:3])}")
    _check_summary(opened, so_far.config)
    _check_environment(opened.environment)


def _check_summary(opened: Opened, config: ExperimentConfig) -> None:
    summary = opened.dataset
    num_classes = len(summary.class_names)
    need(
        0 <= opened.earlier_looks <= LARGEST_COUNT and 0 <= opened.started_at <= LATEST,
        "started_at or earlier_looks is no such number",
    )
    need(
        1 <= num_classes <= MOST_CLASSES and len(set(summary.class_names)) == num_classes,
        "class_names are not names of classes",
    )
    need(set(summary.counts) == set(SPLIT_NAMES), f"counts are not of {', '.join(SPLIT_NAMES)}")
    counts = [count for split in summary.counts.values() for count in split]
    need(
        all(len(split) == num_classes for split in summary.counts.values()),
        "counts are not one per class",
    )
    need(min(counts) >= 0 and 0 < sum(counts) <= MOST_SCORED, "counts are not numbers of images")
    need(summary.image_size == config.dataset.image_size, "image_size is not that of its config")


def _check_environment(environment: dict[str, Any]) -> None:
    for name in ("packages", "weights"):
        table = environment.get(name, {})
        need(
            isinstance(table, dict) and all(isinstance(each, str) for each in table.values()),
            f"environment.{name} is no table of texts",
        )
    allowed = tuple(PRECISIONS)
    need(
        environment.get("precision", allowed[0]) in allowed,
        f"environment.precision; allowed: {', '.join(allowed)}",
    )


def _check_resumed(so_far: SearchSoFar, event: Event) -> None:
    """What a later sitting changed is of what may change, and gives a config again."""
    resumed = Resumed.model_validate(event)
    barred = [key for key in resumed.changed if not may_change(key)]
    need(not barred, f"it changes {', '.join(barred[:3])}, which makes another search")
    if not resumed.changed:
        need(not resumed.config_hash, "it has a config_hash, and changes nothing")
        return
    for key, (then, now) in resumed.changed.items():
        before = dict(by_place(so_far.config.filled)).get(key)
        need(
            spelled(then) == spelled(before),
            f"{key} is said to have been {spelled(then)[:60]}, and was {spelled(before)[:60]}",
        )
        need(spelled(then) != spelled(now), f"{key} is said to have changed, and has not")
    config = changed(so_far.config.filled, resumed.changed)
    so_far.config = parse_config(config, "the config as it was changed")
    need(
        so_far.config.hash == resumed.config_hash,
        "config_hash is not that of the config as changed",
    )


_CHECKS: dict[str, Callable[[SearchSoFar, Event], None]] = {
    "opened": _check_opened,
    "asked": check_asked,
    "told": check_told,
    "evidence": check_evidence,
    "test": check_test,
    "leak": check_leak,
    "resumed": _check_resumed,
    "retried": check_retried,
}
