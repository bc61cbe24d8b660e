"""From the environment to checked `Settings`: what is worked out, what is refused, and what is warned of."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.crypto.keys import private_key
from tempest_pds.protocol.errors import ProtocolError
from tempest_pds.protocol.oauth.client_id import DiscoverableClientId
from tempest_pds.protocol.oauth.web_url import web_url
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.settings import LOCALHOST, Settings
from tempest_pds.settings_fields import SettingField, SettingsError, format_value, read_values, setting_fields

_FIELDS: Final = setting_fields(Settings)
_HOSTNAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_LOCAL_HOSTS: Final = frozenset({LOCALHOST, "127.0.0.1", "::1"})
_MINIMUM_SECRET_LENGTH: Final = 32
_MAX_NAME: Final = 60
_PLACEHOLDERS: Final = (
    "changeme",
    "change-me",
    "change_me",
    "replace",
    "your-",
    "your_",
    "example",
    "...",
    "xxxx",
    "secret_key_base",
)
_CDN_PATTERN: Final = re.compile(r"https?://[^%\s]+(?:%s[^%\s]*){3}")
_NO_RELAY: Final = "none"
_MAIL_ADDRESS: Final = re.compile(r"[^\s@:/<>,]+@[^\s@:/<>,]+")
_HEADER_WORD: Final = re.compile(r"[!-~]+")
_ARGON2_HASH: Final = re.compile(r"\$argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")
# Made once and kept by the server where the operator gives none.
_KEPT_SECRETS: Final = frozenset({"secret_key_base", "admin_token_hash", "plc_rotation_key"})
# Read by the command itself, which others may run beside.
_OF_COMMANDS: Final = frozenset({"TEMPEST_MIGRATE_SOURCE_PASSWORD", "TEMPEST_MIGRATE_TARGET_PASSWORD"})
_NOT_READ_YET: Final = frozenset(
    {
        "TEMPEST_BACKUP_S3_AUTHORIZATION",
        "TEMPEST_BLOB_CDN_BASE_URL",
        "TEMPEST_BLOB_S3_AUTHORIZATION",
        "TEMPEST_EMAIL_FROM_ADDRESS",
        "TEMPEST_EMAIL_FROM_NAME",
        "TEMPEST_EMAIL_PROVIDER",
        "TEMPEST_LEXICON_EXTERNAL_RESOLVER",
        "TEMPEST_LEXICON_KNOWN_RECORDS",
        "TEMPEST_RELEASE_BOOTSTRAP",
        "TEMPEST_RESEND_API_KEY",
    }
)
_ADAPTER_PREFIXES: Final = ("TEMPEST_BLOB_S3_", "TEMPEST_BACKUP_S3_", "TEMPEST_SMTP_", "TEMPEST_OTEL_")


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Parse and check the environment; raise SettingsError, whose text is one line that says what to set."""
    values = read_values(_FIELDS, environ)
    hostname = str(values.get("hostname", LOCALHOST)).lower().rstrip(".")
    values["hostname"] = hostname
    port = values.setdefault("port", 4000)
    if port > 65_535:
        raise SettingsError("PORT must be at most 65535")
    if hostname == LOCALHOST:
        _work_out_local(values, port)
    else:
        _require_public(values, hostname)
    _work_out(values, hostname)
    _check_url("TEMPEST_PUBLIC_URL", values["public_url"], hostname)
    values["public_url"] = _as_browsers_spell(values["public_url"])
    return Settings(**values)


def _work_out_local(values: dict[str, Any], port: int) -> None:
    values.setdefault("bind_address", "127.0.0.1")
    values.setdefault("public_url", f"http://localhost:{port}")
    values["data_dir"] = Path(values.get("data_dir", "tempest-data")).expanduser().absolute()
    values.setdefault("trusted_proxy_count", 0)
    values.setdefault("plc_url", None)
    values.setdefault("handle_domains", (".test",))
    values.setdefault("crawlers", ())
    values.setdefault("invite_required", False)


def _require_public(values: dict[str, Any], hostname: str) -> None:
    if not _HOSTNAME.fullmatch(hostname):
        raise SettingsError(
            "TEMPEST_HOSTNAME must be a bare hostname such as pds.example.com, without scheme, port or path"
        )
    missing = [
        name
        for name, attribute in (
            (f"TEMPEST_PUBLIC_URL (https://{hostname})", "public_url"),
            ("TEMPEST_DATA_DIR (an absolute path on a durable volume)", "data_dir"),
            ("SECRET_KEY_BASE (32 random characters or more)", "secret_key_base"),
            ("TEMPEST_ADMIN_TOKEN_HASH (made by `tempest hash-token`)", "admin_token_hash"),
        )
        if attribute not in values
    ]
    if missing:
        raise SettingsError(f"a server called {hostname} (TEMPEST_HOSTNAME) also needs {', '.join(missing)}")
    if not values["data_dir"].is_absolute():
        raise SettingsError("TEMPEST_DATA_DIR must be an absolute path")
    values.setdefault("bind_address", "0.0.0.0")  # noqa: S104 - a container is reached from outside
    values.setdefault("trusted_proxy_count", 1)
    values.setdefault("plc_url", "https://plc.directory")
    values.setdefault("handle_domains", (f".{hostname}",))
    values.setdefault("crawlers", ("https://bsky.network",))
    values.setdefault("invite_required", True)


