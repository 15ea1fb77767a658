"""Figures of what was trained: learning curves, effect against a setting's strength, the confusion
matrix, where the time went. Each takes a state and a width in inches and gives a Matplotlib figure,
or None; beside each stands its text for ears.
"""

import math
import statistics
from typing import TYPE_CHECKING

import numpy as np

from search.experiment.controls import NONE
from search.experiment.kinds import KINDS
from search.experiment.trial import Curve, TrialRecord
from search.report.figure_style import BLUE, GREY, INK, ORANGE, PALE, is_narrow, new_figure
from search.report.section_texts import confusion_note
from search.report.view import SearchView
from search.report.wording import seconds_text, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def curve_records(view: SearchView) -> list[tuple[str, TrialRecord]]:
    """No augmentation, and the recommended setting (else the best trial), as far as they have
    curves."""
    chosen, best = _as_searched(view), view.best
    is_anew = chosen is not None and KINDS[chosen.kind].part == "confirm"
    baseline = view.baseline("confirm" if is_anew else "control")
    pairs = [(NONE, baseline), ("recommended setting" if chosen else "best trial", chosen or best)]
    return [
        (name, r) for name, r in pairs if r and r.result and r.result.curve and r.result.curve.loss
    ]


def _as_searched(view: SearchView) -> TrialRecord | None:
    """A trial of the recommended setting; no final model, which has other images, no patience."""
    chosen = view.chosen
    if chosen is None or chosen.kind != "test":
        return chosen
    own, told = chosen.spec.settings, (r for r in view.in_tables if r.status == "completed")
    alike = (r for r in told if r.spec.settings.augmentation == own.augmentation)
    same = (r for r in alike if r.spec.settings.model == own.model)
    return max(same, key=lambda record: record.rung or 0, default=None)


def draw_curves(view: SearchView, width: float) -> "Figure | None":
    """Loss and accuracy by epoch, train and validation, with the epochs whose weights were kept."""
    records = curve_records(view)
    if not records:
        return None
    narrow = is_narrow(width)
    rows, columns = (2 * len(records), 1) if narrow else (2, len(records))
    figure = new_figure(width, 1.9 * rows + 0.4)
    grid = figure.subplots(rows, columns, squeeze=False)
    for place, (name, record) in enumerate(records):
        pair = grid[2 * place : 2 * place + 2, 0] if narrow else grid[:, place]
        _draw_curve_pair(list(pair), f"{name} (#{record.trial})", record)
    for measure in (0, 1):
        _share_limits([ax for place, ax in enumerate(grid.T.ravel()) if place % 2 == measure])
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2 if narrow else 4)
    return figure


def _draw_curve_pair(pair: "list[Axes]", title: str, record: TrialRecord) -> None:
    result = record.result
    assert result is not None
    assert result.curve is not None
    epochs = range(1, len(result.curve.loss) + 1)
    curves = {
        "accuracy": (result.curve.accuracy, result.curve.val_accuracy),
        "loss": (result.curve.loss, result.curve.val_loss),
    }
    for axes, (measure, (train, validation)) in zip(pair, curves.items(), strict=True):
        axes.plot(
            epochs, train, color=ORANGE, linewidth=1.6, linestyle=(0, (5, 1.5)), label="training"
        )
        axes.plot(epochs, validation, color=BLUE, linewidth=1.8, label="validation (clean)")
        _mark_stop(axes, result.best_epochs)
        _mark_phases(axes, result.curve)
        axes.set_title(f"{title}: {measure}")
        axes.grid(color=PALE, linewidth=0.6)
        axes.set_xlim(1, max(2, len(epochs)))
        axes.locator_params(axis="x", integer=True)
    pair[-1].set_xlabel("epoch")


def _mark_stop(axes: "Axes", best_epochs: tuple[int, ...]) -> None:
    if not best_epochs:
        return
    axes.axvspan(
        min(best_epochs),
        max(best_epochs),
        color=GREY,
        alpha=0.15,
        linewidth=0,
        label="kept, all heads",
    )
    median = statistics.median_low(best_epochs)
    axes.axvline(
        median, color=INK, linewidth=1.3, linestyle=(0, (2, 2)), label="epoch kept (median)"
    )


def _mark_phases(axes: "Axes", curve: Curve) -> None:
    """Where one phase of a trial follows another, with their names at the foot: curves go up and
    down at the top."""
    start = 0
    for name, epochs in curve.phases if len(curve.phases) > 1 else ():
        if start:
            axes.axvline(start + 0.5, color=GREY, linewidth=1.0)
        place = (start + 0.5 + epochs / 2, 0.03)
        axes.text(
            *place, name, transform=axes.get_xaxis_transform(), ha="center", va="bottom", color=INK
        )
        start += epochs


