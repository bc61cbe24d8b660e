"""Which bucket of which store, with which key, and how patiently: what the settings of an S3 adapter come to."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tempest_pds_plugins import InvalidKey, InvalidSettings, check_key

MIB = 1024 * 1024
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket, or the part of it below a prefix, and the way to reach it. Raises `InvalidSettings` where it is wrong.

    Attributes:
        family: What the names of the settings begin with, for messages that say which one to change.
        endpoint: The store's URL, without the bucket; none for AWS.
        prefix: What the names of the objects begin with; empty, or ends in "/".
        path_style: Whether the bucket stands in the path of a URL and not in its host name.
        connections: How many requests run at once.
        retries: How often a request that failed is tried again.
        part_size: The bytes of one part of an upload that goes in parts.
        part_setting: The setting that says so, if there is one.
    """

    family: str
    endpoint: str | None
    bucket: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    prefix: str
    path_style: bool
    connect_timeout: float
    read_timeout: float
    retries: int
    connections: int
    part_size: int = 5 * MIB
    part_setting: str | None = None

    def __post_init__(self) -> None:
        if self.endpoint is None:
            if self.region == AUTO:
                self._refuse("REGION", "the bucket's region, such as eu-central-1, or name another store with ENDPOINT")
        else:
            self._check_endpoint(self.endpoint)
        if self.prefix:
            try:
                check_key(self.prefix.removesuffix("/"))
            except InvalidKey:
                self._refuse("PREFIX", "a name such as tempest/, which does not begin with a slash")
        if not (self.connect_timeout > 0 and self.read_timeout > 0):
            self._refuse("CONNECT_TIMEOUT and {family}READ_TIMEOUT", "seconds, more than none")
        if not 0 <= self.retries <= 10:
            self._refuse("RETRIES", "a number from 0 to 10")
        if not 1 <= self.connections <= 100:
            self._refuse("CONNECTIONS", "a number from 1 to 100")
        if not 5 * MIB <= self.part_size <= 512 * MIB:
            self._refuse("PART_MIB", "a number from 5 to 512")

    @property
    def store(self) -> str:
        """The store, for a person to read."""
        return f"the store at {self.endpoint}" if self.endpoint else f"S3 in {self.region}"

    def url(self, key: str) -> str:
        """Return where an object lies, for a person to read."""
        root = f"{self.endpoint.rstrip('/')}/{self.bucket}" if self.endpoint else f"s3://{self.bucket}"
        return f"{root}/{self.prefix}{key}"

    def too_many_parts(self, most: int) -> str:
        """Say that an upload is too large, and, where the size of its parts can be set, what to set."""
        told = f"an object has at most {most} parts of {self.part_size // MIB} MiB"
        return f"{told}: raise {self.part_setting}" if self.part_setting else told

    def _check_endpoint(self, endpoint: str) -> None:
        try:
            parts = urlsplit(endpoint)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            sound = False
        if not sound or parts.query or parts.fragment:
            self._refuse("ENDPOINT", "a URL such as https://s3.example.com")
        if parts.username is not None or parts.password is not None:
            self._refuse("ENDPOINT", "a URL without credentials; they belong into the settings for the key")
        if parts.path.rstrip("/").endswith(f"/{self.bucket}"):
            self._refuse("ENDPOINT", "the URL of the store alone, without the bucket at its end")

    def _refuse(self, name: str, wanted: str) -> None:
        raise InvalidSettings(f"set {self.family}{name.format(family=self.family)} to {wanted}")


def below(prefix: str) -> str:
    """Return a prefix as the name of a folder: with a slash at its end, if there is one at all."""
    return f"{prefix.removesuffix('/')}/" if prefix else ""
