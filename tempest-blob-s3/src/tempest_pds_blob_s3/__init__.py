"""Tempest's blob store on S3, R2 and other object stores of that kind."""
