"""What a search writes down of where it ran: versions, machine, precision and the hashes of what it
was given."""

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from search.driver.prepare import Prepared, available_cores, networks_of
from search.features.precision_choice import PrecisionChoice

PACKAGES = (
    "augsearch",
    "tensorflow",
    "keras",
    "keras-tuner",
    "mlflow",
    "pandas",
    "numpy",
    "openvino",
    "nncf",
    "opencv-python-headless",
    "pillow",
    "matplotlib",
    "scikit-learn",
)


def describe_environment(prepared: Prepared) -> dict[str, Any]:
    """Versions, machine and hashes, for `environment.json`. Nothing of the user's environment
    variables."""
    from search.features.backbones import weights_identity
    from search.features.devices import names_of_cards

    cards, config = names_of_cards(), prepared.config
    return {
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        **({"gpus": cards} if cards else {}),
        "cores": available_cores(),
        **_precision(prepared.choice),
        "dataset": prepared.dataset.digest,
        **({"code": files} if (files := config.code.files) else {}),
        "weights": {f"{b}/{w}": weights_identity(b, w) for b, w in networks_of(config)},
    }


def _precision(choice: PrecisionChoice) -> dict[str, Any]:
    rates = {precision: round(rate, 1) for precision, rate in choice.rates.items()}
    return {
        "precision": choice.precision,
        **({"images_a_second": rates} if rates else {}),
        **({"why_this_precision": choice.why} if choice.why else {}),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
