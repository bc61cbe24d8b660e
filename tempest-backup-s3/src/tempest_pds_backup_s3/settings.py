"""What the S3 backup sink reads from the environment."""

from dataclasses import dataclass

from tempest_pds_blob_s3.location import MIB, S3Location, below
from tempest_pds_plugins import setting


@dataclass(frozen=True)
class S3Settings:
    """A bucket, the credentials for it, and how patiently it is asked."""

    endpoint: str | None = setting(
        "TEMPEST_BACKUP_S3_ENDPOINT", default=None, help="the URL of the store, without the bucket; none for AWS"
    )
    bucket: str = setting("TEMPEST_BACKUP_S3_BUCKET", help="the bucket that holds the backups")
    region: str = setting("TEMPEST_BACKUP_S3_REGION", default="auto", help="the bucket's region; AWS needs it")
    access_key_id: str = setting("TEMPEST_BACKUP_S3_ACCESS_KEY_ID", help="the id of the access key")
    secret_access_key: str = setting("TEMPEST_BACKUP_S3_SECRET_ACCESS_KEY", help="the access key's secret", secret=True)
    prefix: str = setting(
        "TEMPEST_BACKUP_S3_PREFIX", default="", help="the folder in the bucket that is for backups; none for all of it"
    )
    path_style: bool | None = setting(
        "TEMPEST_BACKUP_S3_PATH_STYLE",
        default=None,
        help="whether the bucket stands in the path of a URL, not in its host name; by default everywhere but on AWS",
    )
    connect_timeout: float = setting(
        "TEMPEST_BACKUP_S3_CONNECT_TIMEOUT", default=5.0, help="seconds to wait for a connection"
    )
    read_timeout: float = setting(
        "TEMPEST_BACKUP_S3_READ_TIMEOUT", default=60.0, help="seconds to wait for an answer, or for more of one"
    )
    retries: int = setting("TEMPEST_BACKUP_S3_RETRIES", default=4, help="how often a request that failed is repeated")
    part_mib: int = setting(
        "TEMPEST_BACKUP_S3_PART_MIB",
        default=6,
        help="the MiB of one part of an archive: it has at most 10,000, and two at a time are in memory",
    )

    def location(self) -> S3Location:
        """Check the settings against each other; raise `InvalidSettings`."""
        return S3Location(
            family="TEMPEST_BACKUP_S3_",
            endpoint=self.endpoint,
            bucket=self.bucket,
            region=self.region,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            prefix=below(self.prefix),
            path_style=self.endpoint is not None if self.path_style is None else self.path_style,
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
            retries=self.retries,
            connections=4,
            part_size=self.part_mib * MIB,
            part_setting="TEMPEST_BACKUP_S3_PART_MIB",
        )
