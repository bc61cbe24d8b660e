"""Tempest's backup sink on S3, R2 and other object stores of that kind."""
