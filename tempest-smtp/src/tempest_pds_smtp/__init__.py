"""Tempest's mailer over SMTP."""
