"""Bringing the metadata columns of pictures up to date, by itself."""

from naturalist.config import Config
from naturalist.metadata import Summary
from naturalist.pipeline import runner, steps
from naturalist.progress import Progress
from naturalist.running import workspace


def collect(config: Config, progress: Progress) -> Summary:
    """Match the rows of all metadata files with pictures; empty if no source has any.

    Raises:
        ConfigError: a rule does not fit its metadata file.
        SourceError: a metadata file is missing or cannot be read.
        WorkspaceError: there is no workspace yet.
    """
    workspace.reading(config.layout)
    with runner.opened(config, progress) as job:
        return steps.collect_metadata(job) or Summary()
