"""What the S3 backup sink reads from the environment."""

from dataclasses import dataclass

from tempest_pds_plugins import setting


@dataclass(frozen=True)
class S3Settings:
    """A bucket and the credentials for it."""

    endpoint: str = setting("TEMPEST_BACKUP_S3_ENDPOINT", help="the URL of the object store")
    bucket: str = setting("TEMPEST_BACKUP_S3_BUCKET", help="the bucket that holds the backups")
    region: str = setting("TEMPEST_BACKUP_S3_REGION", default="auto", help="the bucket's region")
    access_key_id: str = setting("TEMPEST_BACKUP_S3_ACCESS_KEY_ID", help="the id of the access key")
    secret_access_key: str = setting("TEMPEST_BACKUP_S3_SECRET_ACCESS_KEY", help="the access key's secret", secret=True)
