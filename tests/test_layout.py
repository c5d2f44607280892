import re
from itertools import combinations
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from naturalist import layout
from naturalist.config.sources import CATEGORY_NAME
from naturalist.layout import PICTURES_PER_FOLDER, Layout, pic_id, pic_number, receipt_path

categories = st.from_regex(CATEGORY_NAME, fullmatch=True) | st.sampled_from(
    ["a", "a_id_1", "a_id_1_id_1", "a_id_", "a_id", "id_1"]
)
numbers = st.integers(1, 10**12)
LAYOUT = Layout(Path("/w"))


@given(st.sets(st.tuples(categories, numbers), min_size=2, max_size=20))
def test_no_two_pictures_have_the_same_id(pictures: set[tuple[str, int]]) -> None:
    assert len({pic_id(*picture) for picture in pictures}) == len(pictures)


@given(st.sets(st.tuples(categories, numbers), min_size=2, max_size=20))
def test_no_two_pictures_have_the_same_place(pictures: set[tuple[str, int]]) -> None:
    places = {LAYOUT.picture("images", c, n, "jpg") for c, n in pictures}
    assert len(places) == len(pictures)


@given(categories, numbers)
def test_the_number_of_a_picture_can_be_read_from_its_id(category: str, number: int) -> None:
    assert pic_number(pic_id(category, number)) == number


@given(numbers)
def test_no_folder_holds_more_pictures_than_it_should(number: int) -> None:
    folder = LAYOUT.picture("images", "plant", number, "png").parent
    first = int(folder.name) * PICTURES_PER_FOLDER
    assert first <= number < first + PICTURES_PER_FOLDER


def test_an_image_root_elsewhere_is_used_as_it_is_named() -> None:
    assert LAYOUT.picture("/drive/b", "plant", 7, "png") == Path(
        "/drive/b/plant/000000/plant_id_7.png"
    )
    assert LAYOUT.picture("more", "plant", 7, "png").is_relative_to("/w/more")


def test_no_two_artifacts_of_a_shard_share_a_path_or_a_receipt() -> None:
    paths = [
        LAYOUT.features("net-1", "plant", 1, 0),
        LAYOUT.features("net-2", "plant", 1, 0),
        LAYOUT.features("net-1", "plant", 1, 1),
        LAYOUT.features("net-1", "plant", 11, 0),
        LAYOUT.previews("plant", 1, 0),
        LAYOUT.checks("net-1", "plant", 1, 0),
        LAYOUT.refusals("plant", 1, 0),
        LAYOUT.batch("plant", 1),
        LAYOUT.table("plant", 1),
    ]
    both = [*paths, *map(receipt_path, paths)]
    assert all(one != other for one, other in combinations(both, 2))


@given(st.lists(st.integers(0, 99_999), min_size=2, max_size=8, unique=True))
def test_parts_sort_by_batch_and_shard(keys: list[int]) -> None:
    paths = [LAYOUT.features("net", "plant", key // 100, key % 100) for key in keys]
    assert sorted(paths) == [p for _, p in sorted(zip(keys, paths, strict=True))]


def test_every_folder_of_the_drawing_is_known_as_one_of_the_workspace() -> None:
    drawn = set(re.findall(r"^ {6}([\w.-]+)/", layout.__doc__ or "", re.MULTILINE))
    assert drawn == layout.OWN_FOLDERS
