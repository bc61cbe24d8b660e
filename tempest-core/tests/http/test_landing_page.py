"""The page that a person sees at `/`."""

from tempest_pds.http.context import ServerInfo
from tempest_pds.http.pages.rendering import Templates


def page(**more: str | bool) -> str:
    facts = {
        "version": "1.2.3",
        "hostname": "pds.example.com",
        "name": "pds.example.com",
        "public_url": "https://pds.example.com",
        "did": "did:web:pds.example.com",
        "handle_domains": (".pds.example.com", ".example.org"),
        "invite_required": True,
        "blob_max_bytes": 1,
    }
    server = ServerInfo(**(facts | more))  # type: ignore[arg-type]
    return Templates().text("landing.html", server=server)


def test_it_says_what_somebody_needs_to_sign_in_or_up() -> None:
    text = page()
    assert "<code>https://pds.example.com</code>" in text
    assert "you.pds.example.com" in text
    assert "you.example.org" in text
    assert "with an invite code" in text
    assert "open to everybody" in page(invite_required=False)


def test_it_shows_only_what_the_operator_has_set() -> None:
    assert "Contact" not in page()
    assert "Terms" not in page()
    text = page(contact_email="admin@example.com", terms_of_service_url="https://example.com/terms")
    assert '<a href="mailto:admin@example.com">' in text
    assert '<a href="https://example.com/terms">' in text


def test_it_fetches_nothing_and_runs_nothing() -> None:
    text = page()
    assert not any(word in text for word in ("<script", "<img", "<link", "src=", "url(", "@import"))


def test_settings_cannot_bring_markup_or_scripts_along() -> None:
    text = page(contact_email='"><script>x@example.com', privacy_policy_url="javascript:alert(1)")
    assert "<script" not in text
    assert 'href="javascript' not in text
