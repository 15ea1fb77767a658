"""Which guests there are, by their names."""

from collections.abc import Mapping
from typing import Any

from search.guests.guest import Guest
from search.guests.leak import LEAK

GUESTS: Mapping[str, Guest[Any]] = {guest.name: guest for guest in (LEAK,)}
