"""Asking the AppView for a view, and merging into it what the caller has written since."""

import time
from collections.abc import Mapping
from typing import Any, Final

import structlog

from tempest_pds.protocol.data_model import lex_json
from tempest_pds.protocol.syntax.at_uri import AtUri
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.credentials import Credentials
from tempest_pds.services.errors import ServiceError, UpstreamError
from tempest_pds.services.hosting import Hosting
from tempest_pds.services.proxy import Proxy, ProxyAnswer, ProxyRequest
from tempest_pds.services.read_after_write import threads
from tempest_pds.services.read_after_write.image_urls import ImageUrls
from tempest_pds.services.read_after_write.json_values import View, reply_uri
from tempest_pds.services.read_after_write.local_records import LocalRecord, LocalRecordReader, LocalRecords
from tempest_pds.services.read_after_write.merges import GET_POST_THREAD, MERGES, Scene
from tempest_pds.services.read_after_write.post_views import PostViews
from tempest_pds.services.read_after_write.profile import Profile
from tempest_pds.services.read_after_write.whole_body import decompressed, in_one_piece, read_up_to

MAX_BYTES: Final = 2 * 1024 * 1024
"""Of an answer that is read and written anew; a longer one is passed on as it is."""
_REV: Final = "atproto-repo-rev"
_LAG: Final = "atproto-upstream-lag"
_OF_THE_BODY: Final = ("content-encoding", "content-length", "content-type")
_INVALID_HANDLE: Final = "handle.invalid"

_log = structlog.get_logger()


class ReadAfterWrite:
    """Answer the methods of `merges.MERGES`."""

    def __init__(self, proxy: Proxy, records: LocalRecordReader, hosting: Hosting, images: ImageUrls) -> None:
        self._proxy = proxy
        self._records = records
        self._hosting = hosting
        self._images = images

    async def view(self, request: ProxyRequest, params: Mapping[str, Any], caller: Credentials) -> ProxyAnswer:
        """Have a service answer, and put in what the caller's repository has that its answer cannot know of.

        Args:
            params: of the request, by the lexicon.

        Raises what `Proxy.forward` raises.
        """
        try:
            answer = await self._proxy.forward(request, caller)
        except UpstreamError as error:
            if request.method == GET_POST_THREAD and error.name == "NotFound":
                found = await self._own_thread(error, params, caller.account)
                if found is not None:
                    return found
            raise
        rev = answer.headers.get(_REV)
        if rev is None or request.http_method != "GET" or "json" not in answer.headers.get("content-type", "json"):
            return answer
        local = self._newer(request.method, caller.account, rev)
        return answer if not local else await self._merged(request.method, answer, local, params, caller.account)

    async def _merged(
        self, method: str, answer: ProxyAnswer, local: LocalRecords, params: Mapping[str, Any], did: Did
    ) -> ProxyAnswer:
        body, chunks = await read_up_to(answer.chunks, MAX_BYTES)
        unread = ProxyAnswer(answer.status, answer.headers, chunks)
        if body is None:
            return unread
        try:
            view: Any = lex_json.parse(decompressed(body, answer.headers.get("content-encoding", ""), MAX_BYTES))
            changed = await MERGES[method](view, self._scene(did, params, local))
            data = lex_json.dumps(view) if changed else b""
        except Exception as error:  # noqa: BLE001 - the AppView's answer is there, and better than none
            _log.warning("not merged", target=method, reason=f"{type(error).__name__}: {error}"[:300])
            return unread
        if not changed:
            return ProxyAnswer(answer.status, {**answer.headers, _LAG: _lag(local)}, chunks)
        kept = {name: value for name, value in answer.headers.items() if name not in _OF_THE_BODY}
        return _json_answer(data, kept, local)

    async def _own_thread(self, error: UpstreamError, params: Mapping[str, Any], did: Did) -> ProxyAnswer | None:
        """Make the thread of a post that the AppView has not seen; None when that is not why it did not find it."""
        rev = error.headers.get(_REV)
        uri = self._with_did(AtUri.parse(params["uri"]))
        if rev is None or not uri.startswith(f"at://{did}/"):
            return None
        local = self._newer(GET_POST_THREAD, did, rev)
        post = next((post for post in local.posts if post.uri == uri), None)
        if post is None:
            return None
        try:
            thread = await self._thread(post, self._scene(did, params, local))
        except Exception as failure:  # noqa: BLE001 - then it is not found, as the AppView says
            _log.warning("not merged", target=GET_POST_THREAD, reason=f"{type(failure).__name__}: {failure}"[:300])
            return None
        kept = {name: value for name, value in error.headers.items() if name != "retry-after"}
        return _json_answer(lex_json.dumps({"thread": thread}), kept, local)

    async def _thread(self, post: LocalRecord, scene: Scene) -> View:
        above = threads.ancestors(post, scene.local.posts)
        views = await scene.posts.views(scene.local.posts)
        thread = threads.thread_of(views[post.uri])
        below = threads.missing_from(thread, scene.local.posts)
        threads.insert(thread, [views[reply.uri] for reply in below])
        highest = thread
        height = scene.params["parentHeight"]
        for parent in above[:height]:
            highest["parent"] = threads.thread_of(views[parent.uri])
            highest = highest["parent"]
        parent_uri = reply_uri(highest["post"]["record"], "parent")
        if parent_uri is not None and len(above) < height:
            left = {"uri": parent_uri, "parentHeight": str(height - len(above)), "depth": "0"}
            try:
                found = await self._proxy.ask_app_view(GET_POST_THREAD, left.items(), scene.did)
                highest["parent"] = found["thread"]
            except (ServiceError, KeyError, TypeError):
                # A thread without what is above it is still the thread that was asked for.
                pass
        return thread

    def _scene(self, did: Did, params: Mapping[str, Any], local: LocalRecords) -> Scene:
        account = self._hosting.find(did)
        handle = account.handle if account is not None and account.handle else _INVALID_HANDLE
        profile = Profile(did, handle, self._records.profile(did), self._images)
        posts = PostViews(did, profile, local.posts, self._images, self._proxy)
        return Scene(did, handle, params, local, profile, posts)

    def _newer(self, method: str, did: Did, rev: str) -> LocalRecords:
        try:
            return self._records.since(did, rev)
        except Exception as error:  # noqa: BLE001 - the AppView's answer is there, and better than none
            _log.warning("not merged", target=method, reason=f"{type(error).__name__}: {error}"[:300])
            return LocalRecords(None, ())

    def _with_did(self, uri: AtUri) -> str:
        account = self._hosting.find(uri.authority)
        return uri if account is None else f"at://{account.did}{uri[len(f'at://{uri.authority}') :]}"


def _lag(local: LocalRecords) -> str:
    return str(max(time.time_ns() // 1_000_000 - local.oldest // 1000, 0))


def _json_answer(data: bytes, headers: Mapping[str, str], local: LocalRecords) -> ProxyAnswer:
    own = {"content-type": "application/json", "content-length": str(len(data)), _LAG: _lag(local)}
    return ProxyAnswer(200, {**headers, **own}, in_one_piece(data))
