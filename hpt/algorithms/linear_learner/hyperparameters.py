"""The hyperparameters of SageMaker's linear learner, read from texts and checked together before training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpt.algorithms.settings import Auto, Choice, Integer, Reading, Real, Rule, Switch, read_all
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

_ALIASES = {"l2": "wd", "seed": "_seed"}

_RULES: tuple[Rule, ...] = (
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
    Integer("_seed", 0, 2**31 - 1),
)

_DEFAULTS: dict[str, object] = {
    "epochs": 15, "mini_batch_size": 1000, "optimizer": "auto", "use_bias": True, "target_recall": 0.8,
    "target_precision": 0.8, "balance_multiclass_weights": False, "accuracy_top_k": 3, "f_beta": 1.0,
    "huber_delta": 1.0, "loss_insensitivity": 0.01, "early_stopping_patience": 3,
    "early_stopping_tolerance": 0.001, "binary_classifier_model_selection_criteria": "accuracy", "_seed": 0,
    "positive_example_weight_mult": 1.0,
}  # fmt: skip

# Of other optimizers, of the search over many models at once, or of the weights' start, which is 0 here.
_RETIRED = (
    "beta_1", "beta_2", "momentum", "bias_lr_mult", "bias_wd_mult", "init_bias", "init_method", "init_scale",
    "init_sigma", "lr_scheduler_factor", "lr_scheduler_minimum_lr", "lr_scheduler_step", "margin",
    "num_calibration_samples", "num_point_for_scaler", "quantile", "unbias_data", "unbias_label",
    "use_lr_scheduler",
)  # fmt: skip

_AUTO_WD = 1e-4


@dataclass(frozen=True, slots=True)
class _Weight:
    """`positive_example_weight_mult`: a positive number, or `balanced`, read as None."""

    name: str = "positive_example_weight_mult"

    def read(self, text: str) -> float | None:
        if text.strip().lower() in ("balanced", "auto"):
            return None
        try:
            return Real(self.name, 0, open_low=True).read(text)
        except ValueError as error:
            raise ValueError(f"{error}, or balanced") from None


@dataclass(frozen=True, slots=True)
class Settings:
    """What to train. None stands for `auto`; for `positive_weight` it stands for `balanced`.

    target: the tuning objective, `validation:objective_loss`. criterion: what the threshold between two
    classes is chosen by. delta: width of the Huber loss; insensitivity: that of the eps-insensitive losses,
    both in units of the labels as trained on.
    """

    predictor: str
    num_classes: int
    feature_dim: int | None
    loss: str
    epochs: int
    mini_batch_size: int
    learning_rate: float | None
    wd: float
    l1: float
    use_bias: bool
    normalize_data: bool
    normalize_label: bool
    positive_weight: float | None
    balance_classes: bool
    criterion: str
    target_recall: float
    target_precision: float
    f_beta: float
    top_k: int
    delta: float
    insensitivity: float
    patience: int
    tolerance: float
    seed: int
    target: str | None
    warnings: tuple[str, ...]


def read(texts: Mapping[str, str]) -> Settings:
    """Settings from the flat map of texts.

    Raises:
        UserError: one message naming every broken rule.
    """
    reading = read_all(
        texts,
        (*_RULES, _Weight()),
        title="the linear learner",
        metrics=[metric.name for metric in LINEAR_LEARNER.metric_definitions],
        defaults=_DEFAULTS,
        aliases=_ALIASES,
        retired=_RETIRED,
    )
    reading.require({"predictor_type": ", ".join(PREDICTORS)})
    values = reading.values
    predictor = str(values.get("predictor_type", ""))
    if predictor in LOSSES:
        _check(reading, predictor)
    reading.finish()

    def optional(name: str, otherwise: float) -> float:
        return otherwise if values.get(name) is None else reading.real(name)

    weight = "positive_example_weight_mult"
    classes = {"binary_classifier": 2, "regressor": 0}.get(predictor)
    return Settings(
        predictor=predictor,
        num_classes=reading.integer("num_classes") if classes is None else classes,
        feature_dim=None if values.get("feature_dim") is None else reading.integer("feature_dim"),
        loss=str(values.get("loss") or LOSSES[predictor][0]),
        epochs=reading.integer("epochs"),
        mini_batch_size=reading.integer("mini_batch_size"),
        learning_rate=None if values.get("learning_rate") is None else reading.real("learning_rate"),
        wd=optional("wd", _AUTO_WD),
        l1=optional("l1", 0.0),
        use_bias=bool(values["use_bias"]),
        normalize_data=values.get("normalize_data") is not False,
        normalize_label=predictor == "regressor" and values.get("normalize_label") is not False,
        positive_weight=None if values[weight] is None else reading.real(weight),
        balance_classes=bool(values["balance_multiclass_weights"]),
        criterion=str(values["binary_classifier_model_selection_criteria"]),
        target_recall=reading.real("target_recall"),
        target_precision=reading.real("target_precision"),
        f_beta=reading.real("f_beta"),
        top_k=reading.integer("accuracy_top_k"),
        delta=reading.real("huber_delta"),
        insensitivity=reading.real("loss_insensitivity"),
        patience=reading.integer("early_stopping_patience"),
        tolerance=reading.real("early_stopping_tolerance"),
        seed=reading.integer("_seed"),
        target=reading.target,
        warnings=tuple(reading.warnings),
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
    if values["optimizer"] in ("adam", "rmsprop"):
        reading.warnings.append(f"optimizer {values['optimizer']} is not available; sgd runs")
    models = values.get("num_models")
    if isinstance(models, int) and models > 1:
        reading.warnings.append(f"one model is trained, not num_models {models}")
