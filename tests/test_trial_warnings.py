"""What is warned of while a trial is trained comes to whoever started the search."""

import logging

import pytest

from search.training.trial_warnings import heard

LOG = logging.getLogger("search.training.trial_files")


def test_warnings_are_heard_once_by_their_first_line_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2hunter2")
    with heard() as warned:
        for _ in range(2):
            LOG.warning("%s is damaged\nand more", "a.npz")
        LOG.warning("no hunter2hunter2")
        LOG.info("all is well")
        logging.getLogger("keras").warning("not ours")
    LOG.warning("too late")
    first, second = warned.lines
    assert first == "a.npz is damaged"
    assert "hunter2" not in second


def test_a_log_that_nobody_else_writes_has_them_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler())
    with heard():
        LOG.warning("a.npz is damaged")
    assert capsys.readouterr().err == "a.npz is damaged\n"