def _work_out(values: dict[str, Any], hostname: str) -> None:
    values["public_url"] = values["public_url"].rstrip("/")
    values.setdefault("service_did", f"did:web:{hostname}")
    values.setdefault("service_name", hostname)
    _check_public_words(values, hostname)
    values.setdefault("log_format", "console" if sys.stderr.isatty() else "json")
    values.setdefault("mailer", "smtp" if values.get("smtp_enabled") else "log")
    values["handle_domains"] = tuple(f".{domain.lower().removeprefix('.')}" for domain in values["handle_domains"])
    if not values["handle_domains"]:
        raise SettingsError("TEMPEST_HANDLE_DOMAINS must name one domain at least")
    if not all(Handle.is_valid(f"alice{domain}") for domain in values["handle_domains"]):
        raise SettingsError("TEMPEST_HANDLE_DOMAINS must be domains in which a handle is valid, such as .example.com")
    for attribute in ("email_blocked_domains", "email_allowed_domains"):
        values[attribute] = tuple(domain.lower().lstrip("@.") for domain in values.get(attribute, ()))
        if not all(Handle.is_valid(domain) for domain in values[attribute]):
            raise SettingsError(f"{_name_of(attribute)} must be domains such as mail.example.com")
    _check_secrets(values)
    _check_identities(values)
    for attribute in ("plc_url", "appview_url", "mod_service_url", "report_service_url"):
        if values.get(attribute) is not None:
            values[attribute] = values[attribute].rstrip("/")
            _check_url(_name_of(attribute), values[attribute], None)
    pattern = values.get("appview_cdn_url_pattern")
    if pattern is not None and not _CDN_PATTERN.fullmatch(pattern):
        raise SettingsError(
            "TEMPEST_APPVIEW_CDN_URL_PATTERN must be a URL with three %s, such as https://cdn.example.com/img/%s/plain/%s/%s"
        )
    values["crawlers"] = read_relays(values["crawlers"])


def _check_public_words(values: Mapping[str, Any], hostname: str) -> None:
    name = values["service_name"]
    # A hostname may be longer than what somebody chooses to be called.
    if name != hostname and not (name.isprintable() and 0 < len(name.strip()) <= _MAX_NAME):
        raise SettingsError(
            f"TEMPEST_SERVICE_NAME must be a line of at most {_MAX_NAME} characters, none of which is invisible"
        )
    contact = values.get("contact_email")
    if contact is not None and not _MAIL_ADDRESS.fullmatch(contact):
        raise SettingsError("TEMPEST_CONTACT_EMAIL must be one plain mail address, such as help@example.com")
    for attribute in ("privacy_policy_url", "terms_of_service_url"):
        if values.get(attribute) is not None:
            try:
                web_url(values[attribute])
            except ProtocolError:
                raise SettingsError(
                    f"{_name_of(attribute)} must be a web address, such as https://example.com/privacy"
                ) from None


def _check_secrets(values: Mapping[str, Any]) -> None:
    secret = values.get("secret_key_base")
    if secret is not None and not _is_random_enough(secret):
        raise SettingsError(
            "SECRET_KEY_BASE must be 32 random characters or more, such as `openssl rand -hex 32` prints"
        )
    metrics_token = values.get("metrics_token")
    if metrics_token is not None and not (_HEADER_WORD.fullmatch(metrics_token) and _is_random_enough(metrics_token)):
        raise SettingsError(
            "TEMPEST_METRICS_TOKEN must be 32 random characters or more, such as `openssl rand -hex 32` prints"
        )
    admin_hash = values.get("admin_token_hash")
    if admin_hash is not None and not _ARGON2_HASH.fullmatch(admin_hash):
        raise SettingsError("TEMPEST_ADMIN_TOKEN_HASH must be an argon2 hash, made by `tempest hash-token`")
    key = values.get("plc_rotation_key")
    if key is not None:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", key):
            raise SettingsError("TEMPEST_PLC_ROTATION_KEY must be 64 hexadecimal digits")
        try:
            private_key(bytes.fromhex(key), "k256")
        except ProtocolError:
            raise SettingsError("TEMPEST_PLC_ROTATION_KEY must be a private key of K-256") from None


