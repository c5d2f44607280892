"""The pictures that match a concept, beside what reviewers decided about them."""

from collections import Counter

from naturalist.curation import concepts
from naturalist.dashboard.review_report import ConceptMatches
from naturalist.dashboard.reviewing import Reviewing
from naturalist.studies.words.concept_files import checked_name


def concept_matches(reviewing: Reviewing, name: str, category: str, most: int) -> ConceptMatches:
    """What relabelling the matches of a concept would be about; nothing is changed.

    Args:
        reviewing: of the workspace.
        name: of the concept.
        category: name or key of the category that the matches are to have.
        most: pictures in one decision, at most.

    Raises:
        ConfigError: there is no such concept.
        WorkspaceError: the file of its scores is damaged.
    """
    config, history = reviewing.config, reviewing.journal.history()
    found = concepts.matches_of(config, name)
    ids = found.ids if found else []
    wanted = config.keys_by_any_name.get(category, "")
    others = [one for one in ids if wanted and _category(one) != wanted]
    undecided = [one for one in others if not history.of(one).mark.decision]
    counted = Counter(_category(one) for one in ids)
    return {
        "concept": checked_name(name),
        "matches": len(ids) if found else None,
        "categories": [
            {"category": str(config.names.get(key, key)), "pictures": pictures}
            for key, pictures in counted.most_common()
        ],
        "decided": len(others) - len(undecided),
        "left": max(0, len(undecided) - most),
        "ids": undecided[:most],
    }


def _category(pic_id: str) -> str:
    return pic_id.rpartition("_id_")[0]
