"""What holds for all tests of the core."""

from hypothesis import settings

# How long an example takes says more about what else the machine is doing than about the code.
settings.register_profile("tempest", deadline=None)
settings.load_profile("tempest")