def _check_identities(values: Mapping[str, Any]) -> None:
    for attribute in ("service_did", "admin_did", "appview_did", "mod_service_did", "report_service_did"):
        did = values.get(attribute)
        if did is not None and not Did.is_valid(did):
            raise SettingsError(f"{_name_of(attribute)} must be a DID, such as did:web:pds.example.com")
    for client_id in values.get("oauth_trusted_clients", ()):
        try:
            DiscoverableClientId.parse(client_id)
        except ProtocolError:
            raise SettingsError(
                f"TEMPEST_OAUTH_TRUSTED_CLIENTS must be client ids such as "
                f"https://app.example.com/client-metadata.json, and this is none: {client_id}"
            ) from None
    recovery_key = values.get("plc_recovery_key")
    if recovery_key is not None:
        try:
            parse_did_key(recovery_key)
        except ProtocolError:
            raise SettingsError("TEMPEST_PLC_RECOVERY_KEY must be a did:key of a K-256 or P-256 key") from None


def _name_of(attribute: str) -> str:
    return next(field.name for field in _FIELDS if field.attribute == attribute)


def _is_random_enough(secret: str) -> bool:
    lowered = secret.lower()
    return (
        len(secret) >= _MINIMUM_SECRET_LENGTH
        and len(set(secret)) >= 8
        and not any(placeholder in lowered for placeholder in _PLACEHOLDERS)
    )


def _check_url(name: str, url: str, hostname: str | None) -> None:
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise SettingsError(f"{name} must be a URL") from None
    if (
        parts.scheme not in {"http", "https"}
        or not host
        or any(character.isspace() for character in url)
        or parts.path
        or parts.query
        or parts.fragment
        or parts.username
    ):
        raise SettingsError(f"{name} must be an origin such as https://pds.example.com, without a path")
    if hostname is None:
        return
    if hostname == LOCALHOST:
        if host not in _LOCAL_HOSTS:
            raise SettingsError(f"TEMPEST_PUBLIC_URL names {host}: set TEMPEST_HOSTNAME to it as well")
    elif parts.scheme != "https" or host != hostname or port not in {None, 443}:
        raise SettingsError(f"TEMPEST_PUBLIC_URL must be https://{hostname}, to match TEMPEST_HOSTNAME")


def _as_browsers_spell(url: str) -> str:
    """Even out the public URL: as the issuer of OAuth it is compared letter by letter."""
    try:
        return web_url(url.lower()).origin
    except ProtocolError:
        raise SettingsError("TEMPEST_PUBLIC_URL must be an origin such as https://pds.example.com") from None


def read_relays(items: Sequence[str]) -> tuple[str, ...]:
    """Give the URLs of the relays that TEMPEST_CRAWLERS lists, where a bare host name will do, or `none`.

    Raises SettingsError.
    """
    if [item.lower() for item in items] == [_NO_RELAY]:
        return ()
    relays = tuple((item if "//" in item else f"https://{item}").rstrip("/") for item in items)
    for item, relay in zip(items, relays, strict=True):
        # A word that is no host name on the internet is a mistake, unless its scheme says that it is meant.
        if "//" not in item and "." not in item:
            raise SettingsError(
                f"TEMPEST_CRAWLERS must be URLs such as https://bsky.network, or none alone, and {item!r} is not one"
            )
        _check_url("TEMPEST_CRAWLERS", relay, None)
    return relays


def misspelt_names(environ: Mapping[str, str], plugin_names: Collection[str] = ()) -> Sequence[tuple[str, str | None]]:
    """List the TEMPEST_* variables that nothing reads, each with the nearest real name, if one is near.

    Args:
        environ: the process environment.
        plugin_names: the variables that the installed plugins read.
    """
    known = {field.name for field in _FIELDS} | set(plugin_names)
    silent = known | _NOT_READ_YET | _OF_COMMANDS
    unknown = [name for name in environ if name.startswith("TEMPEST_") and name not in silent]
    # A variable of an adapter that is not installed is not misspelt: it waits for the adapter.
    read_prefixes = tuple(
        prefix for prefix in _ADAPTER_PREFIXES if not any(name.startswith(prefix) for name in plugin_names)
    )
    found = []
    for name in sorted(unknown):
        if not name.startswith(read_prefixes):
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            found.append((name, nearest[0] if nearest else None))
    return found


def names_not_read_yet(environ: Mapping[str, str], plugin_names: Collection[str] = ()) -> Sequence[str]:
    """List the variables that the operator guide knows and this version does not read: they are not misspelt."""
    return sorted(name for name in environ if name in _NOT_READ_YET and name not in plugin_names)


def settings_in_force(settings: Settings) -> Sequence[tuple[SettingField, str]]:
    """Pair every setting with the text of its value; a secret is told as set or not set, never shown."""
    return [(field, _shown(field, getattr(settings, field.attribute))) for field in _FIELDS]


def _shown(field: SettingField, value: object) -> str:
    if field.declaration.secret:
        if value:
            return "(set)"
        return "(kept in the data directory)" if field.attribute in _KEPT_SECRETS else "(not set)"
    if field.attribute == "plc_url" and value is None:
        return "(a ledger in the data directory)"
    return format_value(value) or "(none)"
