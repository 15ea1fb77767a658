"""One run over heads, whatever they are: who is trained in which epoch, what is best, and how a run
that was cut short goes on."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.experiment.trial import LostNetwork
from search.training.head_shape import HeadState, HeadWeights
from search.training.head_tasks import HeadTask
from search.training.lost_networks import lost_text
from search.training.progress import EpochReport
from search.training.run_values import HeadEpoch, RunPlan, TrialFailure
from search.training.training_run import train
from search.training.trial_files import Checkpoint

HEADS, IMAGES = 3, 40


class _Scripted:
    """Heads whose answers are known beforehand: right[head][epoch] of them are. A head's state
    counts its epochs. wrong: the log-probability of the true class where it is not."""

    def __init__(
        self,
        right: list[list[int]],
        losses: dict[tuple[int, int], float] | None = None,
        wrong: float = -2.0,
    ) -> None:
        self.states: dict[int, HeadState] = {}
        self.right, self.losses, self.wrong = right, losses or {}, wrong
        self.trained: list[tuple[int, int]] = []
        self.kept: list[list[int]] = []

    def train(self, epoch: int, heads: list[int]) -> Iterator[HeadEpoch]:
        for head in heads:
            self.trained.append((epoch, head))
            done = int(self.states[head][0]) if head in self.states else 0
            assert done == epoch
            self.last = np.array([epoch + 1.0])
            is_right = np.arange(IMAGES) < self.right[head][epoch]
            predicted = np.where(is_right, _labels(), 1 - _labels()).astype(np.int16)
            log_prob = np.where(is_right, -0.1, self.wrong).astype(np.float32)
            loss = self.losses.get((head, epoch), 1.0 / (epoch + 1))
            yield HeadEpoch(head, loss, 0.5, predicted, log_prob)
            self.states[head] = (np.array(epoch + 1),)

    def weights(self, head: int) -> HeadWeights:
        return (self.last,)

    def resume(
        self, states: Mapping[int, HeadState], best: Mapping[int, HeadWeights], epochs: int
    ) -> None:
        if any(len(state) != 1 for state in states.values()):
            raise ValueError("its state is of other heads")
        assert all(state[0] == epochs for state in states.values())
        self.states = dict(states)

    def keep(self, heads: list[int]) -> None:
        self.kept.append(heads)


def _labels() -> np.ndarray:
    return np.arange(IMAGES) % 2


def _plan(**changes: Any) -> RunPlan:
    rows = np.arange(IMAGES)
    tasks = tuple(HeadTask(rows, rows, seed) for seed in range(HEADS))
    return replace(
        RunPlan(tasks, _labels(), 2, "accuracy", 6, 2, 0.01, "model.learning_rate"), **changes
    )


# Best in their 1st, 3rd and 6th epochs.
RIGHT = [[30, 20, 20, 20, 20, 20], [10, 20, 30, 20, 20, 20], [10, 12, 14, 16, 18, 20]]


def test_a_head_that_has_stopped_is_trained_no_more() -> None:
    heads = _Scripted(RIGHT)
    trained = train(heads, _plan())
    assert trained.best_epochs == (1, 3, 6)
    assert trained.cut_by_max_epochs == (False, False, True)
    assert [epoch for epoch, head in heads.trained if head == 0] == [0, 1, 2]
    assert [epoch for epoch, head in heads.trained if head == 1] == [0, 1, 2, 3, 4]
    assert heads.kept == [[1, 2], [2]]


def test_the_weights_are_those_of_the_best_epoch() -> None:
    trained = train(_Scripted(RIGHT), _plan())
    assert [float(weights[0][0]) for weights in trained.weights] == [1, 3, 6]


def test_without_patience_every_epoch_is_trained_and_the_last_one_counts() -> None:
    trained = train(_Scripted(RIGHT), _plan(patience=None))
    assert trained.best_epochs == (6, 6, 6)
    assert [float(weights[0][0]) for weights in trained.weights] == [6, 6, 6]


def test_no_weights_are_kept_where_nobody_wants_them() -> None:
    assert train(_Scripted(RIGHT), _plan(keeps_weights=False)).weights == ()


def test_heads_that_have_stopped_keep_their_last_value_in_the_curve() -> None:
    curve = train(_Scripted(RIGHT), _plan()).curve
    last = (RIGHT[0][2] + RIGHT[1][4] + RIGHT[2][5]) / HEADS / IMAGES
    assert curve.val_accuracy[-1] == pytest.approx(last)
    assert len(curve.loss) == 6


@pytest.mark.parametrize("keeps_weights", [False, True])
def test_a_run_cut_short_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, keeps_weights: bool
) -> None:
    plan = _plan(keeps_weights=keeps_weights)
    whole = train(_Scripted(RIGHT), plan)
    checkpoint = Checkpoint(tmp_path / "a.npz")
    train(_Scripted(RIGHT), replace(plan, num_epochs=3), checkpoint)
    heads = _Scripted(RIGHT)
    resumed = train(heads, plan, checkpoint)
    assert min(epoch for epoch, _ in heads.trained) == 3
    assert 0 not in {head for _, head in heads.trained}
    assert resumed.curve == whole.curve
    assert resumed.best_epochs == whole.best_epochs
    np.testing.assert_array_equal(resumed.honest, whole.honest)
    np.testing.assert_array_equal(resumed.weights, whole.weights)


def _spoilt(arrays: Mapping[str, np.ndarray], **changes: np.ndarray | None) -> dict[str, Any]:
    """changes: `/` is spelled `_of_` in their names; None takes one away."""
    both = {**arrays, **{name.replace("_of_", "/"): value for name, value in changes.items()}}
    return {name: value for name, value in both.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"curves": None}, "it lacks 'curves'"),
        ({"curves": np.zeros(())}, "its curves is float64 []"),
        ({"curves": np.zeros((3, 2, 4))}, "its curves is float64 [3, 2, 4]"),
        ({"curves": np.zeros((3, 3, 4), "U3")}, "its curves is <U3 [3, 3, 4]"),
        ({"diverged": None}, "it lacks 'diverged'"),
        ({"keeps_weights": None}, "it lacks 'keeps_weights'"),
        ({"keeps_weights": np.zeros(3, bool)}, "its keeps_weights is bool [3]"),
        ({"predicted_of_1": None}, "it lacks 'predicted/1'"),
        ({"predicted_of_1": np.zeros((3, 7), np.int16)}, "its predicted is int16 [3, 7]"),
        (
            {"log_prob_of_2": np.zeros((2, IMAGES))},
            "its answers are of different numbers of epochs",
        ),
        ({"predicted_of_1": np.zeros((), np.int16)}, "its predicted is int16 []"),
        ({"state_of_1_of_0": None}, "it lacks heads that still train"),
        ({"state_of_1_of_1": np.zeros(2)}, "its state is of other heads"),
        ({"state_of_1": np.zeros(2)}, "it has an array called state/1"),
        ({"state_of_x_of_0": np.zeros(2)}, "it has an array called state/x/0"),
        ({"state_of_1_of_0": None, "state_of_1_of_2": np.zeros(2)}, "it lacks an array of a state"),
        ({"best_of_1_of_0": None}, "it lacks weights"),
        ({"state_of_1_of_0": np.array(np.nan)}, "its weights are not finite"),
        ({"best_of_1_of_0": np.array([np.inf])}, "its weights are not finite"),
        ({"curves": np.full((3, 3, 4), np.nan)}, "its curves are not finite"),
        ({"log_prob_of_1": np.full((3, IMAGES), np.nan, np.float32)}, "its answers are not finite"),
        ({"predicted_of_1": np.full((3, IMAGES), 2, np.int16)}, "its answers are of other classes"),
        ({"curves": np.zeros((2, 3, 4))}, "its answers are of other epochs than its curves"),
        ({"curves": np.zeros((4, 3, 4))}, "its answers are of other epochs than its curves"),
        ({"diverged": np.array([[0, 1]])}, "its answers are of other epochs than its curves"),
        ({"diverged": np.array([[7, 1]])}, "it is of more heads"),
    ],
)
def test_a_checkpoint_of_another_kind_is_begun_anew_and_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, changes: dict[str, Any], said: str
) -> None:
    plan, checkpoint = _plan(), Checkpoint(tmp_path / "a.npz")
    whole = train(_Scripted(RIGHT), plan)
    train(_Scripted(RIGHT), replace(plan, num_epochs=3), checkpoint)
    kept = checkpoint.load()
    assert kept is not None
    checkpoint.save(_spoilt(kept, **changes))
    heads = _Scripted(RIGHT)
    again = train(heads, plan, checkpoint)
    (line,) = [record.message for record in caplog.records]
    assert "a.npz is of another kind (" in line
    assert said in line
    assert line.endswith("; the trial starts anew")
    assert min(epoch for epoch, _ in heads.trained) == 0
    assert again.curve == whole.curve
    np.testing.assert_array_equal(again.weights, whole.weights)


def test_fewer_epochs_than_are_on_disk_give_what_they_gave(tmp_path: Path) -> None:
    plan = _plan(keeps_weights=False)
    checkpoint = Checkpoint(tmp_path / "a.npz")
    train(_Scripted(RIGHT), plan, checkpoint)
    heads = _Scripted(RIGHT)
    again = train(heads, replace(plan, num_epochs=2), checkpoint)
    assert not heads.trained
    assert again.curve == train(_Scripted(RIGHT), replace(plan, num_epochs=2)).curve


@pytest.mark.parametrize(
    ("phase", "said"), [("", "epoch 2 "), ("finetune", "epoch 2 of phase finetune ")]
)
def test_a_loss_that_is_no_number_ends_the_trial_and_names_the_setting(
    phase: str, said: str
) -> None:
    heads = _Scripted(RIGHT, {(1, 1): float("nan")})
    with pytest.raises(
        TrialFailure, match=f"training loss of head 1 became nan in {said}.*lower model"
    ):
        train(heads, _plan(phase=phase))


def test_a_network_that_diverges_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    losses = {(1, 2): float("nan")}
    right = [[38, *RIGHT[0][1:]], RIGHT[1], [*RIGHT[2][:-1], 38]]
    plan, checkpoint = _plan(may_lose=True), Checkpoint(tmp_path / "a.npz")
    trained = train(_Scripted(right, losses), plan)
    assert trained.lost == (LostNetwork(head=1, why="diverged", epoch=3),)
    assert trained.best_epochs == (1, 2, 6)
    assert trained.cut_by_max_epochs == (False, False, True)
    assert np.isfinite(trained.curve.loss).all()
    train(_Scripted(right, losses), replace(plan, num_epochs=4), checkpoint)
    resumed = train(_Scripted(right, losses), plan, checkpoint)
    assert (resumed.lost, resumed.curve) == (trained.lost, trained.curve)


def test_a_network_that_diverges_in_its_first_epoch_is_named_and_scored_as_guessing(
    tmp_path: Path,
) -> None:
    losses = {(1, 0): float("nan")}
    right = [[38, *RIGHT[0][1:]], RIGHT[1], [*RIGHT[2][:-1], 38]]
    plan, checkpoint = _plan(may_lose=True), Checkpoint(tmp_path / "a.npz")
    trained = train(_Scripted(right, losses), plan)
    assert trained.lost == (LostNetwork(head=1, why="diverged", epoch=1),)
    assert trained.best_epochs == (1, 1, 6)
    np.testing.assert_array_equal(trained.honest[1][0], 0)
    np.testing.assert_allclose(trained.honest[1][1], np.log(0.5), rtol=1e-6)
    train(_Scripted(right, losses), replace(plan, num_epochs=4), checkpoint)
    resumed = train(_Scripted(right, losses), plan, checkpoint)
    assert (resumed.lost, resumed.curve) == (trained.lost, trained.curve)


def test_a_network_without_finite_weights_of_its_own_spoils_no_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Lost(_Scripted):
        def weights(self, head: int) -> HeadWeights:
            return (np.full(1, np.nan if head == 1 else 1.0),)

    right, losses = [RIGHT[0], RIGHT[1], [*RIGHT[2][:-1], 38]], {(1, 0): float("nan")}
    plan, checkpoint = _plan(may_lose=True, patience=None), Checkpoint(tmp_path / "a.npz")
    train(Lost(right, losses), replace(plan, num_epochs=4), checkpoint)
    heads = Lost(right, losses)
    train(heads, plan, checkpoint)
    assert not caplog.records
    assert min(epoch for epoch, _ in heads.trained) == 4


LEARNT = [10, 20, 30, 36, 37, 38]


@pytest.mark.parametrize(
    ("losses", "lost"),
    [
        ({(0, 0): float("nan")}, (LostNetwork(head=0, why="diverged", epoch=1),)),
        ({}, (LostNetwork(head=0, why="chance", epoch=6),)),
    ],
)
def test_the_model_that_is_kept_is_the_first_that_trained(
    losses: dict[tuple[int, int], float], lost: tuple[LostNetwork, ...]
) -> None:
    """Final models may all but one be lost: they are trained once, and one is kept."""

    class Named(_Scripted):
        def weights(self, head: int) -> HeadWeights:
            return (np.array([float(head)]),)

    plan = _plan(may_lose=True, patience=None)
    trained = train(Named([GUESSING[0], LEARNT, LEARNT], losses), plan)
    assert (trained.lost, trained.kept[0][0]) == (lost, 1)
    trained = train(Named([GUESSING[0], GUESSING[0], LEARNT], losses), plan)
    assert (len(trained.lost), trained.kept[0][0]) == (2, 2)
    assert train(Named([LEARNT] * HEADS), plan).kept[0][0] == 0


def test_final_models_fail_where_all_diverged_and_are_named_where_none_trained() -> None:
    plan, dead = _plan(may_lose=True, patience=None), [GUESSING[0]] * HEADS
    lost = train(_Scripted(dead, {(0, 1): float("nan")}), plan).lost
    assert [each.why for each in lost] == ["diverged", "chance", "chance"]
    said = r"^3 of 3 networks diverged \(0, 1, 2\): the training loss of head 2 became nan"
    with pytest.raises(TrialFailure, match=said):
        train(_Scripted(dead, {(head, head): float("nan") for head in range(HEADS)}), plan)


def test_a_trial_fails_where_half_of_its_networks_diverge() -> None:
    losses = {(0, 1): float("inf"), (1, 2): float("nan")}
    said = r"^2 of 3 networks diverged \(0, 1\): the training loss of head 1.*epoch 3.*lower model"
    with pytest.raises(TrialFailure, match=said) as failure:
        train(_Scripted(RIGHT, losses), _plan(may_lose=True))
    assert failure.value.lost == (
        LostNetwork(head=0, why="diverged", epoch=2),
        LostNetwork(head=1, why="diverged", epoch=3),
    )


def test_all_that_diverge_in_an_epoch_are_counted() -> None:
    losses = dict.fromkeys(((0, 1), (1, 1), (2, 1)), float("nan"))
    with pytest.raises(TrialFailure, match=r"^3 of 3 networks diverged \(0, 1, 2\): "):
        train(_Scripted(RIGHT, losses), _plan(may_lose=True))


# Half of forty images are right by guessing, and 32 still by luck. The last is cut.
GUESSING = [[20, 21, 20, 20, 20, 20], [10, 20, 38, 20, 20, 20], [10, 12, 14, 16, 18, 20]]


def test_a_network_that_only_guesses_to_its_end_is_named() -> None:
    right = [GUESSING[0], GUESSING[1], [*GUESSING[1][:2], 36, 37, 38, 39]]
    trained = train(_Scripted(right), _plan(may_lose=True))
    assert trained.lost == (LostNetwork(head=0, why="chance", epoch=4),)
    right[1] = right[0]
    said = (
        "2 of 3 networks did not train: 2 never left chance; change model.learning_rate, or try a "
        "larger training.patience or weaker augmentation"
    )
    for objective in ("accuracy", "balanced_accuracy"):
        with pytest.raises(TrialFailure) as failure:
            train(_Scripted(right), _plan(may_lose=True, objective=objective))
        assert str(failure.value) == said
        assert [each.head for each in failure.value.lost] == [0, 1]
        assert failure.value.num_networks == HEADS
    assert train(_Scripted(right), _plan()).lost == ()
    with pytest.raises(TrialFailure, match="2 never left chance"):  # weights of even classes are 1
        train(_Scripted(right), _plan(may_lose=True, images_count_alike=False))


@pytest.mark.parametrize(("wrong", "num_lost"), [(-1.23, 0), (-1.26, 1)])
def test_a_network_with_a_lower_log_loss_than_any_one_answer_has_is_not_guessing(
    wrong: float, num_lost: int
) -> None:
    """Of two even classes that is log 2; the best of 0.665 and 0.680 is held against 0.97 of it."""
    right = [[20] * 6, LEARNT, LEARNT]
    assert len(train(_Scripted(right, wrong=wrong), _plan(may_lose=True)).lost) == num_lost


def test_a_network_on_uneven_classes_is_known_by_its_log_loss() -> None:
    """26 of 40 images are of one class, and 37 right ones would still be luck."""
    labels = (np.arange(IMAGES) % 3 == 0).astype(np.int64)
    shares = np.log(np.where(labels == 1, 0.35, 0.65)).astype(np.float32)  # one answer to all

    class Uneven(_Scripted):
        def train(self, epoch: int, heads: list[int]) -> Iterator[HeadEpoch]:
            for each in super().train(epoch, heads):
                log_prob = shares * np.float32(1.0 if each.head == 0 else 0.6)
                yield replace(each, predicted=np.zeros(IMAGES, np.int16), log_prob=log_prob)

    trained = train(Uneven([[36] * 6] * HEADS), _plan(may_lose=True, labels=labels))
    assert trained.lost == (LostNetwork(head=0, why="chance", epoch=3),)


def _of_class(rare: int, predicted: list[np.ndarray], log_prob: list[np.ndarray]) -> Any:
    """Heads on `rare` of 40 images of one class, the others of another, always with these answers,
    a list of heads; and their plan."""
    labels = (np.arange(IMAGES) < rare).astype(np.int64)

    class Given(_Scripted):
        def train(self, epoch: int, heads: list[int]) -> Iterator[HeadEpoch]:
            for each in super().train(epoch, heads):
                answer = predicted[each.head].astype(np.int16), log_prob[each.head]
                yield HeadEpoch(each.head, 1.0, 0.5, *answer)

    return Given([[20] * 6] * HEADS), _plan(may_lose=True, labels=labels)


def test_a_network_is_known_to_guess_where_one_class_is_nearly_all() -> None:
    """38 of 40, of which giving always one class might get 41 by luck. One head that learnt is too
    sure of what it has wrong, and is worse by its log-loss than guessing."""
    rows = np.arange(IMAGES)
    guessed = np.log(np.where(rows < 2, 0.05, 0.95)).astype(np.float32)
    sure = np.where(rows == 4, -20, -0.01).astype(np.float32)
    found = (rows < 2) | (rows == 4)
    heads, plan = _of_class(2, [0 * rows, found, found], [guessed, sure, sure])
    lost = LostNetwork(head=0, why="chance", epoch=3)
    assert train(heads, plan).lost == (lost,)
    heads.states = {}
    assert train(heads, replace(plan, images_count_alike=False)).lost == (lost,)


def test_one_answer_below_the_loss_of_smoothed_shares_is_still_guessing() -> None:
    """Shares of 4 and 36 of 40 have a loss of 0.325, and smoothed by 0.2 one of 0.350. A head that
    learnt from smoothed labels is unsure of all, and gives the rare more than the others."""
    rows = np.arange(IMAGES)
    guessed = np.log(np.where(rows < 4, 0.1, 0.9)).astype(np.float32)
    unsure = np.log(np.where(rows < 4, 0.3, 0.82)).astype(np.float32)
    heads, plan = _of_class(4, [0 * rows] * 3, [guessed, unsure, unsure])
    trained = train(heads, replace(plan, label_smoothing=0.2))
    assert trained.lost == (LostNetwork(head=0, why="chance", epoch=3),)


def test_of_very_few_images_all_right_ones_are_no_luck() -> None:
    rows = np.arange(16)
    labels = rows % 2
    answers = [0 * rows, labels, 1 - labels]
    sure = np.full(16, -3, np.float32)

    class Few(_Scripted):
        def train(self, epoch: int, heads: list[int]) -> Iterator[HeadEpoch]:
            for each in super().train(epoch, heads):
                yield HeadEpoch(each.head, 1.0, 0.5, answers[each.head].astype(np.int16), sure)

    task = HeadTask(rows, rows, 0)
    plan = _plan(may_lose=True, labels=labels, tasks=(task, task, task))
    with pytest.raises(TrialFailure, match="2 of 3 networks did not train: 2 never left chance"):
        train(Few([[20] * 6] * HEADS), plan)
    answers[2] = labels
    assert [each.head for each in train(Few([[20] * 6] * HEADS), plan).lost] == [0]


def test_with_weights_by_class_a_network_is_known_by_a_log_loss_of_classes_that_count_alike() -> (
    None
):
    """Of 4 of 40 images: one that learns gives them more than they are many, and is worse for it in
    accuracy and log-loss; of two classes that count alike log 2 is the best of one answer."""
    rows = np.arange(IMAGES)
    guessed = np.full(IMAGES, np.log(0.5), np.float32)
    learning = np.log(np.where(rows < 4, 0.7, 0.5)).astype(np.float32)
    answers = [0 * rows, 0 * rows + 1, 0 * rows + 1]
    heads, plan = _of_class(4, answers, [guessed, learning, learning])
    lost = train(heads, replace(plan, images_count_alike=False)).lost
    assert lost == (LostNetwork(head=0, why="chance", epoch=3),)


def test_networks_that_max_epochs_cuts_at_chance_are_named_and_fail_no_trial() -> None:
    """They might have learnt yet; so might those of a rung that is promoted."""
    plan = _plan(may_lose=True)
    first, last = (
        LostNetwork(head=0, why="chance", epoch=4),
        LostNetwork(head=2, why="cut", epoch=6),
    )
    assert train(_Scripted(GUESSING), plan).lost == (first, last)
    assert train(_Scripted(GUESSING), replace(plan, pauses=True)).lost == (first,)
    final = train(_Scripted(GUESSING), replace(plan, patience=None)).lost
    assert [(each.head, each.why) for each in final] == [(0, "chance"), (2, "chance")]
    all_cut = train(_Scripted([GUESSING[2]] * HEADS), plan)
    assert lost_text(all_cut.lost) == "3 cut by max_epochs at chance"


@pytest.mark.parametrize(
    ("right", "began", "names"),
    [
        ([20, 21, 20, 20, 20, 20], 0.9, "ruined"),  # and in training it was right before that
        ([35, 21, 20, 20, 20, 20], 0.9, "ruined"),
        ([34, 22, 22, 22, 22, 22], 0.85, None),  # it kept what it had
        ([33, 30, 30, 30, 30, 30], 0.9, None),  # worse, and of some use
        ([20, 21, 20, 20, 20, 20], 0.7, "chance"),  # it knew nothing before
    ],
)
def test_a_network_whose_head_fine_tuning_undoes_is_named(
    right: list[int], began: float, names: str | None
) -> None:
    plan = _plan(may_lose=True, began=(began, 0.5, 0.5))
    lost = train(_Scripted([right, GUESSING[1], GUESSING[1]]), plan).lost
    assert [each.why for each in lost] == ([names] if names else [])


def test_reports_are_counted_on_over_the_phases_before() -> None:
    reports: list[EpochReport] = []
    train(_Scripted(RIGHT), _plan(reported_before=10, phase="finetune"), on_epoch=reports.append)
    assert [report.epoch for report in reports] == [11, 12, 13, 14, 15, 16]
    assert {(report.max_epochs, report.phase) for report in reports} == {(16, "finetune")}
