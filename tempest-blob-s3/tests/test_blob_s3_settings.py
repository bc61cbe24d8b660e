"""The settings of the S3 blob store: what they come to, and what is wrong with them."""

import pytest

from tempest_pds_blob_s3.location import S3Location
from tempest_pds_blob_s3.settings import S3Settings
from tempest_pds_plugins import InvalidSettings
from tempest_pds_plugins.settings import declared, read

GUIDE = {
    "TEMPEST_BLOB_S3_ENDPOINT": "https://0123456789abcdef.r2.cloudflarestorage.com",
    "TEMPEST_BLOB_S3_BUCKET": "tempest-blobs",
    "TEMPEST_BLOB_S3_REGION": "auto",
    "TEMPEST_BLOB_S3_ACCESS_KEY_ID": "id",
    "TEMPEST_BLOB_S3_SECRET_ACCESS_KEY": "s3cr3t",
}
AWS = {
    **{name: value for name, value in GUIDE.items() if not name.endswith("_ENDPOINT")},
    "TEMPEST_BLOB_S3_REGION": "eu-central-1",
}


def location(environment: dict[str, str], **changed: str) -> S3Location:
    return read(S3Settings, {**environment, **{f"TEMPEST_BLOB_S3_{n}": v for n, v in changed.items()}}).location()


def test_the_settings_of_the_guide_suffice() -> None:
    found = location(GUIDE)
    assert (found.bucket, found.region, found.path_style, found.prefix) == ("tempest-blobs", "auto", True, "")
    assert found.url("k") == "https://0123456789abcdef.r2.cloudflarestorage.com/tempest-blobs/k"


def test_aws_is_named_by_its_region_alone() -> None:
    found = location(AWS)
    assert (found.endpoint, found.path_style) == (None, False)
    assert found.url("k") == "s3://tempest-blobs/k"


@pytest.mark.parametrize(("given", "style"), [("true", True), ("false", False)])
def test_the_style_of_urls_can_be_chosen(given: str, style: bool) -> None:
    assert location(GUIDE, PATH_STYLE=given).path_style is style
    assert location(AWS, PATH_STYLE=given).path_style is style


@pytest.mark.parametrize("given", ["tempest", "tempest/"])
def test_a_prefix_is_a_folder(given: str) -> None:
    assert location(GUIDE, PREFIX=given).prefix == "tempest/"


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"ENDPOINT": "s3.example.com"}, "ENDPOINT to a URL such as https://s3.example.com"),
        ({"ENDPOINT": "ftp://s3.example.com"}, "ENDPOINT to a URL such as"),
        ({"ENDPOINT": "https://"}, "ENDPOINT to a URL such as"),
        ({"ENDPOINT": "https://s3.example.com:port"}, "ENDPOINT to a URL such as"),
        ({"ENDPOINT": "https://s3.example.com/?x=y"}, "ENDPOINT to a URL such as"),
        ({"ENDPOINT": "https://id:s3cr3t@s3.example.com"}, "ENDPOINT to a URL without credentials"),
        ({"ENDPOINT": "https://s3.example.com/tempest-blobs"}, "ENDPOINT to the URL of the store alone, without the b"),
        ({"ENDPOINT": "https://s3.example.com/tempest-blobs/"}, "ENDPOINT to the URL of the store alone, without the"),
        ({"ENDPOINT": ""}, "REGION to the bucket's region, such as eu-central-1, or name another store with ENDPOINT"),
        ({"PREFIX": "/blobs"}, "PREFIX to a name such as tempest/"),
        ({"PREFIX": "../blobs"}, "PREFIX to a name such as tempest/"),
        ({"CONNECT_TIMEOUT": "0"}, "CONNECT_TIMEOUT and TEMPEST_BLOB_S3_READ_TIMEOUT to seconds, more than none"),
        ({"READ_TIMEOUT": "-1"}, "CONNECT_TIMEOUT and TEMPEST_BLOB_S3_READ_TIMEOUT to seconds, more than none"),
        ({"READ_TIMEOUT": "nan"}, "CONNECT_TIMEOUT and TEMPEST_BLOB_S3_READ_TIMEOUT to seconds, more than none"),
        ({"RETRIES": "11"}, "RETRIES to a number from 0 to 10"),
        ({"CONNECTIONS": "0"}, "CONNECTIONS to a number from 1 to 100"),
        ({"PATH_STYLE": "sideways"}, "PATH_STYLE to true or false"),
    ],
    ids=lambda value: " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_what_cannot_be_used_is_refused(changed: dict[str, str], wanted: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        location(GUIDE, **changed)
    assert str(caught.value).startswith(f"set TEMPEST_BLOB_S3_{wanted}")
    assert "s3cr3t" not in str(caught.value)


def test_settings_that_are_missing_are_named() -> None:
    with pytest.raises(InvalidSettings) as caught:
        read(S3Settings, {})
    for name in ("BUCKET", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        assert f"TEMPEST_BLOB_S3_{name}" in str(caught.value)


def test_no_secret_is_shown() -> None:
    settings = read(S3Settings, GUIDE)
    assert "s3cr3t" not in repr(settings)
    assert "s3cr3t" not in repr(settings.location())
    assert [setting.name for setting in declared(S3Settings) if setting.secret] == ["TEMPEST_BLOB_S3_SECRET_ACCESS_KEY"]
