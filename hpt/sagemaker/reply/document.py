"""A tuning job and its training jobs as JSON data with the service's members, the base of every output.

Values are exact and reasons complete; replies to clients round and truncate them (`response`). Members that
do not apply are left out.
"""

from __future__ import annotations

from typing import Any

from hpt.job.view import JobView, TrialView
from hpt.sagemaker.request.convert import warm_start_request
from hpt.search.events import JobExtended


def training_job_document(trial: TrialView) -> dict[str, Any]:
    """A training job: what the service shows of it."""
    document: dict[str, Any] = {
        "TrainingJobName": trial.name,
        "TrainingJobDefinitionName": trial.definition,
        "CreationTime": trial.created,
        "TrainingStartTime": trial.training_start,
        "TrainingEndTime": trial.training_end,
        "TrainingJobStatus": str(trial.status),
        "ObjectiveStatus": str(trial.objective_status),
        "TunedHyperParameters": dict(trial.hyperparameters),
        "FailureReason": trial.failure_reason or None,
    }
    if trial.value is not None:
        kind = {} if trial.definition is None else {"Type": str(trial.objective)}
        document["FinalHyperParameterTuningJobObjectiveMetric"] = {
            **kind,
            "MetricName": trial.metric,
            "Value": trial.value,
        }
    return {member: value for member, value in document.items() if value is not None}


def full_training_job_document(trial: TrialView) -> dict[str, Any]:
    """The same with what the service does not show: model, attempts, what the service charges
    where it runs there, the last value of each metric.
    """
    document = training_job_document(trial) | {
        "SecondaryStatus": trial.secondary,
        "StopReason": trial.stop_reason or None,
        "Model": trial.model or None,
        "Attempts": len(trial.attempts),
        "TrainingTimeInSeconds": None if trial.charged is None else trial.machine_seconds,
        "BillableTimeInSeconds": trial.charged,
        "Interruptions": trial.preempted or None,
        "Metrics": {name: value for name, (value, _) in trial.latest.items()},
    }
    return {member: value for member, value in document.items() if value is not None}


def tuning_job_document(job: JobView) -> dict[str, Any]:
    """A tuning job, its best training job in full; beyond the service's members its seed and criterion."""
    best, config = job.best, job.config
    document: dict[str, Any] = {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobStatus": str(job.status),
        "Strategy": config.strategy,
        "RandomSeed": config.seed,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "HyperParameterTuningEndTime": job.ended,
        "TrainingJobStatusCounters": job.training_counters,
        "ObjectiveStatusCounters": job.objective_counters,
        "WarmStartConfig": None if config.warm_start is None else warm_start_request(config.warm_start),
        "Extensions": [_extension(change) for change in job.extensions] or None,
        "CompletionCriterion": job.criterion or None,
        "TuningJobCompletionDetails": completion_details(job) or None,
        "FailureReason": job.failure_reason or None,
        "BestTrainingJob": None if best is None else full_training_job_document(best),
    }
    return {member: value for member, value in document.items() if value is not None}


def _extension(change: JobExtended) -> dict[str, Any]:
    """A larger budget that the job was given: when, its limits since and before."""
    limits = {
        "MaxNumberOfTrainingJobs": (change.max_jobs, change.former_max_jobs),
        "MaxParallelTrainingJobs": (change.max_parallel_jobs, change.former_max_parallel_jobs),
        "MaxRuntimeInSeconds": (change.max_runtime_seconds, change.former_max_runtime_seconds),
    }
    return {
        "Time": change.time,
        "ResourceLimits": {name: new for name, (new, _) in limits.items() if new is not None},
        "FormerResourceLimits": {name: old for name, (_, old) in limits.items() if old is not None},
    }


def completion_details(job: JobView) -> dict[str, Any]:
    """The progress of the completion criteria (behaviour 8.6); empty before the first final objective."""
    details: dict[str, Any] = {}
    if job.not_improving is not None:
        details["NumberOfTrainingJobsObjectiveNotImproving"] = job.not_improving
    if job.converged is not None:
        details["ConvergenceDetectedTime"] = job.converged
    return details
