"""Search by words in a workspace: keeping the indexes, and asking them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from typing_extensions import TypedDict

from naturalist import backbones, ledger
from naturalist.config import Config
from naturalist.counting import counted
from naturalist.curation.conditions import meeting
from naturalist.curation.ledger_query import Filter, check_names, keys_by_name
from naturalist.errors import ConfigError, WorkspaceError, WorkspaceLocked
from naturalist.layout import Layout
from naturalist.pipeline import similar as looking
from naturalist.pipeline import words as keeping
from naturalist.progress import Progress
from naturalist.running import workspace
from naturalist.studies.contact_sheet import Tile, contact_sheet
from naturalist.studies.similar.methods.vector_search import Floats
from naturalist.studies.similar.study import Index
from naturalist.studies.thumbnails import read_thumbnails
from naturalist.studies.words.concept_files import read_concepts
from naturalist.studies.words.index import (
    WordIndex,
    paths_of,
)
from naturalist.studies.words.methods.nouns import read_nouns
from naturalist.studies.words.methods.queries import parse
from naturalist.studies.words.opening import Words, open_indexes
from naturalist.studies.words.search import Matches, Searched, contradictions, prepared, search


@dataclass(frozen=True)
class Request:
    """What to search for.

    Attributes:
        query: words; may be empty if `like` is given.
        k: how many pictures at most.
        category: only pictures of this category; empty for all.
        source: only pictures of this source; empty for all.
        where: only pictures that meet this SQL condition on columns of the ledger and of metadata;
            empty for all.
        like: a picture id or a file that pictures should be like as well; empty for none.
        paths: whether the ledger is asked for the paths of what is found; if not, they are null.
    """

    query: str
    k: int = 20
    category: str = ""
    source: str = ""
    where: str = ""
    like: str = ""
    paths: bool = True


class Evidence(TypedDict):
    """What speaks for a picture: a class of the network, a concept, a word of a path or column.

    By `like` the score is the cosine with the picture that others should be like.
    """

    word: str
    by: str
    what: str
    score: float


class SearchedWord(TypedDict):
    """What is known of a word of a query."""

    word: str
    excluded: bool
    known_to_backbone: bool
    classes: int
    class_names: str
    pictures_by_path: int
    concept: bool
    known_as_text: bool
    notes: list[str]
    hints: list[str]


class SearchHit(TypedDict):
    """A picture that was found; `path` is inside its source."""

    rank: int
    picID: str
    score: float
    category: str
    source: str
    path: str | None
    why: list[Evidence]


class SearchReport(TypedDict):
    """What a search found; `messages` say which words mean nothing here."""

    query: str
    like: str | None
    backbone: str
    pictures: int
    words: list[SearchedWord]
    messages: list[str]
    rows: list[SearchHit]


def open_words(config: Config, progress: Progress, *, update: bool = True) -> Words:
    """The indexes, brought up to date if nobody else is writing to the workspace.

    Without `update` they are used as they are, and nothing is written.

    Raises:
        ConfigError: there are no tables.
        WorkspaceLocked: somebody else is writing, and there is no index yet.
    """
    layout, backbone = config.layout, backbones.describe(config.extract.backbone).id
    workspace.reading(layout)
    if not update and not keeping.has_words(config):
        raise ConfigError("there is no index of words yet: run `naturalist search` once")
    try:
        if update:
            with workspace.writing(config):
                keeping.update(config, progress)
    except WorkspaceLocked:
        if not keeping.has_words(config):
            raise
        progress.note(
            "another command is writing to the workspace: the existing index of words is used"
        )
    return open_indexes(layout, backbone)


def search_words(
    config: Config, request: Request, progress: Progress, *, update: bool = True
) -> SearchReport:
    """The pictures that show what a query says, with what speaks for each.

    Without `update` the index of words is used as it is, and nothing is written.

    Raises:
        ConfigError: the query says nothing, or a name or condition in the request is wrong.
        WorkspaceLocked: somebody else is writing, and there is no index yet.
    """
    check_names(config, Filter(category=request.category, source=request.source))
    words = open_words(config, progress, update=update)
    try:
        return _search(config, request, words)
    except WorkspaceError:
        # Words of a part are read when they are needed; another process may have replaced it.
        again = open_indexes(config.layout, words.index.about["backbone"])
        if again.index.about == words.index.about:
            raise
        return _search(config, request, again)


def _search(config: Config, request: Request, words: Words) -> SearchReport:
    layout, spec = config.layout, backbones.describe(config.extract.backbone)
    saved = read_concepts(layout, spec.id)
    concepts = {name: one.concept for name, one in saved.items()}
    nouns = read_nouns()
    terms = (
        parse(
            request.query,
            lambda text: text in concepts or nouns.base(text) is not None,
            concepts,
        )
        if request.query.strip()
        else []
    )
    if not terms and not request.like:
        raise ConfigError("nothing to search for: pass words, or --like with a picture")
    tower = backbones.text_tower(spec.name)
    allowed = _allowed(config, words.index, request)
    text_of = tower.query if tower else None
    searched = prepared(nouns, terms, concepts, words.index.has_classes, text_of)
    warnings = _contradictions(request.query, searched)
    result = search(
        words.index,
        searched,
        request.k,
        allowed=allowed,
        vectors=words.part,
        like=_like(config, words.vectors, request.like),
    )
    messages = [
        *warnings,
        *_messages(result, words.index.has_classes or tower is not None, spec.name),
    ]
    if not result.rows and _leaves_none(request, words.index, allowed):
        # Nothing was searched, so that nothing can be said of the words.
        messages = [f"no picture matches {' and '.join(_filters(request))}"]
    return {
        "query": request.query,
        "like": request.like or None,
        "backbone": spec.name,
        "pictures": words.index.rows,
        "words": cast("list[SearchedWord]", result.terms),
        "messages": messages,
        "rows": _hits(layout, words.index, result, paths=request.paths),
    }


def _contradictions(query: str, searched: Sequence[Searched]) -> list[str]:
    """What a query asks for although it leaves out what that is a kind of.

    Raises:
        ConfigError: it asks for a word and leaves the same one out.
    """
    found = []
    for asked, excluded, is_same in contradictions(searched):
        if is_same:
            raise ConfigError(
                f"the query {query!r} asks for {asked.text!r} and leaves out {excluded.text!r}: "
                "take one of them away"
            )
        found.append(
            f"{asked.text!r} is a kind of {excluded.text!r}, which is left out: the pictures are "
            "those that look least like it"
        )
    return found


def _leaves_none(
    request: Request, index: WordIndex, allowed: Callable[[int], NDArray[np.bool_] | None]
) -> bool:
    """Whether the filters of a search are what leaves no picture."""
    if not _filters(request):
        return False
    masks = (allowed(number) for number in range(len(index.parts)))
    return not any(mask is None or mask.any() for mask in masks)


def _filters(request: Request) -> list[str]:
    """The filters of a search, as they are given."""
    given = {"category": request.category, "source": request.source, "where": request.where}
    return [f"--{name} {value!r}" for name, value in given.items() if value]


def sheet_of(layout: Layout, result: SearchReport, path: Path) -> None:
    """Draw the pictures of a result as a contact sheet (PNG).

    Raises:
        ConfigError: the file cannot be written.
    """
    hits = result["rows"]
    captions = {hit["picID"]: reason_text(hit) for hit in hits}
    title = f"{result['query'] or 'like ' + str(result['like'])}: {counted(len(hits), 'picture')}"
    _write_sheet(layout, captions, title, path)


def plain_sheet(layout: Layout, pic_ids: Sequence[str], title: str, path: Path) -> None:
    """Draw some pictures as a contact sheet (PNG).

    Raises:
        ConfigError: the file cannot be written.
    """
    _write_sheet(layout, dict.fromkeys(pic_ids, ""), title, path)


def _write_sheet(layout: Layout, captions: Mapping[str, str], title: str, path: Path) -> None:
    thumbnails = read_thumbnails(layout, list(captions))
    tiles = [Tile(thumbnails.get(name), f"{name}\n{text}") for name, text in captions.items()]
    try:
        path.write_bytes(contact_sheet(tiles, title))
    except OSError as error:
        raise ConfigError(f"cannot write the contact sheet {path}: {error.strerror}") from error


def reason_text(hit: SearchHit) -> str:
    """Why a picture was found, in a few words."""
    lines = [
        f"{one['what']} {one['score']:.2f}"
        if one["by"] in ("class", "concept", "like")
        else f"{one['by']}: {one['what']}"
        for one in hit["why"]
    ]
    return ", ".join(dict.fromkeys(lines))


def _allowed(
    config: Config, index: WordIndex, request: Request
) -> Callable[[int], NDArray[np.bool_] | None]:
    out = ledger.withheld(config.layout)
    only = meeting(config.layout, request.where) if request.where else None
    # An index of before a category was renamed has another name of it, and the same key.
    key = keys_by_name(config).get(request.category, "")

    def allowed(number: int) -> NDArray[np.bool_] | None:
        if not out and only is None and not (request.category or request.source):
            return None
        names = index.parts[number].names
        mask = np.ones(names.num_rows, bool)
        if out:
            mask &= ~_mask(out.among(names["picID"]))
        if only is not None:
            mask &= _mask(pc.is_in(names["picID"], only))
        if request.category:
            mask &= _mask(ledger.of_category(names["picID"], key))
        if request.source:
            mask &= _mask(pc.equal(names["source"], request.source))
        return mask

    return allowed


def _mask(result: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(result.to_numpy(), bool)


def _like(config: Config, index: Index, like: str) -> Floats | None:
    if not like:
        return None
    if Path(like).is_file():
        vector = looking.vector_of_file(config, Path(like))
    else:
        known = index.vector(like)
        if known is None:
            raise ConfigError(
                f"--like {like} is neither a picture in the tables nor a file: ids look like "
                "plant_id_7"
            )
        vector = known[0]
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)


def _messages(matches: Matches, has_classes: bool, network: str) -> list[str]:
    """What a person should know about the words, above all which ones mean nothing here."""
    messages = []
    if not has_classes:
        messages.append(
            f"{network} has no classes that could name what pictures show: only words of paths and "
            "columns, and concepts, are searched"
        )
    for word in matches.terms:
        messages += word["notes"]
        if not (word["known_to_backbone"] or word["concept"] or word["known_as_text"]):
            messages.append(_unknown(word, has_classes))
        messages += word["hints"]
    return messages


def _unknown(word: dict[str, Any], has_classes: bool) -> str:
    text, paths = word["word"], word["pictures_by_path"]
    # A note has said already in which other meaning the backbone knows it.
    is_new = has_classes and not word["notes"]
    start = f"{text!r} is not a word this backbone knows: " if is_new else f"{text!r}: "
    held = (
        f"{counted(paths, 'picture has', 'pictures have')} it in a path or column"
        if paths
        else "no picture has it in a path or column"
    )
    name = f'"{text}"' if " " in text else text
    example = f"naturalist concept make {name} --yes ID,ID,..."
    return f"{start}{held}. To teach it, give examples: `{example}`"


def _hits(layout: Layout, index: WordIndex, matches: Matches, *, paths: bool) -> list[SearchHit]:
    named = index.described(matches.rows)
    known = paths_of(layout, [one["picID"] for one in named]) if paths else {}
    return [
        {
            "rank": rank,
            "picID": one["picID"],
            "score": score,
            "category": one["category"],
            "source": one["source"],
            "path": known.get(one["picID"]),
            "why": cast("list[Evidence]", why),
        }
        for rank, (one, score, why) in enumerate(
            zip(named, matches.scores, matches.why, strict=True), 1
        )
    ]
