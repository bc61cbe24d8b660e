"""The adapters that come with the core: no service, no credentials, only the data directory and the log."""
