"""Views of the search phase go when the phases after it, which draw their own, begin; not before,
and not theirs."""

from pathlib import Path

import numpy as np
import pytest
from damage import spoiled
from states import make_state

from data.errors import UserError
from search.experiment.kinds import Kind
from search.experiment.trial import Resources, TrialRecord
from search.training.trial_files import Checkpoint, ViewSweeper, load_head

SEARCHED, CONFIRMED = 11, 22


def _record(kind: Kind, view_seed: int, told: bool = False) -> TrialRecord:
    record = next(
        r for r in make_state().records if r.kind == kind and r.spec.settings.augmentation
    )
    protocol = record.spec.protocol.model_copy(update={"view_seed": view_seed})
    spec = record.spec.model_copy(update={"protocol": protocol})
    return record.model_copy(update={"spec": spec, "result": record.result if told else None})


def _left_after(views: Path, record: TrialRecord) -> set[str]:
    for seed in (SEARCHED, CONFIRMED):
        (views / str(seed) / "policy").mkdir(parents=True)
    ViewSweeper(Resources(cache_dir=views, views_dir=views)).trial_started(record)
    return {folder.name for folder in views.iterdir()}


def test_a_confirming_trial_ends_the_life_of_the_search_phases_views(tmp_path: Path) -> None:
    assert _left_after(tmp_path, _record("confirm", CONFIRMED)) == {str(CONFIRMED)}


def test_no_views_are_deleted_through_a_linked_folder(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "views").symlink_to("shared")
    left = _left_after(tmp_path / "views", _record("confirm", CONFIRMED))
    assert left == {str(SEARCHED), str(CONFIRMED)}


def test_a_trial_without_augmentation_leaves_the_views_of_those_beside_it(tmp_path: Path) -> None:
    """An ablation that takes the only augmentation out runs beside others that have views."""
    record = _record("confirm", 1)
    settings = record.spec.settings.model_copy(update={"augmentation": {}})
    bare = record.model_copy(update={"spec": record.spec.model_copy(update={"settings": settings})})
    assert _left_after(tmp_path, bare) == {str(SEARCHED), str(CONFIRMED)}


@pytest.mark.parametrize("kind", ["control", "trial"])
def test_a_trial_of_the_search_phase_deletes_nothing(tmp_path: Path, kind: Kind) -> None:
    assert _left_after(tmp_path, _record(kind, SEARCHED)) == {str(SEARCHED), str(CONFIRMED)}


def test_a_trial_that_a_resumed_search_finds_answered_deletes_nothing(tmp_path: Path) -> None:
    left = _left_after(tmp_path, _record("confirm", SEARCHED, told=True))
    assert left == {str(SEARCHED), str(CONFIRMED)}


def test_a_checkpoint_of_another_version_is_begun_anew_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, curves=np.zeros(3))
    assert Checkpoint(path).load() is None
    (line,) = [record.message for record in caplog.records]
    assert line == f"{path} is another version's; the trial starts anew"
    np.savez(path, version=np.zeros(3), trial=np.array("a"))
    assert Checkpoint(path).load() is None
    Checkpoint(path).save({"curves": np.ones(2)})
    found = Checkpoint(path).load()
    assert found is not None
    assert found.keys() == {"curves"}


def test_a_checkpoint_of_another_trial_is_begun_anew_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Checkpoint(tmp_path / "a.npz").save({"curves": np.ones(2)})
    path = (tmp_path / "a.npz").rename(tmp_path / "b.npz")
    assert Checkpoint(path).load() is None
    (line,) = [record.message for record in caplog.records]
    assert line == f"{path} is another trial's; the trial starts anew"


def test_a_damaged_head_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, np.zeros(3))
    path.write_bytes(spoiled(path.read_bytes()))
    with pytest.raises(UserError, match=r"a\.npz, the weights of a final head, is damaged"):
        load_head(path)


def test_a_head_damaged_in_any_byte_of_its_directory_is_named_or_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, np.zeros(3))
    whole = path.read_bytes()
    said = []
    for place in range(whole.index(b"PK\x01\x02"), len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x80
        path.write_bytes(damaged)
        try:
            load_head(path)
        except UserError as error:
            said.append(str(error))
    assert len(said) > 20
    assert all("a.npz, the weights of a final head, is damaged" in each for each in said)


def test_a_checkpoint_with_a_damaged_header_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    Checkpoint(path).save({"curves": np.zeros(3)})
    path.write_bytes(spoiled(path.read_bytes()))
    assert Checkpoint(path).load() is None
