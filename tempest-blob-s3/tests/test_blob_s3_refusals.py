"""What stores say that the server of the tests does not: each becomes a line that names the setting to change."""

import pytest
from botocore.exceptions import ClientError

from tempest_pds_blob_s3.location import S3Location
from tempest_pds_blob_s3.refusals import mistake, unavailable
from tempest_pds_plugins import InvalidSettings, StoreFull, StoreUnavailable

LOCATION = S3Location(
    family="TEMPEST_BLOB_S3_",
    endpoint="https://s3.example.com",
    bucket="blobs",
    region="auto",
    access_key_id="the-id",
    secret_access_key="the-secret",
    prefix="",
    path_style=True,
    connect_timeout=1,
    read_timeout=1,
    retries=0,
    connections=1,
)

NO_RIGHT = "BUCKET, or TEMPEST_BLOB_S3_ACCESS_KEY_ID and TEMPEST_BLOB_S3_SECRET_ACCESS_KEY"


def refused(code: str, status: int, message: str = "", **headers: str) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "HTTPHeaders": {name.replace("_", "-"): value for name, value in headers.items()},
                "RequestId": "1",
                "HostId": "1",
                "RetryAttempts": 0,
            },
        },
        "ListObjectsV2",
    )


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (refused("Unauthorized", 401), NO_RIGHT),  # R2
        (refused("InvalidArgument", 400, "Credential access key has length 2, should be 32"), "ACCESS_KEY_ID"),  # R2
        (refused("InvalidRegionName", 400, "The region name 'x' is not valid."), "REGION"),  # R2
        (refused("AuthorizationHeaderMalformed", 400, "region 'x' is wrong; expecting 'eu-1'"), "REGION to eu-1"),
        (refused("PermanentRedirect", 301, x_amz_bucket_region="eu-2"), "REGION to eu-2"),  # AWS
        (refused("AccessDenied", 403), NO_RIGHT),
        (refused("InvalidAccessKeyId", 403), "ACCESS_KEY_ID"),
        (refused("SignatureDoesNotMatch", 403), "SECRET_ACCESS_KEY"),
        (refused("NoSuchBucket", 404), "BUCKET"),
        (refused("404", 404), "ENDPOINT"),
        (refused("500", 500, content_type="text/html; charset=utf-8"), "ENDPOINT"),
        (refused("RequestTimeTooSkewed", 403), "differ too much: set the clock"),
    ],
    ids=str,
)
def test_a_certain_mistake_names_its_setting(error: ClientError, setting: str) -> None:
    found = mistake(error, LOCATION)
    assert isinstance(found, InvalidSettings)
    assert str(found).endswith(setting if " the clock" in setting else f"change TEMPEST_BLOB_S3_{setting}")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_store_in_trouble_is_no_mistake(status: int) -> None:
    """Nor is the page of a proxy in front of it."""
    kind = "text/html" if status != 500 else "application/xml"
    found = mistake(refused("SlowDown", status, content_type=kind), LOCATION)
    assert isinstance(found, StoreUnavailable)
    assert "start again when it is well" in str(found)


@pytest.mark.parametrize(
    "error",
    [refused("XMinioStorageFull", 507), refused("QuotaExceeded", 403), refused("InsufficientStorage", 507)],
    ids=str,
)
def test_a_store_without_room_is_full(error: ClientError) -> None:
    assert isinstance(unavailable(error, LOCATION), StoreFull)


def test_a_message_of_the_store_s_is_not_repeated() -> None:
    """It may quote what was signed, and with which key."""
    error = refused("SomethingNew", 400, "your key is the-id and your signature a1b2")
    for found in (unavailable(error, LOCATION), mistake(error, LOCATION)):
        assert "SomethingNew" in str(found)
        assert "the-id" not in str(found)
        assert "a1b2" not in str(found)
