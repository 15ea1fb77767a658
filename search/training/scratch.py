"""Mode scratch: the whole network from random weights of each head's own seed, on a new view every epoch."""

from search.training.head_shape import initial_weights
from search.training.job import Job, Trained
from search.training.network import Network, State
from search.training.network_training import Phase
from search.training.whole import answer_by, hash_of_feed, image_feed, network_of, phase_of, run_phase

SCRATCH = "scratch"
WARMUP_EPOCHS = 1.0


def train_scratch(job: Job) -> Trained:
    """Raises TrialFailure where a loss is not finite."""
    model, size = job.spec.settings.model, job.spec.dataset.image_size
    head = (model.head_units, job.num_classes)
    network = network_of(model.backbone, model.weights, size, "all", True, True, head)
    feed = image_feed(job)
    before = hash_of_feed(job, feed)
    heads = run_phase(job, network, lambda h: _start(job, network, h), feed, _phase(job), needs_company=True)
    return Trained(
        heads=heads,
        answer=answer_by(network, heads.weights, lambda pictures: pictures),
        validation_hash=(before, hash_of_feed(job, feed)),
        features_seconds=0.0,
        images_extracted=0,
        engine=None,
        path="whole network: every layer trains",
    )


def _start(job: Job, network: Network, head: int) -> State:
    from search.features.backbones import build_backbone

    model, seed = job.spec.settings.model, job.tasks[head].seed
    body = build_backbone(model.backbone, "random", job.spec.dataset.image_size, seed=seed)
    return network.start(initial_weights(network.shape, seed), seed, body.get_weights())


def _phase(job: Job) -> Phase:
    settings = job.spec.settings
    rate = "model.learning_rate", settings.model.learning_rate
    return phase_of(job, SCRATCH, rate, WARMUP_EPOCHS, settings.training.max_epochs)
