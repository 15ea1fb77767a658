"""What the settings of a search are called: by what they set, rounded to what shows, and no two
alike. The part of the one view that names things."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from data.augmentations import AUGMENTATIONS
from data.value_forms import is_number
from search.evidence.claim_table import candidates
from search.experiment.settings import spelled
from search.experiment.trial import TrialRecord
from search.report.record_view import RecordView
from search.report.wording import (
    EXACT,
    NAME_WIDTH,
    label_text,
    name_text,
    settings_of,
    settings_text,
    what_text,
)


@dataclass(frozen=True)
class NamedView(RecordView):
    """With names."""

    def more_digits(self, augmentation: Mapping[str, Any]) -> int:
        """Decimals beyond what shows, without which another setting had the same name."""
        return self._digits.get(_key(augmentation), 0)

    @cached_property
    def _digits(self) -> Mapping[str, int]:
        pending = {_key(each): each for each in self._named_settings()}
        found: dict[str, int] = {}
        taken: set[str] = set()
        for more in range(EXACT + 1):
            texts = {
                k: settings_text(each, self.image_size, more=more) for k, each in pending.items()
            }
            told = Counter(texts.values())
            alone = {k for k, text in texts.items() if text not in taken and told[text] == 1}
            found |= dict.fromkeys(alone, more)
            taken |= {texts[key] for key in alone}
            pending = {key: each for key, each in pending.items() if key not in alone}
        return found | dict.fromkeys(pending, EXACT)

    def _named_settings(self) -> Iterator[Mapping[str, Any]]:
        """Those that were trained, and those that are claimed."""
        for record in self.records:
            yield record.spec.settings.augmentation
        claims = self.state.evidence.claims if self.state.evidence else None
        for whole in candidates(claims) if claims else ():
            yield searched_part(whole.settings)
        for each in claims.augmentations if claims else ():
            yield from ({each.name: point.value} for point in each.curve[1:])

    def settings_text(
        self, augmentation: Mapping[str, Any], others: Mapping[str, Any] = MappingProxyType({})
    ) -> str:
        """An augmentation as a list for people, with what of model and training goes with it."""
        more = self.more_digits(augmentation)
        return settings_text(augmentation, self.image_size, others=others, more=more)

    def settings_of(self, record: TrialRecord, limit: int | None = None) -> str:
        return settings_of(record, limit, self._more(record))

    def label_text(self, record: TrialRecord) -> str:
        """What a trial is called beside its number."""
        return label_text(record, more=self._more(record))

    def name_text(self, record: TrialRecord, limit: int = NAME_WIDTH) -> str:
        """A trial's number and what it is."""
        return name_text(record, limit, self._more(record))

    def what_text(self, record: TrialRecord) -> str:
        """What a trial was, in full."""
        return what_text(record, self._more(record))

    def _more(self, record: TrialRecord) -> int:
        return self.more_digits(record.spec.settings.augmentation)


def searched_part(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of a setting, the augmentation as an experiment file writes it."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in settings.items()
        if name in AUGMENTATIONS
    }


def _key(augmentation: Mapping[str, Any]) -> str:
    """The same of 15 and 15.0."""
    return spelled({k: _plain(v) for k, v in augmentation.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return float(value) if is_number(value) else value
