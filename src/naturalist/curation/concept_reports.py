"""What is said of concepts: documents of the commands, and what the dashboard shows of them."""

from typing_extensions import TypedDict


class ConceptMeasures(TypedDict):
    """What cross-validation says of a concept; see `ConceptQuality`."""

    average_precision: float
    above: float
    threshold: float
    recall: float
    drawn_share: float


class ConceptLesson(TypedDict):
    """Who taught a concept, when, and with how many examples and counter-examples."""

    by: str
    at: str
    yes: int
    no: int


class ConceptPrecision(TypedDict):
    """Share of right ones among answers about matches that were drawn, with its 90 % interval."""

    share: float
    answers: int
    interval_90: list[float]


class ConceptFacts(TypedDict):
    """A concept: how many examples and counter-examples it has, and how good it is."""

    concept: str
    yes: int
    no: int
    made_at: str
    backbone: str
    threshold: float
    cross_validation: ConceptMeasures | None
    precision: ConceptPrecision | None
    lessons: list[ConceptLesson]


class ListedConcept(ConceptFacts):
    """A concept, and whether it fits the backbone of the collection."""

    usable: bool


class ConceptList(TypedDict):
    """All concepts of a workspace."""

    rows: list[ListedConcept]


class MatchedConcept(ConceptFacts):
    """A concept, and how many pictures match it."""

    pictures: int
    matches: int


class ConceptQuestions(TypedDict):
    """Pictures to label next: near the border, and drawn from the matches."""

    uncertain: list[str]
    likely: list[str]


class MadeConcept(MatchedConcept):
    """A concept that was taught, and which pictures to label next."""

    gone: int
    """Examples that are no longer accepted."""
    ask: ConceptQuestions


class ConceptMatch(TypedDict):
    """A picture that matches a concept."""

    picID: str
    category: str
    source: str
    score: float


class ShownConcept(MatchedConcept):
    """A concept, and the pictures that match it best."""

    rows: list[ConceptMatch]


class AppliedConcept(TypedDict):
    """The scores of all pictures by a concept, and the file that has them."""

    concept: str
    pictures: int
    matches: int
    threshold: float
    file: str
    decisions: str | None
    proposed: int


class DroppedConcept(TypedDict):
    """The name of a concept that was deleted."""

    dropped: str
