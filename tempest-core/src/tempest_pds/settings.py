"""The settings of the server, from the environment, under the names that the operator guide gives them.

On `localhost` every setting has a default, and the secrets are made once and kept in the data directory. On any other
hostname a missing secret or an address that does not match refuses to start: a PDS that comes up half configured signs
operations and hands out URLs that cannot be taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tempest_pds.settings_fields import setting

LOCALHOST: Final = "localhost"
_SERVICE: Final = "The service"
_SECRETS: Final = "Secrets"
_IDENTITY: Final = "Identity and accounts"
_UPSTREAMS: Final = "Other services"
_ADAPTERS: Final = "Adapters"
_LIMITS: Final = "Limits"
_FIREHOSE: Final = "Repositories and the firehose"
_LOGS: Final = "Logs"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of the core, parsed and checked. Sizes are in bytes."""

    hostname: str = setting(
        "TEMPEST_HOSTNAME",
        "The bare external hostname; it cannot be changed later.",
        section=_SERVICE,
        default=LOCALHOST,
    )
    port: int = setting("PORT", "The port to listen on.", section=_SERVICE, default=4000, minimum=0)
    bind_address: str = setting(
        "TEMPEST_BIND_ADDRESS",
        "The address to listen on.",
        section=_SERVICE,
        default_text="`127.0.0.1` on localhost, else `0.0.0.0`",
    )
    public_url: str = setting(
        "TEMPEST_PUBLIC_URL",
        "The external origin, as DID documents and OAuth metadata give it. Required unless on localhost.",
        section=_SERVICE,
        default_text="`http://localhost:PORT` on localhost",
    )
    data_dir: Path = setting(  # noqa: RUF009 - a field specifier, as dataclasses.field is
        "TEMPEST_DATA_DIR",
        "The folder that holds everything durable. Required, and absolute, unless on localhost.",
        section=_SERVICE,
        default_text="`./tempest-data` on localhost",
    )
    trusted_proxy_count: int = setting(
        "TEMPEST_TRUSTED_PROXY_COUNT",
        "How many reverse proxies in front append to X-Forwarded-For; the client's address is that many hops back.",
        section=_SERVICE,
        default_text="0 on localhost, else 1 (HTTPS always ends in a proxy)",
        minimum=0,
    )
    service_did: str = setting(
        "TEMPEST_SERVICE_DID",
        "The DID of the server itself, the audience of service tokens.",
        section=_SERVICE,
        default_text="`did:web:` and the hostname",
    )
    service_name: str = setting(
        "TEMPEST_SERVICE_NAME",
        "What the pages for people call this server at their head, 60 characters at most.",
        section=_SERVICE,
        default_text="the hostname",
    )
    contact_email: str | None = setting(
        "TEMPEST_CONTACT_EMAIL",
        "Shown by describeServer, and at the foot of the pages for people.",
        section=_SERVICE,
        default=None,
    )
    privacy_policy_url: str | None = setting(
        "TEMPEST_PRIVACY_POLICY_URL",
        "Shown by describeServer, at the foot of the pages for people, and to whoever opens an account.",
        section=_SERVICE,
        default=None,
    )
    terms_of_service_url: str | None = setting(
        "TEMPEST_TERMS_OF_SERVICE_URL", "Shown likewise.", section=_SERVICE, default=None
    )

    secret_key_base: str | None = setting(
        "SECRET_KEY_BASE",
        "At least 32 random characters, from which session tokens get their key. Required unless on localhost.",
        section=_SECRETS,
        default=None,
        secret=True,
        default_text="made once and kept in the data directory on localhost",
    )
    admin_token_hash: str | None = setting(
        "TEMPEST_ADMIN_TOKEN_HASH",
        "The argon2 hash of the administrator's token. Required unless on localhost.",
        section=_SECRETS,
        default=None,
        secret=True,
        default_text="a token made once and kept in the data directory on localhost",
    )
    plc_rotation_key: str | None = setting(
        "TEMPEST_PLC_ROTATION_KEY",
        "The server's PLC rotation key: a K-256 private key, 64 hexadecimal digits.",
        section=_SECRETS,
        default=None,
        secret=True,
        default_text="made once and kept in the data directory",
    )
    rate_limit_bypass_key: str | None = setting(
        "TEMPEST_RATE_LIMIT_BYPASS_KEY",
        "A request with this value in `x-ratelimit-bypass` is not limited.",
        section=_SECRETS,
        default=None,
        secret=True,
    )
    metrics_token: str | None = setting(
        "TEMPEST_METRICS_TOKEN",
        "At least 32 random characters, with which Prometheus may read `/metrics`; the administrator's token does too.",
        section=_SECRETS,
        default=None,
        secret=True,
    )

    hosted_did_method: Literal["plc", "web"] = setting(
        "TEMPEST_HOSTED_DID_METHOD", "The DID method of new accounts.", section=_IDENTITY, default="plc"
    )
    plc_url: str | None = setting(
        "TEMPEST_PLC_URL",
        "The PLC directory.",
        section=_IDENTITY,
        default_text="a small ledger in the data directory on localhost, else `https://plc.directory`",
    )
    plc_recovery_key: str | None = setting(
        "TEMPEST_PLC_RECOVERY_KEY",
        "A did:key of the operator, put in front of the server's own rotation key in new accounts.",
        section=_IDENTITY,
        default=None,
    )
    handle_domains: tuple[str, ...] = setting(
        "TEMPEST_HANDLE_DOMAINS",
        "The domains under which accounts get handles, each with its leading dot.",
        section=_IDENTITY,
        default_text="`.test` on localhost, else the hostname",
    )
    invite_required: bool = setting(
        "TEMPEST_INVITE_REQUIRED",
        "Whether a new account needs an invite code.",
        section=_IDENTITY,
        default_text="false on localhost, else true",
    )
    email_blocked_domains: tuple[str, ...] = setting(
        "TEMPEST_EMAIL_BLOCKED_DOMAINS",
        "Domains whose addresses no account may have, each with all below it, beside the known disposable ones.",
        section=_IDENTITY,
        default=(),
    )
    email_allowed_domains: tuple[str, ...] = setting(
        "TEMPEST_EMAIL_ALLOWED_DOMAINS",
        "Domains whose addresses accounts may have although they are known as disposable.",
        section=_IDENTITY,
        default=(),
    )
    admin_did: str | None = setting(
        "TEMPEST_ADMIN_DID", "The DID of the operator's own account.", section=_IDENTITY, default=None
    )
    lexicon_paths: tuple[Path, ...] = setting(
        "TEMPEST_LEXICON_PATHS", "Folders with more lexicon documents.", section=_IDENTITY, default=()
    )

    oauth_trusted_clients: tuple[str, ...] = setting(
        "TEMPEST_OAUTH_TRUSTED_CLIENTS",
        "The client ids (https URLs) of the operator's own apps: people stay signed in to them for longer, and may "
        "be spared being asked again what they have allowed already.",
        section=_IDENTITY,
        default=(),
    )

    appview_url: str = setting(
        "TEMPEST_APPVIEW_URL",
        "Where app.bsky methods are passed on to.",
        section=_UPSTREAMS,
        default="https://api.bsky.app",
    )
    appview_did: str = setting(
        "TEMPEST_APPVIEW_DID", "The DID of that service.", section=_UPSTREAMS, default="did:web:api.bsky.app"
    )
    appview_cdn_url_pattern: str | None = setting(
        "TEMPEST_APPVIEW_CDN_URL_PATTERN",
        "Where that service shows images, with a `%s` each for size, DID and CID. Only new posts and profiles that it "
        "has not seen are shown so by this server itself.",
        section=_UPSTREAMS,
        default=None,
        default_text="images come from this server",
    )
    mod_service_url: str = setting(
        "TEMPEST_MOD_SERVICE_URL",
        "Where tools.ozone methods are passed on to.",
        section=_UPSTREAMS,
        default="https://mod.bsky.app",
    )
    mod_service_did: str = setting(
        "TEMPEST_MOD_SERVICE_DID",
        "The DID of that service; its tokens may use the moderation methods here.",
        section=_UPSTREAMS,
        default="did:plc:ar7c4by46qjdydhdevvrndac",
    )
    report_service_url: str = setting(
        "TEMPEST_REPORT_SERVICE_URL", "Where reports are sent.", section=_UPSTREAMS, default="https://mod.bsky.app"
    )
    report_service_did: str = setting(
        "TEMPEST_REPORT_SERVICE_DID",
        "The DID of that service.",
        section=_UPSTREAMS,
        default="did:plc:ar7c4by46qjdydhdevvrndac",
    )
    crawlers: tuple[str, ...] = setting(
        "TEMPEST_CRAWLERS",
        "The relays that are asked to crawl this server; `none` for no relay.",
        section=_UPSTREAMS,
        default_text="none on localhost, else `https://bsky.network`",
    )
    ssrf_protection: bool = setting(
        "TEMPEST_SSRF_PROTECTION",
        "Whether requests to other people's servers are kept to public addresses and HTTPS.",
        section=_UPSTREAMS,
        default=True,
    )

    blob_store: str = setting(
        "TEMPEST_BLOB_STORE", "Where blobs are kept, by plugin name.", section=_ADAPTERS, default="local"
    )
    backup_store: str = setting(
        "TEMPEST_BACKUP_STORE", "Where backups are kept, by plugin name.", section=_ADAPTERS, default="local"
    )
    backup_interval_hours: int = setting(
        "TEMPEST_BACKUP_INTERVAL_HOURS",
        "How old the last backup may be before the server makes another, in TEMPEST_BACKUP_STORE; 0 for never.",
        section=_ADAPTERS,
        default=0,
        minimum=0,
    )
    backup_keep: int = setting(
        "TEMPEST_BACKUP_KEEP",
        "How many of this server's backups are kept when it made one by itself; any that are older are removed.",
        section=_ADAPTERS,
        default=7,
        minimum=1,
    )
    backup_keep_days: int = setting(
        "TEMPEST_BACKUP_KEEP_DAYS",
        "Backups younger than this are kept in any case.",
        section=_ADAPTERS,
        default=0,
        minimum=0,
    )
    backup_blobs: bool = setting(
        "TEMPEST_BACKUP_BLOBS",
        "Whether a backup holds the blobs; without them it can only be restored beside the blob store that has them.",
        section=_ADAPTERS,
        default=True,
    )
    backup_recipient: str | None = setting(
        "TEMPEST_BACKUP_RECIPIENT",
        "The age recipient (age1…) that backups are encrypted for, made by `tempest backup new-key`.",
        section=_ADAPTERS,
        default=None,
    )
    backup_identity_file: Path | None = setting(  # noqa: RUF009 - a field specifier, as dataclasses.field is
        "TEMPEST_BACKUP_IDENTITY_FILE",
        "The file with the key that opens encrypted backups, for the commands that read them; the server needs none.",
        section=_ADAPTERS,
        default=None,
    )
    smtp_enabled: bool = setting(
        "TEMPEST_SMTP_ENABLED",
        "Whether mail goes out by SMTP; short for TEMPEST_MAILER=smtp.",
        section=_ADAPTERS,
        default=False,
    )
    mailer: str = setting(
        "TEMPEST_MAILER",
        "How mail goes out, by plugin name.",
        section=_ADAPTERS,
        default_text="`log`, or `smtp` with TEMPEST_SMTP_ENABLED",
    )
    mail_retry_seconds: int = setting(
        "TEMPEST_MAIL_RETRY_SECONDS",
        "After how many seconds a mail that could not be sent is tried again; then after twice as many each time, up "
        "to half an hour, for a day.",
        section=_ADAPTERS,
        default=30,
        minimum=1,
    )
    telemetry: tuple[str, ...] = setting(
        "TEMPEST_TELEMETRY", "The telemetry exporters to start, by plugin name.", section=_ADAPTERS, default=("none",)
    )

    blob_max_bytes: int = setting(
        "TEMPEST_BLOB_MAX_BYTES",
        "The largest blob that may be uploaded.",
        section=_LIMITS,
        default=10_000_000,
        minimum=1,
    )
    json_max_bytes: int = setting(
        "TEMPEST_JSON_MAX_BYTES", "The largest JSON body.", section=_LIMITS, default=1_048_576, minimum=1024
    )
    repo_import_enabled: bool = setting(
        "TEMPEST_REPO_IMPORT_ENABLED", "Whether repositories may be imported.", section=_LIMITS, default=True
    )
    repo_import_max_bytes: int = setting(
        "TEMPEST_REPO_IMPORT_MAX_BYTES",
        "The largest repository that may be imported.",
        section=_LIMITS,
        default=200_000_000,
        minimum=1,
    )
    rate_limits_enabled: bool = setting(
        "TEMPEST_RATE_LIMITS_ENABLED",
        "Whether requests are limited by address and account.",
        section=_LIMITS,
        default=True,
    )
    rate_limit_bypass_ips: tuple[str, ...] = setting(
        "TEMPEST_RATE_LIMIT_BYPASS_IPS", "Addresses that are not limited.", section=_LIMITS, default=()
    )

    durability: Literal["power", "process"] = setting(
        "TEMPEST_DURABILITY",
        "What an acknowledged write survives: the loss of power, or only the death of the process (faster).",
        section=_FIREHOSE,
        default="power",
    )
    firehose_retention_hours: int = setting(
        "TEMPEST_FIREHOSE_RETENTION_HOURS",
        "How long events can be had again by cursor.",
        section=_FIREHOSE,
        default=72,
        minimum=1,
    )
    firehose_max_buffer: int = setting(
        "TEMPEST_FIREHOSE_MAX_BUFFER",
        "How many frames a slow subscriber may fall behind before it is cut off.",
        section=_FIREHOSE,
        default=500,
        minimum=1,
    )

    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "TEMPEST_LOG_LEVEL", "The least important lines that are written.", section=_LOGS, default="info"
    )
    log_format: Literal["json", "console"] = setting(
        "TEMPEST_LOG_FORMAT", "How log lines look.", section=_LOGS, default_text="`console` on a terminal, else `json`"
    )
    log_requests: bool = setting(
        "TEMPEST_LOG_REQUESTS",
        "Whether each request gets a log line; needs the level info or debug.",
        section=_LOGS,
        default=True,
    )
    validate_responses: bool = setting(
        "TEMPEST_VALIDATE_RESPONSES",
        "Whether our own answers are checked against the lexicons; for development.",
        section=_LOGS,
        default=False,
    )

    @property
    def is_local(self) -> bool:
        """Tell whether the server runs for one machine only, where secrets may be made up."""
        return self.hostname == LOCALHOST
