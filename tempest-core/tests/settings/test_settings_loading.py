from pathlib import Path

import pytest

from tempest_pds.cli.migrate_command import PASSWORDS
from tempest_pds.settings import Settings
from tempest_pds.settings_fields import SettingsError, setting_fields
from tempest_pds.settings_loading import load_settings, misspelt_names, names_not_read_yet, settings_in_force

PUBLIC = {
    "TEMPEST_HOSTNAME": "pds.example.com",
    "TEMPEST_PUBLIC_URL": "https://pds.example.com",
    "TEMPEST_DATA_DIR": "/var/lib/tempest",
    "SECRET_KEY_BASE": "0f3c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a",
    "TEMPEST_ADMIN_TOKEN_HASH": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
}


def test_localhost_needs_no_variable_at_all() -> None:
    settings = load_settings({})
    assert settings.is_local
    assert settings.port == 4000
    assert settings.public_url == "http://localhost:4000"
    assert settings.bind_address == "127.0.0.1"
    assert settings.handle_domains == (".test",)
    assert settings.data_dir == Path.cwd() / "tempest-data"
    assert settings.plc_url is None
    assert settings.service_did == "did:web:localhost"


def test_a_public_server_starts_with_the_required_environment() -> None:
    settings = load_settings(PUBLIC)
    assert not settings.is_local
    assert settings.handle_domains == (".pds.example.com",)
    assert settings.bind_address == "0.0.0.0"
    assert settings.plc_url == "https://plc.directory"
    assert settings.trusted_proxy_count == 1
    assert settings.invite_required


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "TEMPEST_HOSTNAME"])
def test_a_public_server_refuses_to_start_without(name: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings({key: value for key, value in PUBLIC.items() if key != name})
    assert "\n" not in str(caught.value)


def test_a_hostname_may_be_longer_than_a_name_that_is_chosen() -> None:
    host = f"{'a-long-name-' * 5}in.production.example.com"
    settings = load_settings({**PUBLIC, "TEMPEST_HOSTNAME": host, "TEMPEST_PUBLIC_URL": f"https://{host}"})
    assert settings.service_name == host


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY_BASE", "changeme-changeme-changeme-changeme-1234"),
        ("SECRET_KEY_BASE", "a" * 64),
        ("SECRET_KEY_BASE", "short"),
        ("TEMPEST_METRICS_TOKEN", "short"),
        ("TEMPEST_METRICS_TOKEN", "changeme-changeme-changeme-changeme-1234"),
        ("TEMPEST_METRICS_TOKEN", "0f3c9a8b7d6e5f4a3b2c 1d0e9f8a7b6c5d4e3f2a"),
        ("TEMPEST_ADMIN_TOKEN_HASH", "hunter2-hunter2"),
        ("TEMPEST_ADMIN_TOKEN_HASH", "$argon2id$v=19$cut-short"),
        ("TEMPEST_PUBLIC_URL", "http://pds.example.com"),
        ("TEMPEST_PUBLIC_URL", "https://other.example.com"),
        ("TEMPEST_PUBLIC_URL", "https://pds.example.com/path"),
        ("TEMPEST_PUBLIC_URL", "https://pds.example.com:99999"),
        ("TEMPEST_HOSTNAME", "https://pds.example.com"),
        ("TEMPEST_HOSTNAME", "pds.example.com:443"),
        ("TEMPEST_HOSTNAME", "10.0.0.1"),
        ("TEMPEST_DATA_DIR", "relative/folder"),
        ("TEMPEST_SERVICE_DID", "pds.example.com"),
        ("TEMPEST_APPVIEW_DID", "api.bsky.app"),
        ("TEMPEST_APPVIEW_CDN_URL_PATTERN", "https://cdn.example.com/img/%s/%s"),
        ("TEMPEST_APPVIEW_CDN_URL_PATTERN", "https://cdn.example.com/%d/%s/%s/%s"),
        ("TEMPEST_APPVIEW_CDN_URL_PATTERN", "cdn.example.com/%s/%s/%s"),
        ("TEMPEST_PLC_RECOVERY_KEY", "did:key:zShort"),
        ("TEMPEST_HANDLE_DOMAINS", ".under_score.example.com"),
        ("TEMPEST_PLC_ROTATION_KEY", "not-hex"),
        ("TEMPEST_PLC_ROTATION_KEY", "0" * 64),
        ("TEMPEST_CRAWLERS", "ftp://relay"),
        ("TEMPEST_CRAWLERS", "nobody"),
        ("TEMPEST_CRAWLERS", "none,https://bsky.network"),
        ("TEMPEST_CRAWLERS", "https://bsky.network https://other.example"),
        ("PORT", "65536"),
        ("TEMPEST_SERVICE_NAME", "a name of two\nlines"),
        ("TEMPEST_SERVICE_NAME", "a" * 61),
        ("TEMPEST_SERVICE_NAME", "a name that turns \u202eround"),
        ("TEMPEST_CONTACT_EMAIL", "mailto:help@example.com"),
        ("TEMPEST_CONTACT_EMAIL", "https://example.com/contact"),
        ("TEMPEST_CONTACT_EMAIL", "Help <help@example.com>"),
        ("TEMPEST_PRIVACY_POLICY_URL", "example.com/privacy"),
        ("TEMPEST_PRIVACY_POLICY_URL", "javascript:alert(1)"),
        ("TEMPEST_TERMS_OF_SERVICE_URL", "/terms"),
        ("TEMPEST_TERMS_OF_SERVICE_URL", "https://"),
        ("PORT", "http"),
        ("TEMPEST_RATE_LIMITS_ENABLED", "perhaps"),
        ("TEMPEST_DURABILITY", "forever"),
        ("TEMPEST_FIREHOSE_MAX_BUFFER", "0"),
        ("TEMPEST_HANDLE_DOMAINS", ","),
        ("TEMPEST_EMAIL_BLOCKED_DOMAINS", "https://spam.example"),
        ("TEMPEST_EMAIL_ALLOWED_DOMAINS", "alice@mail.example"),
        ("TEMPEST_OAUTH_TRUSTED_CLIENTS", "app.example.com"),
        ("TEMPEST_OAUTH_TRUSTED_CLIENTS", "https://app.example.com/client.json,http://localhost"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_never_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings({**PUBLIC, name: value})
    message = str(caught.value)
    assert "\n" not in message
    if name in {"SECRET_KEY_BASE", "TEMPEST_ADMIN_TOKEN_HASH", "TEMPEST_METRICS_TOKEN", "TEMPEST_PLC_ROTATION_KEY"}:
        assert value not in message


def test_the_one_trusted_client_that_is_wrong_is_named() -> None:
    good = "https://app.example.com/client.json"
    with pytest.raises(SettingsError, match=r"this is none: http://other\.example\.com$"):
        load_settings({**PUBLIC, "TEMPEST_OAUTH_TRUSTED_CLIENTS": f"{good}, http://other.example.com"})


def test_a_public_url_on_localhost_must_be_local() -> None:
    assert load_settings({"TEMPEST_PUBLIC_URL": "http://127.0.0.1:2583/"}).public_url == "http://127.0.0.1:2583"
    with pytest.raises(SettingsError, match="TEMPEST_HOSTNAME"):
        load_settings({"TEMPEST_PUBLIC_URL": "https://pds.example.com"})


@pytest.mark.parametrize(
    "spelled", ["https://PDS.Example.com", "https://pds.example.com:443", "HTTPS://pds.example.com/"]
)
def test_a_public_url_is_kept_as_browsers_spell_it(spelled: str) -> None:
    assert load_settings({**PUBLIC, "TEMPEST_PUBLIC_URL": spelled}).public_url == "https://pds.example.com"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings({"PORT": "", "TEMPEST_HOSTNAME": " "}).port == 4000


def test_lists_and_flags_are_read() -> None:
    settings = load_settings(
        {
            "TEMPEST_CRAWLERS": "https://one.example, two.example ,",
            "TEMPEST_RATE_LIMITS_ENABLED": "No",
            "TEMPEST_HANDLE_DOMAINS": "example.test,.other.test",
            "TEMPEST_LEXICON_PATHS": "/a,/b",
            "TEMPEST_EMAIL_BLOCKED_DOMAINS": "@Spam.example, .other.example",
            "TEMPEST_OAUTH_TRUSTED_CLIENTS": "https://a.example.com/c.json, https://b.example.com/c.json",
        }
    )
    assert settings.crawlers == ("https://one.example", "https://two.example")
    assert not settings.rate_limits_enabled
    assert settings.handle_domains == (".example.test", ".other.test")
    assert settings.email_blocked_domains == ("spam.example", "other.example")
    assert settings.lexicon_paths == (Path("/a"), Path("/b"))
    assert settings.oauth_trusted_clients == ("https://a.example.com/c.json", "https://b.example.com/c.json")


def test_a_public_server_may_have_no_relay() -> None:
    settings = load_settings(PUBLIC | {"TEMPEST_CRAWLERS": "None"})
    assert settings.crawlers == ()
    assert ("TEMPEST_CRAWLERS", "(none)") in [(field.name, shown) for field, shown in settings_in_force(settings)]


def test_a_misspelt_name_is_told_with_the_nearest_real_one() -> None:
    environ = {
        "TEMPEST_HOSTNAMES": "x",
        "TEMPEST_BLOB_S3_BUCKET": "waits for its adapter",
        "TEMPEST_GIT_FORGE": "x",
        "TEMPEST_QWXYZ": "x",
        "PATH": "/bin",
    }
    assert list(misspelt_names(environ, ["TEMPEST_GIT_FORGE"])) == [
        ("TEMPEST_HOSTNAMES", "TEMPEST_HOSTNAME"),
        ("TEMPEST_QWXYZ", None),
    ]


S3_NAMES = ("ENDPOINT", "BUCKET", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "AUTHORIZATION")
SMTP_NAMES = ("ENABLED", "HOST", "PORT", "USERNAME", "PASSWORD", "SSL", "TLS", "AUTH", "FROM_NAME", "FROM_ADDRESS")
GUIDE = [
    *("TEMPEST_RELEASE_BOOTSTRAP", "TEMPEST_HOSTNAME", "TEMPEST_PUBLIC_URL", "TEMPEST_DATA_DIR"),
    *("TEMPEST_HOSTED_DID_METHOD", "TEMPEST_ADMIN_DID", "TEMPEST_ADMIN_TOKEN_HASH", "TEMPEST_APPVIEW_URL"),
    *("TEMPEST_PLC_ROTATION_KEY", "TEMPEST_PLC_RECOVERY_KEY", "TEMPEST_CRAWLERS", "TEMPEST_BLOB_MAX_BYTES"),
    *("TEMPEST_BLOB_CDN_BASE_URL", "TEMPEST_BLOB_STORE", "TEMPEST_BACKUP_STORE", "TEMPEST_EMAIL_PROVIDER"),
    *("TEMPEST_RESEND_API_KEY", "TEMPEST_EMAIL_FROM_NAME", "TEMPEST_EMAIL_FROM_ADDRESS", "TEMPEST_LEXICON_PATHS"),
    *("TEMPEST_LEXICON_KNOWN_RECORDS", "TEMPEST_LEXICON_EXTERNAL_RESOLVER"),
    *(f"TEMPEST_BLOB_S3_{name}" for name in S3_NAMES),
    *(f"TEMPEST_BACKUP_S3_{name}" for name in S3_NAMES),
    *(f"TEMPEST_SMTP_{name}" for name in SMTP_NAMES),
]


@pytest.mark.parametrize("installed", [(), ("TEMPEST_BLOB_S3_", "TEMPEST_BACKUP_S3_")], ids=["bare", "with S3"])
def test_no_name_of_the_operator_guide_is_called_misspelt(installed: tuple[str, ...]) -> None:
    read = [name for name in GUIDE if name.startswith(installed) and not name.endswith("AUTHORIZATION")]
    assert list(misspelt_names(dict.fromkeys(GUIDE, "x"), read if installed else ())) == []


def test_a_name_of_the_guide_that_nothing_reads_yet_is_told() -> None:
    environ = dict.fromkeys(GUIDE, "x")
    assert "TEMPEST_BLOB_CDN_BASE_URL" in names_not_read_yet(environ)
    assert "TEMPEST_BLOB_CDN_BASE_URL" not in names_not_read_yet(environ, ["TEMPEST_BLOB_CDN_BASE_URL"])
    assert not set(names_not_read_yet(environ)) & {field.name for field in setting_fields(Settings)}


def test_the_mailer_in_force_follows_the_flag() -> None:
    assert load_settings({}).mailer == "log"
    assert load_settings({"TEMPEST_SMTP_ENABLED": "true"}).mailer == "smtp"
    assert load_settings({"TEMPEST_SMTP_ENABLED": "true", "TEMPEST_MAILER": "log"}).mailer == "log"


def test_an_installed_adapters_misspelt_name_is_told() -> None:
    found = misspelt_names({"TEMPEST_BLOB_S3_BUKET": "x"}, ["TEMPEST_BLOB_S3_BUCKET"])
    assert list(found) == [("TEMPEST_BLOB_S3_BUKET", "TEMPEST_BLOB_S3_BUCKET")]


def test_secrets_are_never_shown() -> None:
    shown = {field.name: text for field, text in settings_in_force(load_settings(PUBLIC))}
    assert shown["SECRET_KEY_BASE"] == "(set)"
    assert shown["TEMPEST_ADMIN_TOKEN_HASH"] == "(set)"
    assert shown["TEMPEST_PLC_ROTATION_KEY"] == "(kept in the data directory)"
    assert shown["TEMPEST_RATE_LIMIT_BYPASS_KEY"] == "(not set)"
    assert shown["TEMPEST_HOSTNAME"] == "pds.example.com"
    assert not any(PUBLIC["SECRET_KEY_BASE"] in text for text in shown.values())


def test_what_a_command_reads_is_not_unknown_to_the_others() -> None:
    assert list(misspelt_names(dict.fromkeys(PASSWORDS.values(), "x"))) == []
