"""The hyperparameters of SageMaker's linear learner, read from strings and checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpt.algorithms.settings import Auto, BaseSettings, Choice, Integer, Reading, Real, Schema, Switch
from hpt.job.catalog.linear_learner import BINARY, LINEAR_LEARNER, MULTICLASS

PREDICTORS = ("binary_classifier", "multiclass_classifier", "regressor")

LOSSES = {
    "binary_classifier": ("logistic", "hinge_loss"),
    "multiclass_classifier": ("softmax_loss", "hinge_loss"),
    "regressor": (
        *("squared_loss", "absolute_loss", "huber_loss"),
        *("eps_insensitive_squared_loss", "eps_insensitive_absolute_loss"),
    ),
}
"""Losses of each kind of prediction, that of `auto` first."""

CRITERIA = (
    *("accuracy", "f_beta", "precision_at_target_recall", "recall_at_target_precision"),
    *("cross_entropy_loss", "loss_function"),
)

BALANCED = "balanced"

# Of other optimizers, of the search over many models at once, or of the weights' start, which is 0 here.
_RETIRED = (
    "beta_1", "beta_2", "momentum", "bias_lr_mult", "bias_wd_mult", "init_bias", "init_method", "init_scale",
    "init_sigma", "lr_scheduler_factor", "lr_scheduler_minimum_lr", "lr_scheduler_step", "margin",
    "num_calibration_samples", "num_point_for_scaler", "quantile", "unbias_data", "unbias_label",
    "use_lr_scheduler",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Weight:
    """`positive_example_weight_mult`: a positive number, or `balanced`."""

    name: str = "positive_example_weight_mult"

    def read(self, text: str) -> float | str:
        if text.strip().lower() in ("balanced", "auto"):
            return BALANCED
        try:
            return Real(self.name, 0, open_low=True).read(text)
        except ValueError as error:
            raise ValueError(f"{error}, or balanced") from None


SCHEMA = Schema(
    title="the linear learner",
    prints=LINEAR_LEARNER.metric,
    rules=(
        Choice("predictor_type", PREDICTORS),
        Integer("num_classes", 3, 1_000_000),
        Auto(Integer("feature_dim", 1)),
        Auto(Choice("loss", tuple(dict.fromkeys(loss for losses in LOSSES.values() for loss in losses)))),
        Integer("epochs", 1),
        Integer("mini_batch_size", 1),
        Auto(Real("learning_rate", 0, open_low=True)),
        Auto(Real("wd", 0)),
        Auto(Real("l1", 0)),
        Choice("optimizer", ("auto", "sgd", "adam", "rmsprop")),
        Switch("use_bias"),
        Auto(Switch("normalize_data")),
        Auto(Switch("normalize_label")),
        Auto(Integer("num_models", 1)),
        Choice("binary_classifier_model_selection_criteria", CRITERIA),
        Real("target_recall", 0, 1, open_low=True, open_high=True),
        Real("target_precision", 0, 1, open_low=True, open_high=True),
        Switch("balance_multiclass_weights"),
        Integer("accuracy_top_k", 1),
        Real("f_beta", 0, open_low=True),
        Real("huber_delta", 0),
        Real("loss_insensitivity", 0),
        Integer("early_stopping_patience", 1),
        Real("early_stopping_tolerance", 0),
        Integer("seed", 0, 2**31 - 1),
        _Weight(),
    ),
    aliases={"l2": "wd", "_seed": "seed"},
    retired=_RETIRED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(BaseSettings):
    """What to train. None stands for `auto`.

    target: the tuning objective, `validation:objective_loss`. num_classes: 0 for a regressor.
    binary_classifier_model_selection_criteria: what the threshold between two classes is chosen by.
    huber_delta, loss_insensitivity: widths of the Huber and of the eps-insensitive losses, in units of the
    labels as trained on. accuracy_top_k: for `multiclass_top_k_accuracy`.
    """

    predictor_type: str
    num_classes: int
    feature_dim: int | None = None
    loss: str
    epochs: int = 15
    mini_batch_size: int = 1000
    learning_rate: float | None = None
    wd: float = 1e-4
    l1: float = 0.0
    use_bias: bool = True
    normalize_data: bool = True
    normalize_label: bool
    positive_example_weight_mult: float | str = 1.0
    balance_multiclass_weights: bool = False
    binary_classifier_model_selection_criteria: str = "accuracy"
    target_recall: float = 0.8
    target_precision: float = 0.8
    f_beta: float = 1.0
    accuracy_top_k: int = 3
    huber_delta: float = 1.0
    loss_insensitivity: float = 0.01
    early_stopping_patience: int = 3
    early_stopping_tolerance: float = 0.001
    seed: int = 0

    @property
    def is_binary(self) -> bool:
        return self.predictor_type == "binary_classifier"

    @property
    def is_regressor(self) -> bool:
        return self.predictor_type == "regressor"


def read(given: Mapping[str, str]) -> Settings:
    """Settings from the flat map of strings.

    Raises:
        UserError: one message naming every broken rule.
    """
    reading = SCHEMA.read(given)
    reading.require({"predictor_type": ", ".join(PREDICTORS)})
    predictor = reading.string("predictor_type")
    if predictor in LOSSES:
        _check(reading, predictor)
    reading.finish()
    classes = {"binary_classifier": 2, "regressor": 0}.get(predictor)
    return reading.build(
        Settings,
        num_classes=reading.integer("num_classes") if classes is None else classes,
        loss=reading.string("loss", LOSSES[predictor][0]),
        normalize_label=predictor == "regressor" and reading.values.get("normalize_label") is not False,
    )


def _check(reading: Reading, predictor: str) -> None:
    """Notes what does not go together."""
    values = reading.values
    loss = values.get("loss")
    if loss and loss not in LOSSES[predictor]:
        reading.errors.append(
            f"loss: {loss} is not for {predictor}; use one of {', '.join(LOSSES[predictor])}"
        )
    if predictor == "multiclass_classifier":
        reading.require({"num_classes": "labels are 0, ..., num_classes - 1"})
    name = (reading.target or "").partition(":")[2]
    own = {**dict.fromkeys(BINARY, PREDICTORS[0]), **dict.fromkeys(MULTICLASS, PREDICTORS[1])}
    kind = own.get(name, PREDICTORS[2])
    if name and name != "objective_loss" and kind != predictor:
        reading.errors.append(f"the tuning objective {reading.target} is for a {kind}, not a {predictor}")
    if values.get("optimizer") in ("adam", "rmsprop"):
        reading.warnings.append(f"optimizer {values['optimizer']} is not available; sgd runs")
    models = values.get("num_models")
    if isinstance(models, int) and models > 1:
        reading.warnings.append(f"one model is trained, not num_models {models}")
