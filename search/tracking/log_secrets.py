"""What MLflow and its drivers log while runs are sent, without the secrets of the address that they
are sent to."""

import logging
from dataclasses import dataclass

from search.experiment.tracking_uri import without_secrets_of


@dataclass(frozen=True)
class WithoutSecrets:
    """A logging filter that lets everything through, the secrets of `uri` hidden in message and
    traceback."""

    uri: str

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_secrets_of(record.getMessage(), self.uri), ()
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            record.exc_text = without_secrets_of(trace, self.uri)
        return True


def hide_in_logs(uri: str) -> None:
    """For every handler that a record of MLflow's, or of what it imports, may come to. Asking twice
    is asking once."""
    handlers = [
        *logging.getLogger("mlflow").handlers,
        *logging.getLogger().handlers,
        logging.lastResort,
    ]
    for handler in handlers:
        if handler is not None:
            handler.addFilter(WithoutSecrets(uri))
