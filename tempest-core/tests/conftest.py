"""What holds for all tests of the core."""

from hypothesis import HealthCheck, settings

# How long an example takes says more about what else the machine is doing than about the code.
settings.register_profile("tempest", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tempest")
