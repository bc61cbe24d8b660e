"""Whole repositories: begun, replaced by an import, and removed."""

from __future__ import annotations
