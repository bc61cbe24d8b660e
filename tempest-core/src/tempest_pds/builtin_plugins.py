"""The log mailer, the disk blob store and the other adapters that come with the core."""
