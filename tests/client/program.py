"""A program as it is written for SageMaker; only its first line is another one than `import boto3`."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from botocore.exceptions import ClientError

import hpt.client as boto3

request = json.loads(Path(sys.argv[1]).read_text())
name = request["HyperParameterTuningJobName"]
sagemaker = boto3.client("sagemaker", region_name="eu-west-1")

began = datetime.now(UTC)
arn = sagemaker.create_hyper_parameter_tuning_job(**request)["HyperParameterTuningJobArn"]
try:
    sagemaker.create_hyper_parameter_tuning_job(**request)
except ClientError as error:
    taken = error.response["Error"]["Code"]

while True:
    tuning = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    if tuning["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
        break
    time.sleep(0.2)

pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
    HyperParameterTuningJobName=name, SortBy="FinalObjectiveMetricValue", SortOrder="Ascending"
)
values = [
    summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    for page in pages
    for summary in page["TrainingJobSummaries"]
]
best = tuning["BestTrainingJob"]["TrainingJobName"]
sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=best)
training = sagemaker.describe_training_job(TrainingJobName=best)
try:
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
except ClientError as error:
    stopped = error.response["Error"]["Code"]
try:
    sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="nothing")
except sagemaker.exceptions.ResourceNotFound as error:
    missing = error.response["Error"]["Code"]

print(
    json.dumps(
        {
            "arn": arn,
            "taken": taken,
            "stopped": stopped,
            "missing": missing,
            "status": tuning["HyperParameterTuningJobStatus"],
            "counters": tuning["TrainingJobStatusCounters"],
            "values": values,
            "best": tuning["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"],
            "hyperparameters": training["HyperParameters"],
            "later": began <= tuning["CreationTime"] <= training["TrainingEndTime"],
        }
    )
)
