"""The words of the page, each explained once: at its end, and over the headings of its tables.
`docs/numbers.md` says how the figures come about."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """meaning: one or two sentences. headings: of table columns that it explains."""

    name: str
    meaning: str
    headings: tuple[str, ...] = ()


GLOSSARY = (
    Term(
        "setting",
        "Which augmentations are on, and how strongly. A setting is called by what it sets; a "
        "number, such as #9, is one training of it.",
        ("setting", "what"),
    ),
    Term(
        "trial",
        "One setting trained in every fold and with every seed, and scored on clean images. Its "
        "kind: control (what others are compared with), trial (of the search), confirm (again, on "
        "fresh seeds), ablation (one augmentation alone, or a setting without one).",
        ("trial", "kind"),
    ),
    Term(
        "fold",
        "A part of the images. A model trained on the other parts scores it, each part in turn, so "
        "that no image is scored by a model that saw it.",
    ),
    Term(
        "seed",
        "What a training draws by chance: its first weights and the order of its images. Several "
        "seeds are trainings that differ in nothing else.",
    ),
    Term("head", "One trained model: one fold, one seed."),
    Term(
        "view",
        "One augmented copy of an image. Training on 16 views shows a model 16 copies of each in "
        "turn; a fresh view is a new copy in every epoch.",
        ("views",),
    ),
    Term(
        "effect",
        "A setting's score less that of no augmentation, on the same images, folds and seeds.",
        ("effect (95 %)", "by its own training (95 %)"),
    ),
    Term(
        "by all trainings",
        "The effect as the verdicts have it, with the simultaneous interval. Empty for a setting "
        "that nothing is said of: the verdicts are of single augmentations as they are judged, of "
        "what is recommended, or else was expected best, and of the controls.",
        ("by all trainings (95 %)",),
    ),
    Term(
        "interval",
        "The range in brackets, which holds the truth in 95 of 100 searches. Those of verdicts are "
        "simultaneous: all of them hold at once that often, so any may be picked after seeing all.",
    ),
    Term(
        "verdict",
        "HELPS or HURTS: the whole interval is above, or below, zero. NEGLIGIBLE: it holds zero "
        "and ends where an effect begins to matter. NO EVIDENCE: it holds zero and reaches "
        "further. NOT TRIED: no training that counts used it, or none that tells it from what was "
        "always on with it, or there is none without augmentation that it can be compared with, at "
        "the same model and training values. Lower rungs do not count.",
        ("verdict",),
    ),
    Term(
        "strength",
        "The value that an augmentation is judged at alone: the weakest that keeps four fifths of "
        "the best gain; else the weakest that HURTS; where nothing gains or hurts, the strongest. "
        "One that was trained alone goes before one that is read off.",
        ("strength",),
    ),
    Term(
        "range",
        "The strengths about the best one that are not shown to be worse, up to the next that "
        "HURTS. Best at its edge: a stronger one than was searched may gain more.",
        ("range",),
    ),
    Term(
        "read off the curve",
        "No training had this strength. Its effect is what the trainings at other strengths let "
        "expect; the interval allows for that.",
    ),
    Term(
        "recommended setting",
        "What the answer says to use. Beside it: what an augmentation adds to that setting, or "
        "adds with it where the setting has it already.",
        ("beside the recommended setting",),
    ),
    Term(
        "setting expected best",
        "The setting that the search's trials, all together, let expect most of. It is trained "
        "again in the confirmation, whether it turns out to gain or not.",
        ("beside the setting expected best",),
    ),
    Term(
        "control",
        "No augmentation, and others tried in every search: the settings of the course that the "
        "tool began with, and TrivialAugment.",
    ),
    Term(
        "confirmation",
        "The best settings, and each augmentation alone, trained again on folds, seeds and views "
        "that took no part in choosing them.",
        ("in the search, that training alone",),
    ),
    Term(
        "detectable",
        "The true gain that the intervals of this search would have called HELPS 4 times in 5. "
        "The command check tells another figure before a search: of one whole setting, by what is "
        "usual.",
    ),
    Term(
        "null floor",
        "What the best of so many settings would show in 95 of 100 searches if none differed from "
        "no augmentation.",
    ),
    Term(
        "optimistic",
        "Accuracy where each head's epoch is chosen on the very images it is scored on, as scripts "
        "report it.",
        ("optimistic",),
    ),
    Term("epoch", "The median epoch whose weights a trial's heads kept.", ("epoch",)),
    Term("cut", "How many heads max_epochs ended, in the place of patience.", ("cut",)),
    Term(
        "lost",
        "How many heads did not train: they diverged, never were better than guessing, or were "
        "undone by fine-tuning. They are scored with the others, unless the trial failed by them.",
        ("lost",),
    ),
    Term(
        "rung",
        "A share of the views, or of the epochs of a complete training. Trials begin on a small "
        "one, and the best of them get more.",
    ),
)

_BY_HEADING = {heading: term.meaning for term in GLOSSARY for heading in term.headings}


def meaning_of(heading: str) -> str:
    """What a column's heading means, without its unit; empty where that needs no words."""
    return _BY_HEADING.get(heading, "")
