"""What to conclude from effects: Holm's correction, HELPS / HURTS / NO EVIDENCE, the policy to
recommend.

Effects and their intervals come from `evaluation`; which trials are compared is the search's
business.
"""

from collections.abc import Iterable, Sequence

from search.evidence.findings import Confirmed, Verdict
from search.experiment.trial import Effect

SIGNIFICANCE = 0.05


def holm(p_values: Sequence[float], num_searched: int | None = None) -> tuple[float, ...]:
    """p-values corrected for being several, in the order given (Holm 1979, through statsmodels).

    num_searched: of how many trials these were picked as the best. Confirmation trains again but
    scores the same images; a setting that suits these images by chance suits them twice, and
    picking the best picks that chance too. So the correction is for everything searched, those not
    confirmed counting as p = 1: what then passes is wrong in at most 5 % of searches however the
    few were picked. None: nothing was picked, all that was compared is here.
    """
    from statsmodels.stats.multitest import multipletests  # two seconds to import

    if not p_values:
        return ()
    unseen = max(0, (num_searched or 0) - len(p_values))
    corrected = multipletests([*p_values, *[1.0] * unseen], alpha=SIGNIFICANCE, method="holm")[1]
    return tuple(float(p) for p in corrected[: len(p_values)])


def verdict(effect: Effect, p_holm: float, basis: str) -> Verdict:
    """HELPS or HURTS where the interval clears zero and the corrected p-value is at most 0.05."""
    name = "NO EVIDENCE"
    if p_holm <= SIGNIFICANCE and effect.ci_low > 0:
        name = "HELPS"
    elif p_holm <= SIGNIFICANCE and effect.ci_high < 0:
        name = "HURTS"
    return Verdict.model_validate(
        {
            "verdict": name,
            "effect": effect.delta,
            "ci": (effect.ci_low, effect.ci_high),
            "p_holm": p_holm,
            "basis": basis,
        }
    )


def verdict_of(confirmed: Confirmed) -> Verdict:
    return verdict(confirmed.effect, confirmed.p_holm, "policy")


def choose(confirmed: Iterable[Confirmed]) -> Confirmed | None:
    """The largest confirmed effect that HELPS; None, which recommends no augmentation, where none
    does."""
    helping = [c for c in confirmed if verdict_of(c).verdict == "HELPS"]
    return max(helping, key=lambda c: c.effect.delta, default=None)
