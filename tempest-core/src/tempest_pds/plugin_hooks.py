"""Call the hooks of the plugins: observers that cannot do harm, policies that cannot be passed by failing.

pluggy checks each implementation against its specification and orders them; the calls are made here, one
implementation at a time, because the exception of one must neither reach the request nor keep the others from
hearing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pluggy
import structlog

_log = structlog.get_logger("tempest_pds.plugins")

POLICY_FAILED: Final = "This server could not check its policy. Try again later."

_Listeners = tuple[tuple[str, Callable[..., Any], tuple[str, ...]], ...]


class HookCalls:
    """The observers and policies of the loaded plugins.

    Calling a hook that nobody implements costs a dictionary lookup.
    """

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._listeners: Mapping[str, _Listeners] = {
            hook.name: tuple(
                (implementation.plugin_name, implementation.function, tuple(implementation.argnames))
                # pluggy lists them in reverse order of the call.
                for implementation in reversed(hook.get_hookimpls())
            )
            for hook in vars(manager.hook).values()
            if isinstance(hook, pluggy.HookCaller) and hook.get_hookimpls()
        }

    def listens(self, hook_name: str) -> bool:
        """Tell whether any plugin implements a hook: ask before building arguments that cost something."""
        return hook_name in self._listeners

    def notify(self, hook_name: str, **kwargs: object) -> None:
        """Tell all observers. What one raises is logged under its name, and no more."""
        for plugin_name, function, arguments in self._listeners.get(hook_name, ()):
            try:
                function(*[kwargs[argument] for argument in arguments])
            except Exception:  # noqa: BLE001 - whatever it is, it stays the plugin's
                _log.exception("an observer failed", plugin=plugin_name, hook=hook_name)

    def first_refusal(self, hook_name: str, **kwargs: object) -> str | None:
        """Ask the policies in turn, and return the reason of the first that refuses, or None.

        A policy that raises, or answers with anything but text, refuses without telling the person why.
        """
        for plugin_name, function, arguments in self._listeners.get(hook_name, ()):
            try:
                answer = function(*[kwargs[argument] for argument in arguments])
            except Exception:  # noqa: BLE001 - whatever it is, it stays the plugin's
                _log.exception("a policy failed, which refuses", plugin=plugin_name, hook=hook_name)
                return POLICY_FAILED
            if answer is None:
                continue
            if isinstance(answer, str) and answer.strip():
                return answer.strip()
            _log.error("a policy gave no reason in words, which refuses", plugin=plugin_name, hook=hook_name)
            return POLICY_FAILED
        return None
