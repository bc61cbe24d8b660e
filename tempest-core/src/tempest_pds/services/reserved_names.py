"""Names that nobody gets as a handle on a hosted domain.

Three kinds: words of the protocol and of this server, whose subdomains would be mistaken for the service; names that
machines look up by convention (mail, DNS, certificates); and words that let an account pose as the operator.
"""

from typing import Final

_PROTOCOL: Final = """
at atp atproto plc pds did repo tid nsid xrpc lex lexicon bsky bluesky handle tempest appview relay firehose labeler
ozone feedgen entryway
"""

_MACHINES: Final = """
acme api apis app apps assets autoconfig autodiscover backup backups blob blobs cache cdn cgi client clients cname
config connect cpanel database dav db default demo dev dns docs download downloads email errors example file files
ftp ftps gateway git hostmaster host hosting hostname http https image images imap img intranet ios ipad iphone
isatap javascript jobs js json kb lab labs ldap list lists local localdomain localhost log logs mail mailer mailing
media metrics mobile monitor monitoring mta mta-sts mx mysql net network news nntp noc null ns ns1 ns2 ns3 ns4 oauth
origin pop pop3 postgres private prod production proxy public redirect registry rss sandbox search server servers sftp
smtp socket sql src ssh ssl staging static stats status storage sync sys system telnet test testing tftp tls tmp
update upload uploads usenet uucp vpn web webdav webhook webhooks webmail wiki wildcard wpad ws wss www www1 www2 www3
xml
"""

_OPERATOR: Final = """
abuse about account accounts activate ad admin administration administrator administrators admins ads announcements
anonymous auth authentication authorize billing blog bot bots business careers chat check code community compliance
contact copyright copyrights corp customer customers dashboard delete developer developers dmca enable everyone
explore faq feedback feeds forgot forum forums guest guests guide guides hello help helpdesk home hostingadmin info
information invite invites invoice invoices legal license log-in log-out login logout manage manager marketing me
member members message messages mod moderation moderator moderators mods my name newsletter nobody noreply no-reply
notification notifications official oauth-clients owner password passwords payment payments policies policy portal
postmaster premium press privacy privacy-policy profile profiles register registration report reports root sales
secure security service services session settings shop sign-in sign-up signin signout signup staff store superuser
support sysadmin sysadministrator team terms terms-of-service tos trust user username users verification verify
verified webmaster webmasters welcome
"""

RESERVED_NAMES: Final = frozenset(f"{_PROTOCOL} {_MACHINES} {_OPERATOR}".split())
