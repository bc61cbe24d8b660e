"""Which passwords an account may have."""

from typing import Final

from tempest_pds.services.errors import InvalidPassword
from tempest_pds.services.passwords import MAX_LENGTH

MIN_PASSWORD_LENGTH: Final = 8


def check_new_password(password: str | None, min_length: int = MIN_PASSWORD_LENGTH) -> str:
    """Give a password back that an account may have from now on.

    Raises:
        InvalidPassword: there is none, or it is too short or too long.
    """
    if not password:
        raise InvalidPassword("Password is required")
    if len(password) < min_length:
        raise InvalidPassword(f"Password too short. Minimum length is {min_length} characters.")
    if len(password) > MAX_LENGTH:
        raise InvalidPassword(f"Password too long. Maximum length is {MAX_LENGTH} characters.")
    return password