def _share_limits(every: "list[Axes]") -> None:
    limits = [axes.get_ylim() for axes in every]
    for axes in every:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def curves_text(view: SearchView) -> str:
    parts = []
    for name, record in curve_records(view):
        result = record.result
        if result is None or result.curve is None:
            continue
        epochs = result.best_epochs
        kept = (
            f"weights kept from epoch {min(epochs)} to {max(epochs)}" if epochs else "no epoch kept"
        )
        phases = " then ".join(f"{epochs} of {phase}" for phase, epochs in result.curve.phases)
        parts.append(f"{name}: {phases or len(result.curve.loss)} epochs, {kept}")
    return (
        f"Learning curves of training and clean validation, means over heads. {'; '.join(parts)}."
    )


def draw_confusion(view: SearchView, width: float) -> "Figure | None":
    """The test images by true and given class; shade is the share of the true class, the number
    counts images.
    """
    if view.test is None or view.opened is None or not view.test.confusion:
        return None
    counts = np.array(view.test.confusion)
    names = [
        shortened(name, 12 if is_narrow(width) else 18) for name in view.opened.dataset.class_names
    ]
    side = min(width, 6.4 if len(counts) > 6 else 4.6)
    figure = new_figure(side, side * 0.98)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # beyond 1: the darkest shade still lets white text stand out
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
    cell_points = 72 * side * 0.72 / len(counts)
    if cell_points >= 13:
        _write_counts(axes, counts, shares, min(9.5, cell_points * 0.48))
    _label_classes(axes, names, cell_points)
    return figure


def _write_counts(axes: "Axes", counts: np.ndarray, shares: np.ndarray, size: float) -> None:
    for row, column in zip(*np.nonzero(counts), strict=True):
        color = "white" if shares[row, column] > 0.55 else INK
        axes.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            color=color,
            fontsize=size,
        )


def _label_classes(axes: "Axes", names: list[str], cell_points: float) -> None:
    every = max(1, math.ceil(10 / cell_points))  # with very many classes only some can be named
    places = range(0, len(names), every)
    axes.set_xticks(places, [names[place] for place in places], rotation=90)
    axes.set_yticks(places, [names[place] for place in places])
    axes.tick_params(length=0)
    axes.set_xlabel("class given")
    axes.set_ylabel("true class")
    axes.spines[:].set_visible(False)


def confusion_text(view: SearchView) -> str:
    if view.test is None or view.opened is None or not view.test.confusion:
        return ""
    counts, names = np.array(view.test.confusion), view.opened.dataset.class_names
    right = int(np.trace(counts))
    wrong = counts - np.diag(np.diag(counts))
    worst = [
        divmod(int(place), len(names)) for place in np.argsort(-wrong, axis=None, kind="stable")[:3]
    ]
    parts = [
        f"{names[t]} taken for {names[g]} {wrong[t, g]} times" for t, g in worst if wrong[t, g]
    ]
    tail = f" Most often: {'; '.join(parts)}." if parts else ""
    return f"{confusion_note(view)} {right:,} are right.{tail}"


def time_parts(view: SearchView) -> list[tuple[str, float, str]]:
    """Name, seconds and colour of each bar: the phases, then what the trials' own time was spent
    on."""
    phases = [(name, seconds, BLUE) for name, seconds in view.phase_seconds.items()]
    cost = view.cost
    if not cost.total_seconds:
        return phases
    other = max(0.0, cost.total_seconds - cost.features_seconds - cost.heads_seconds)
    within = [
        ("trials: features", cost.features_seconds),
        ("trials: heads", cost.heads_seconds),
        ("trials: the rest", other),
    ]
    return phases + [(name, seconds, ORANGE) for name, seconds in within]


def draw_time(view: SearchView, width: float) -> "Figure | None":
    parts = time_parts(view)
    if not parts:
        return None
    figure = new_figure(width, 0.3 + 0.27 * len(parts))
    axes = figure.add_subplot()
    seconds = [part[1] for part in parts]
    bars = axes.barh(
        [part[0] for part in parts], seconds, color=[part[2] for part in parts], height=0.68
    )
    axes.bar_label(bars, [seconds_text(value) for value in seconds], padding=4)
    axes.set_xlim(0, max(seconds) * (1.4 if is_narrow(width) else 1.18) or 1)
    axes.invert_yaxis()
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def time_text(view: SearchView) -> str:
    parts = "; ".join(f"{name} {seconds_text(seconds)}" for name, seconds, _ in time_parts(view))
    return f"Where the time went: {parts}."
