"""Everything below HTTP, made in order and handed to those who need it; `open_services` is the one place that does.

What is opened here is closed in reverse by the stack that is passed in, also when a later step fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack

import structlog

from tempest_pds.composition.accounts import make_accounts
from tempest_pds.composition.backups import open_backups
from tempest_pds.composition.data import open_data
from tempest_pds.composition.forwarding import make_forwarding
from tempest_pds.composition.hosted_directory import HostedDirectory
from tempest_pds.composition.mail import open_mail
from tempest_pds.composition.maintenance import make_maintenance
from tempest_pds.composition.network import open_network
from tempest_pds.composition.oauth import make_oauth
from tempest_pds.composition.oauth_clients import make_oauth_clients
from tempest_pds.composition.office import make_office
from tempest_pds.composition.opened import Opened, server_info
from tempest_pds.composition.status import make_status
from tempest_pds.http.context import Services
from tempest_pds.plugins import PluginManager
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import TidClock
from tempest_pds.remote.lexicon_resolver import LexiconResolver
from tempest_pds.remote.plc_ledger import PlcLedger
from tempest_pds.remote.relays import Relays
from tempest_pds.selected_adapters import SelectedAdapters
from tempest_pds.services.account_listing import AccountListing
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.admin_token import AdminToken
from tempest_pds.services.announcer import Announcer
from tempest_pds.services.blobs import Blobs
from tempest_pds.services.commit_log import CommitLog, Frames
from tempest_pds.services.firehose import Firehose
from tempest_pds.services.handle_availability import HandleAvailability
from tempest_pds.services.hosting import Hosting
from tempest_pds.services.lexicon_resolution import LexiconResolution, own_proofs
from tempest_pds.services.mail_report import mail_report
from tempest_pds.services.oauth.kept_permission_sets import KeptPermissionSets
from tempest_pds.services.oauth.permission_sets import PermissionSets
from tempest_pds.services.open_repos import OpenRepos
from tempest_pds.services.passwords import Passwords
from tempest_pds.services.preferences import Preferences
from tempest_pds.services.record_writes import WriteChecker
from tempest_pds.services.records import Records
from tempest_pds.services.recovery import catch_up, replay
from tempest_pds.services.repo_list import RepoList
from tempest_pds.services.repos import Repos
from tempest_pds.services.service_auth import ServiceAuth
from tempest_pds.services.sync_reads import SyncReads
from tempest_pds.services.timestamps import now_us
from tempest_pds.services.upkeep import Upkeep
from tempest_pds.services.write_gate import WriteGate
from tempest_pds.settings import Settings
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.telemetry import Instruments, software_version
from tempest_pds_plugins.adapters import PluginContext

_log = structlog.get_logger()


async def open_services(
    settings: Settings,
    environ: Mapping[str, str],
    instruments: Instruments,
    lexicons: Lexicons,
    stack: AsyncExitStack,
    control_token: str,
    *,
    serving: bool = True,
) -> Opened:
    """Open the data directory and all services; `control_token` is accepted as the administrator's.

    For a command, which is not `serving`, no mail is sent and nothing is swept.

    Raises TempestError with one line that says what to change: the directory is in use, a plugin cannot be used…
    """
    context = PluginContext(
        data_dir=settings.data_dir,
        hostname=settings.hostname,
        public_url=settings.public_url,
        version=software_version(),
        is_local=settings.is_local,
    )
    plugins = PluginManager.load(environ)
    plugins.require_sound()
    adapters = SelectedAdapters.make(plugins, environ, context)
    data = open_data(settings, instruments, stack)
    await adapters.open(context, stack)

    writer = AccountWriter()
    stack.callback(writer.close)
    sends_mail = adapters.selection.sends_mail
    mail = open_mail(settings, data.accounts, writer, adapters.mailer, stack, sending=serving, mail_goes_out=sends_mail)
    passwords = Passwords()
    stack.callback(passwords.close)
    hosting = Hosting(data.accounts.accounts)
    repo_list = RepoList(data.accounts, writer)
    firehose = Firehose(
        data.sequencer,
        max_lag=settings.firehose_max_buffer,
        retention_seconds=settings.firehose_retention_hours * 3600,
        instruments=instruments,
    )

    network = open_network(settings, data, stack)
    relays = Relays(network.configured, settings.hostname, settings.crawlers)
    stack.push_async_callback(relays.close)

    def publish(frames: Frames) -> None:
        firehose.publish(frames)
        relays.notify()

    replayed = replay(data.sequencer, data.stores)
    for did in replayed.touched:
        with data.stores.open(did) as store:
            head = store.head()
            if head is not None:
                repo_list.note(did, head.commit, head.rev)
    log = CommitLog(
        data.sequencer,
        publish,
        lambda store: catch_up(data.sequencer, store),
        held=bool(replayed.broken),
    )
    log.start()
    stack.push_async_callback(log.stop)
    revs = TidClock()
    repos = OpenRepos(data.stores, data.keys, unfit=replayed.broken)
    sync = SyncReads(data.stores, repos)
    published = LexiconResolver(
        network.look_ups,
        network.dids,
        look_up_txt=network.names.texts,
        own=own_proofs(hosting, sync, settings.public_url),
    )
    stack.push_async_callback(published.close)
    blobs = Blobs(
        temporary=data.directory.tmp,
        stores=data.stores,
        log=log,
        blob_store=adapters.blob_store,
        plugins=plugins,
        instruments=instruments,
    )
    stack.push_async_callback(blobs.close)
    backups = await open_backups(settings, context, plugins, adapters, data, log, blobs, instruments, stack)
    stack.push_async_callback(backups.maker.close)
    stack.push_async_callback(backups.schedule.stop)
    records = Records(
        repos=repos,
        stores=data.stores,
        log=log,
        blobs=blobs,
        checker=WriteChecker(lexicons, TidClock()),
        revs=revs,
        plugins=plugins,
        repo_list=repo_list,
        gate=WriteGate(data.accounts),
        instruments=instruments,
    )

    announcer = Announcer(data.accounts, writer, log, data.sequencer.has_commit)
    accounts = make_accounts(
        settings,
        data,
        network,
        writer=writer,
        passwords=passwords,
        announcer=announcer,
        hooks=plugins,
        outbox=mail,
        writers=repos,
        revs=revs,
        # On a developer's own machine the log takes the place of the mailbox.
        mail_goes_out=settings.is_local or sends_mail,
    )
    stack.push_async_callback(accounts.password_reset.close)
    stack.push_async_callback(accounts.address_notices.close)
    whole_repos = Repos(
        stores=data.stores,
        repos=repos,
        keys=data.keys,
        log=log,
        blobs=blobs,
        hosting=hosting,
        repo_list=repo_list,
        revs=revs,
        temporary=data.directory.tmp,
    )
    office = make_office(
        data=data,
        writer=writer,
        passwords=passwords,
        identities=accounts.identities,
        accounts=accounts.accounts,
        announcer=announcer,
        hooks=plugins,
        log=log,
        firehose=firehose,
        blobs=blobs,
        blob_store=adapters.blob_store,
        repos=whole_repos,
        dids=network.dids,
        documents=network.documents,
        outbox=mail,
        texts=accounts.mail_texts,
        codes=accounts.email_codes,
        sign_in=accounts.sign_in,
        events=accounts.security_events,
    )
    oauth_clients = make_oauth_clients(settings, data, writer, network, stack)
    kept_sets = KeptPermissionSets(data.accounts, writer, now_us)
    oauth = make_oauth(
        settings,
        data,
        writer,
        oauth_clients,
        PermissionSets(published, kept_sets, lexicons.added),
        plugins,
        accounts.security_events,
        accounts.browsers,
    )
    upkeep = Upkeep(
        log=log,
        sequencer=data.sequencer,
        stores=data.stores,
        repo_list=repo_list,
        blobs=blobs,
        sessions=accounts.sessions,
        browsers=accounts.browsers,
        oauth_requests=oauth.requests,
        oauth_sessions=oauth.sessions,
        permission_sets=kept_sets,
        email_codes=accounts.email_codes,
        security_events=accounts.security_events,
        quarantine=office.quarantine,
        deletions=office.deletion,
        keys=data.keys,
        due_deletions=office.due_deletions,
        retention_seconds=settings.firehose_retention_hours * 3600,
    )
    service_auth = ServiceAuth(data.keys, network.dids, Did.parse(settings.service_did))
    forwarding = make_forwarding(settings, data, network, service_auth, hosting, stack)

    await announcer.announce_pending()
    await office.deletion.resume_at_start()
    stack.push_async_callback(office.deletion.close)
    if serving:
        upkeep.start()
    backups.schedule.start()
    stack.push_async_callback(upkeep.stop)
    relays.notify()
    services = Services(
        server=server_info(settings),
        lexicons=lexicons,
        hosting=hosting,
        accounts=accounts.accounts,
        sign_in=accounts.sign_in,
        second_factors=accounts.second_factors,
        enrolment=accounts.enrolment,
        step_up=accounts.step_up,
        sessions=accounts.sessions,
        app_passwords=accounts.app_passwords,
        browsers=accounts.browsers,
        api_sessions=accounts.api_sessions,
        invites=accounts.invites,
        email_codes=accounts.email_codes,
        email_addresses=accounts.email_addresses,
        password_reset=accounts.password_reset,
        password_change=accounts.password_change,
        plc_operations=accounts.plc_operations,
        service_auth=service_auth,
        identities=accounts.identities,
        resolution=accounts.resolution,
        lexicon_resolution=LexiconResolution(published),
        records=records,
        repos=whole_repos,
        administration=office.administration,
        moderation=office.moderation,
        account_deletion=office.deletion,
        owner_deletion=office.owner_deletion,
        handle_availability=HandleAvailability(accounts.identities, accounts.sign_up),
        repo_list=repo_list,
        sync=sync,
        dids=network.dids,
        blobs=blobs,
        firehose=firehose,
        preferences=Preferences(data.stores, log),
        maintenance=make_maintenance(
            data=data,
            repos=repos,
            log=log,
            blobs=blobs,
            blob_store=adapters.blob_store,
            hosting=hosting,
            repo_list=repo_list,
            revs=revs,
        ),
        mail=mail,
        oauth=oauth,
        proxy=forwarding,
        backups=backups.maker,
        account_listing=AccountListing(data.accounts, data.stores),
        security_events=accounts.security_events,
        status=make_status(
            settings,
            data,
            plugins,
            adapters.selection,
            stack,
            firehose=firehose,
            repos=repos,
            relays=relays,
            upkeep=upkeep,
            backups=backups.standing.report,
            mail=lambda: mail_report(mail.standing(), adapters.selection.mailer),
        ),
    )
    return Opened(
        services=services,
        sessions=accounts.sessions,
        service_tokens=service_auth,
        admin_tokens=_admin_token(settings, data.keys, passwords, control_token),
        proofs=oauth_clients.proofs,
        access_tokens=oauth.tokens,
        hosting=hosting,
        directory=HostedDirectory(data.accounts, network.documents),
        page_key=accounts.page_key,
        plugins=plugins,
        plc_ledger=network.plc if isinstance(network.plc, PlcLedger) else None,
        measurements=adapters.measurements(),
    )


def _admin_token(settings: Settings, keys: KeyFiles, passwords: Passwords, control_token: str) -> AdminToken:
    stored_hash = settings.admin_token_hash
    token = None if stored_hash is not None else keys.load_or_create("admin_token").hex()
    return AdminToken(passwords, stored_hash=stored_hash, token=token, control_token=control_token)
