"""Plain data, and texts about it, to be sent elsewhere: without secrets, and with the names of
classes as they are, whatever those look like."""

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from html import escape
from typing import Any

from data.named_secrets import MASK, is_secret_item
from data.secrets import redacted


def redacted_but(text: str, names: Collection[str]) -> str:
    """As `redacted`, but for these names, of classes say, which stay: as they are, and as HTML and
    JSON spell them."""
    odd = _changed_forms(tuple(names))
    for number, form in enumerate(odd):
        text = text.replace(form, f"\ue000{number}\ue001")
    text = redacted(text)
    for number, form in enumerate(odd):
        text = text.replace(f"\ue000{number}\ue001", form)
    return text


@lru_cache(maxsize=4)  # of a search's classes: a file holds thousands of texts
def _changed_forms(names: tuple[str, ...]) -> list[str]:
    """What `redacted` would change of them, the longest first."""
    spelled = {form for name in names for form in (name, escape(name), json.dumps(name)[1:-1])}
    return sorted((form for form in spelled if redacted(form) != form), key=len, reverse=True)


def redacted_values(value: Any, names: Collection[str] = ()) -> Any:
    """Plain data, to become JSON, with every text in it as `redacted_but` gives it; keys stay."""
    if isinstance(value, str):
        return redacted_but(value, names)
    if isinstance(value, Mapping):
        return {
            key: MASK
            if isinstance(each, str) and is_secret_item(str(key)) and key not in names
            else redacted_values(each, names)
            for key, each in value.items()
        }
    return (
        [redacted_values(each, names) for each in value]
        if isinstance(value, list | tuple)
        else value
    )
