"""Whether an `s3://` place can be reached, asked before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

CONNECT_SECONDS = 3
READ_SECONDS = 5
_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or configure a profile"
_REASONS = {
    "NoSuchBucket": "bucket {bucket!r} does not exist; correct the name or create it",
    "404": "bucket {bucket!r} does not exist; correct the name or create it",
    "AccessDenied": "access to bucket {bucket!r} is denied; use credentials that may read it",
    "403": "access to bucket {bucket!r} is denied; use credentials that may read it",
    "InvalidAccessKeyId": f"the AWS access key is not valid; {_CREDENTIALS}",
    "SignatureDoesNotMatch": f"the AWS secret key does not fit the access key; {_CREDENTIALS}",
    "ExpiredToken": f"the AWS session token has expired; {_CREDENTIALS}",
    "PermanentRedirect": "bucket {bucket!r} is in another region; set AWS_REGION to it",
    "301": "bucket {bucket!r} is in another region; set AWS_REGION to it",
}


def check_s3(uri: str) -> str | None:
    """None if the bucket and prefix of an `s3://` URI can be listed now, else the reason and the fix.

    A URI that names more than a bucket needs an object there. Credentials, region and endpoint are found as
    boto3 finds them. Takes about ten seconds at the worst.
    """
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConfigNotFound,
        ConfigParseError,
        EndpointConnectionError,
        HTTPClientError,
        NoCredentialsError,
        PartialCredentialsError,
        ProfileNotFound,
    )

    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    try:
        found = _client().list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    except (NoCredentialsError, PartialCredentialsError):
        return f"no AWS credentials were found; {_CREDENTIALS}"
    except ProfileNotFound as error:
        return f"{error}; correct AWS_PROFILE"
    except ClientError as error:
        return _client_reason(error, bucket)
    except (EndpointConnectionError, HTTPClientError) as error:
        return f"S3 cannot be reached ({error}); check the network, or AWS_ENDPOINT_URL if you set it"
    except (ConfigNotFound, ConfigParseError) as error:  # names a file of this machine
        return f"the AWS configuration cannot be read ({type(error).__name__}); correct it"
    except (BotoCoreError, ValueError) as error:
        return f"{error}; correct the URI or the AWS settings"
    if prefix and not found.get("KeyCount", 0):
        return f"no object lies under {uri}; correct the prefix"
    return None


def _client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    return boto3.session.Session().client("s3", config=config)


def _client_reason(error: ClientError, bucket: str) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))
    known = _REASONS.get(code)
    if known is not None:
        return known.format(bucket=bucket)
    return f"S3 answers {code or 'with an error'}: {error.response.get('Error', {}).get('Message', '')}"
