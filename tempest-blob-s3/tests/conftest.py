"""The S3 server of the tests."""

from tests.support.s3_server import lone_s3_server, s3_server

__all__ = ["lone_s3_server", "s3_server"]
