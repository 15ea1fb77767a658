"""The search phase: asks the oracle for trials, has them run, and tells it the answers, all from
one thread.

What runs a trial is the ledger's engine; whether a trial was run before is the ledger's business
too.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

from search.driver.algorithms import ALGORITHMS, build_oracle, views_ladder
from search.driver.phases import Context, Controls


@dataclass(frozen=True)
class _Asked:
    """A trial that was asked for and has no answer yet."""

    number: int
    proposal: Any
    views: Any


def run_trials(context: Context, controls: Controls) -> list[int]:
    """The search phase, `lookahead` trials ahead; told in trial order, so that it repeats, unless
    `execution.order` is eager. Returns the trials' numbers.
    """
    return SearchPhase(context, controls, build_oracle(context.config, context.space)).run()


class SearchPhase:
    """Asks, submits and tells."""

    def __init__(self, context: Context, controls: Controls, oracle: Any) -> None:
        self.context, self.controls, self.oracle = context, controls, oracle
        self.ladder = views_ladder(context.config)
        self.budget_key = ALGORITHMS[context.config.search.algorithm].budget_key
        self.running: deque[_Asked] = deque()
        self.done: list[int] = []
        self.open_to_more = True

    def run(self) -> list[int]:
        while self.open_to_more or self.running:
            while self.open_to_more and len(self.running) < self.context.config.search.lookahead:
                if not self.ask():
                    break
            if self.running:
                self.tell(self._next())
        return self.done

    def _next(self) -> _Asked:
        """The trial to tell: the oldest, or, where the order is free, the first to have an
        answer."""
        if self.context.config.execution.order == "deterministic":
            return self.running.popleft()
        number = self.context.ledger.first_answered([asked.number for asked in self.running])
        found = next(asked for asked in self.running if asked.number == number)
        self.running.remove(found)
        return found

    def ask(self) -> bool:
        """Asks for one more trial and submits it; whether there was one to ask for now."""
        number = len(self.done) + len(self.running)
        if self.context.out_of_time(number):
            self.open_to_more = False
            return False
        proposal = self.oracle.create_trial(f"trial-{number}")
        if proposal.status != "RUNNING":
            # IDLE waits for an answer that is under way; anything else has nothing more to ask.
            self.open_to_more = proposal.status == "IDLE" and bool(self.running)
            return False
        values = proposal.hyperparameters.values
        views = values.get(self.budget_key) if self.budget_key else None
        settings = self.context.space.settings(values)
        spec = self.context.specs.search("trial", f"trial {number + 1}", settings, views)
        rung = self.ladder.index(views) if views in self.ladder else None
        self.running.append(_Asked(self.context.ask("trial", spec, rung), proposal, views))
        return True

    def tell(self, asked: _Asked) -> None:
        """Waits for an answer and gives it to the oracle."""
        record = self.context.tell(asked.number, self.controls.baseline(asked.views))
        result = record.result
        if result is not None and result.status == "completed":
            self.oracle.update_trial(asked.proposal.trial_id, {"score": result.score})
            asked.proposal.status = "COMPLETED"
        else:
            asked.proposal.status = "FAILED"
        self.oracle.end_trial(asked.proposal)
        self.done.append(asked.number)
