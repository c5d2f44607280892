"""Types of documents that commands print with `--json`, where no other module declares them."""
