"""What SageMaker's Python SDK reads of replies unconditionally, replayed without the SDK."""

from __future__ import annotations

from typing import Any

from tests.client.conftest import Desk


def status_message(description: dict[str, Any], previous: dict[str, Any] | None) -> str:
    """As `secondary_training_status_message` of version 2 reads a description, transition by transition."""
    transitions = description["SecondaryStatusTransitions"]
    assert description["LastModifiedTime"]
    before = 0 if previous is None else len(previous["SecondaryStatusTransitions"])
    new = transitions[-1:] if before == len(transitions) else transitions[before - len(transitions) :]
    return "\n".join(f"{each['Status']} - {each['StatusMessage']}" for each in new)


def attached(description: dict[str, Any]) -> tuple[Any, ...]:
    """As `Estimator.attach` of version 2 reads a description."""
    return (
        description["RoleArn"],
        description["ResourceConfig"]["InstanceCount"],
        description["ResourceConfig"]["InstanceType"],
        description["ResourceConfig"]["VolumeSizeInGB"],
        description["StoppingCondition"]["MaxRuntimeInSeconds"],
        description["AlgorithmSpecification"]["TrainingInputMode"],
        description["AlgorithmSpecification"]["TrainingImage"],
        description["TrainingJobName"],
        description["OutputDataConfig"]["S3OutputPath"],
        description["OutputDataConfig"]["KmsKeyId"],
        description["ModelArtifacts"]["S3ModelArtifacts"],
        {name: str(value) for name, value in description["HyperParameters"].items()},
    )


def test_a_training_job_that_ended(desk: Desk) -> None:
    desk.create("read", jobs=1)
    best = desk.wait("read")["BestTrainingJob"]["TrainingJobName"]
    description = desk.client.describe_training_job(TrainingJobName=best)
    assert status_message(description, None) == (
        "Starting - Starting the training job\n"
        "Downloading - Downloading input data\n"
        "Training - Training image download completed. Training in progress.\n"
        "Uploading - Uploading generated training model\n"
        "Completed - Training job completed"
    )
    assert attached(description)[-2] == f"file://{desk.root}/models/{best}/output/model.tar.gz"
    assert desk.client.list_tags(ResourceArn=description["TrainingJobArn"])["Tags"] == []


def test_a_training_job_from_its_first_reply_on(desk: Desk) -> None:
    """Every description while it goes on has all members, also before there is a model."""
    desk.create("run", jobs=1, pause=0.3)
    desk.wait("run", until=lambda reply: reply["TrainingJobStatusCounters"]["InProgress"])
    name = desk.trials("run")[0]["TrainingJobName"]
    previous: dict[str, Any] | None = None
    models = set()
    while previous is None or previous["TrainingJobStatus"] == "InProgress":
        description = desk.client.describe_training_job(TrainingJobName=name)
        assert status_message(description, previous)
        models.add(attached(description)[-2])
        previous = description
    assert models == {f"file://{desk.root}/models/{name}/output/model.tar.gz"}


def test_an_unknown_training_job_is_told_as_the_service_tells_it(desk: Desk) -> None:
    """The usual question whether a training job exists."""
    try:
        desk.client.describe_training_job(TrainingJobName="never")
    except desk.client.exceptions.ClientError as error:
        answer = error.response["Error"]
    assert (answer["Code"], answer["Message"]) == ("ValidationException", "Requested resource not found.")
