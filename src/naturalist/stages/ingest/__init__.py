"""The ingest stage: sources in, named pictures and ledger rows out."""
