"""Looking for wrong labels in a workspace."""

from typing import Any

from naturalist import ledger
from naturalist.config import Config
from naturalist.layout import Layout
from naturalist.progress import Progress
from naturalist.running import workspace
from naturalist.studies.labels.study import LabelIssueOptions, study_label_issues


def label_issues(config: Config, progress: Progress, options: LabelIssueOptions) -> dict[str, Any]:
    """Study label issues; the report as JSON values.

    Raises:
        ConfigError: there are fewer than two categories with rows.
        WorkspaceLocked: somebody else is writing.
        MissingExtra: SciPy is not installed.
    """
    workspace.reading(config.layout)
    with workspace.writing(config):
        kept = _decided(config.layout)
        return study_label_issues(config.layout, kept, options, config.classifier.options, progress)


def _decided(layout: Layout) -> list[str]:
    """Accepted pictures about which a person has said something."""
    with ledger.connect(layout) as connection:
        found = connection.execute(
            "SELECT pic_id FROM ledger SEMI JOIN words USING (pic_id) WHERE outcome = 'accepted'"
        ).fetchall()
    return [row[0] for row in found]
