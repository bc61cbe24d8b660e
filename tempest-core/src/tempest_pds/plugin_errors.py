"""What can be wrong with plugins when the server starts: each is one line that names the plugin and says what to do."""

from tempest_pds.protocol.errors import TempestError


class PluginProblem(TempestError):
    """The plugins that are installed cannot serve the configuration. The message is one line, and holds no secret."""


class PluginFailed(PluginProblem):
    """An installed plugin could not be loaded, or breaks the contract."""


class UnknownAdapter(PluginProblem):
    """Configuration selects an adapter that no installed plugin offers."""


class AdapterUnusable(PluginProblem):
    """The selected adapter exists and refuses to be made: a setting is missing or wrong, or it is claimed twice."""


class AdapterAway(AdapterUnusable):
    """What stands behind the selected adapter does not answer now, or refuses: the next start may find it well."""
