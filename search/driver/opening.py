"""The first event of a search: what it was asked to do, where, on which images. Written by
`session`, read by everybody."""

import time
import uuid

from search.driver.prepare import Prepared, describe_environment
from search.journal.events import Opened


def opening(prepared: Prepared, earlier_looks: int) -> Opened:
    """Of a search that begins now. earlier_looks: at the test set, by searches that the directory
    held before."""
    config, space = prepared.config, prepared.space
    return Opened(
        search_id=uuid.uuid4().hex,
        name=config.name,
        config=config.filled,
        config_hash=config.hash,
        started_at=time.time(),
        environment=describe_environment(prepared),
        dataset=prepared.summary,
        earlier_looks=earlier_looks,
        space=space.as_json(),
        fixed=space.fixed_by_name,
        order=tuple(
            name
            for part in (config.augmentation, config.model, config.training)
            for name in part.written
        ),
    )
