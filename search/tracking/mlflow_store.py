"""The only module that imports MLflow: one experiment of one store, through MLflow's client alone,
so that no active run and no global address is touched. What is written comes as values; when,
decides `tracker`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.redacted_values import redacted_values
from data.scratch import scratch_folder
from search.experiment.tracking_uri import artifact_location, is_database, mlflow_uri, sqlite_file
from search.tracking.mlflow_values import (
    SEARCH_TAG,
    DatasetRow,
    FoundRun,
    Point,
    RunRow,
    Winner,
    model_name,
)
from search.tracking.saved_view import chart_files, chart_name
from search.tracking.store_guards import (
    clean_copy,
    hide_in_logs,
    make_whole,
    requirements,
    set_defaults,
    user_tag,
)

KIND_TAG = "mlflow.experimentKind"
KIND = "custom_model_development"  # else the dashboard guesses, and asks
# MLflow takes 1000 values a call, 100 params, 100 tags.
METRICS_PER_BATCH, OTHERS_PER_BATCH = 800, 100
ALIAS = "winner"  # of a registered model: what its newest search recommends
TEXT_FILES = (".yaml", ".json", ".csv", ".html", ".txt")


class Store:
    """One experiment at a checked URI, made if it is missing. Every method may raise what MLflow
    raises."""

    def __init__(self, uri: str, experiment: str, run_dir: Path) -> None:
        set_defaults()
        from mlflow import MlflowClient

        hide_in_logs(uri)
        if file := sqlite_file(uri):
            make_whole(file, _make_tables)
        elif is_database(uri):
            _ask_once()
        given = mlflow_uri(uri)
        self._client = MlflowClient(tracking_uri=given, registry_uri=given)
        self.experiment_id = self._experiment(experiment, artifact_location(uri, run_dir))

    def find(self, search_id: str, page_size: int) -> list[FoundRun]:
        """Every run of a search, deleted ones left out."""
        found, token = [], None
        while True:
            page = self._client.search_runs(
                [self.experiment_id],
                filter_string=f"tags.`{SEARCH_TAG}` = '{search_id}'",
                max_results=page_size,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            found += [FoundRun.of(run) for run in page]
            token = page.token
            if not token:
                return found

    def create(self, row: RunRow, tags: Mapping[str, str]) -> str:
        """A run without metrics and params, RUNNING. Returns its id."""
        run = self._client.create_run(
            self.experiment_id,
            start_time=row.started,
            tags={**row.tags, **tags, **user_tag()},
            run_name=row.name,
        )
        return str(run.info.run_id)

    def write(
        self,
        run_id: str,
        points: Sequence[Point],
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> None:
        """In as few calls as MLflow's limits allow; almost always one."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(p.key, p.value, p.timestamp, p.step) for p in points]
        pairs = [Param(*item) for item in params.items()]
        marks = [RunTag(*item) for item in tags.items()]
        while metrics or pairs or marks:
            self._client.log_batch(
                run_id,
                metrics=metrics[:METRICS_PER_BATCH],
                params=pairs[:OTHERS_PER_BATCH],
                tags=marks[:OTHERS_PER_BATCH],
            )
            metrics, pairs = metrics[METRICS_PER_BATCH:], pairs[OTHERS_PER_BATCH:]
            marks = marks[OTHERS_PER_BATCH:]

    def set_status(self, run_id: str, status: str, ended: int | None) -> None:
        if ended is None:
            self._client.update_run(run_id, status=status)
        else:
            self._client.set_terminated(run_id, status=status, end_time=ended)

    def delete(self, run_id: str) -> None:
        self._client.delete_run(run_id)

    def log_datasets(self, run_id: str, rows: Iterable[DatasetRow]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(row.name, row.digest, "local", row.source, row.schema, row.profile),
                [InputTag("mlflow.data.context", row.context)],
            )
            for row in rows
        ]
        self._client.log_inputs(run_id, datasets=inputs)

    def log_file(
        self, run_id: str, path: Path, folder: str | None = None, names: Sequence[str] = ()
    ) -> None:
        """What may be secret in a text file is replaced on the way, but for these names; the file
        itself stays as it is."""
        if path.suffix in TEXT_FILES:
            text = path.read_text(encoding="utf-8")
            if (clean := clean_copy(text, path.suffix, names)) != text:
                self.log_text(run_id, clean, f"{folder}/{path.name}" if folder else path.name)
                return
        self._client.log_artifact(run_id, str(path), folder)

    def log_picture(self, run_id: str, path: Path, key: str) -> None:
        """As a chart of the dashboard too, which what is no picture is not."""
        with scratch_folder("augsearch-picture-") as folder:
            files = chart_files(path, folder / chart_name(key, run_id))
            for file in files:
                self._client.log_artifact(run_id, str(file), "images")
        if files:
            self._client.set_tag(run_id, "mlflow.loggedImages", "True")

    def experiment_tags(self) -> dict[str, str]:
        return dict(self._client.get_experiment(self.experiment_id).tags)

    def set_experiment_tag(self, key: str, value: str) -> None:
        self._client.set_experiment_tag(self.experiment_id, key, value)

    def log_text(self, run_id: str, text: str, name: str) -> None:
        self._client.log_text(run_id, text, name)

    def log_winner(self, run_id: str, winner: Winner, tags: Mapping[str, str], about: str) -> None:
        """Stores and registers the model, once a search: a second call finds the first one's
        version.

        tags and about (Markdown) are shown with the version in the registry.
        """
        name = model_name(winner.registered_name)
        versions = self._client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
        if versions:
            version = versions[0].version
        else:
            model = self._stored_model(run_id) or self._store_model(run_id, winner)
            version = self._register(name, run_id, model, tags, about)
        named = self._client.get_registered_model(name).aliases
        if int(named.get(ALIAS, 0)) < int(version):
            self._client.set_registered_model_alias(name, ALIAS, str(version))

    def _experiment(self, name: str, location: str | None) -> str:
        from mlflow.exceptions import MlflowException

        if (found := self._client.get_experiment_by_name(name)) is None:
            try:
                return str(self._client.create_experiment(name, location, {KIND_TAG: KIND}))
            except MlflowException:
                # Another search may have made it in between.
                if (found := self._client.get_experiment_by_name(name)) is None:
                    raise
        if found.lifecycle_stage != "active":
            raise UserError(
                f"the MLflow experiment {name!r} is deleted; restore it there, or choose another "
                "name"
            )
        if KIND_TAG not in found.tags:
            self._client.set_experiment_tag(found.experiment_id, KIND_TAG, KIND)
        return str(found.experiment_id)

    def _stored_model(self, run_id: str) -> Any:
        """The model an earlier sitting stored whole. One it left half-way is deleted, and stays
        among the run's outputs."""
        from mlflow.exceptions import MlflowException

        outputs = self._client.get_run(run_id).outputs
        for output in outputs.model_outputs if outputs else ():
            try:
                model = self._client.get_logged_model(output.model_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                continue  # it was deleted
            if str(model.status) == "READY":
                return model
            self._client.delete_logged_model(output.model_id)
        return None

    def _store_model(self, run_id: str, winner: Winner) -> Any:
        from mlflow.entities import LoggedModelOutput

        model = self._client.create_logged_model(
            self.experiment_id, name="winner", source_run_id=run_id, model_type="classifier"
        )
        self._client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        with scratch_folder("augsearch-model-") as folder:
            path = folder / "model"
            path.mkdir()  # MLflow writes the example before it makes the folder
            _save_model(path, run_id, model, winner)
            self._client.log_model_artifacts(model.model_id, str(path))
        return self._client.finalize_logged_model(model.model_id, "READY")

    def _register(
        self, name: str, run_id: str, model: Any, tags: Mapping[str, str], about: str
    ) -> str:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self._client.create_model_version(
            name,
            model.artifact_location,
            run_id,
            dict(tags),
            description=about,
            model_id=model.model_id,
        )
        return str(version.version)


def _ask_once() -> None:
    """MLflow asks a database that does not answer ten times, for minutes; `sender` asks again by
    itself."""
    from mlflow.store.db import utils

    utils.MAX_RETRY_COUNT = 1


def _make_tables(uri: str) -> None:
    """MLflow makes the tables of a new database on its first call: 40 migrations, each committed on
    its own."""
    from mlflow import MlflowClient

    given = mlflow_uri(uri)
    MlflowClient(tracking_uri=given, registry_uri=given).search_experiments(max_results=1)


def _save_model(path: Path, run_id: str, model: Any, winner: Winner) -> None:
    """An MLflow model folder at `path`: the Keras model, signature, example, class names, what it
    needs."""
    import keras
    import mlflow.keras
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    details = redacted_values(winner.metadata, winner.class_names)
    images = Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3))])
    probabilities = Schema([TensorSpec(np.dtype(np.float32), (-1, len(winner.class_names)))])
    mlflow.keras.save_model(
        keras.saving.load_model(winner.model_path, compile=False),
        str(path),
        mlflow_model=Model(
            artifact_path=model.artifact_location,
            run_id=run_id,
            model_uuid=model.model_id,
            model_id=model.model_id,
        ),
        signature=ModelSignature(inputs=images, outputs=probabilities),
        input_example=winner.example,
        metadata={**details, "class_names": list(winner.class_names)},
        pip_requirements=requirements(),
    )
