import pyarrow as pa
import pytest

from naturalist import schemas

PUBLISHED = [schemas.PUBLIC_LEDGER, schemas.PUBLIC_AMENDMENT, schemas.PREVIEWS, schemas.VERDICTS]
ALL = [
    *PUBLISHED,
    schemas.LEDGER,
    schemas.AMENDMENT,
    schemas.FINDINGS,
    schemas.CHECKS,
    schemas.features_schema(3),
    schemas.table_schema(3),
]


@pytest.mark.parametrize("schema", ALL, ids=lambda schema: schema.names[0] + str(len(schema)))
def test_every_column_is_explained_in_a_sentence(schema: pa.Schema) -> None:
    for field in schema:
        text = field.metadata[b"description"].decode()
        assert len(text) > 10
        assert text.endswith(".")


def test_a_table_of_512_features_has_the_514_csv_columns_of_the_contract() -> None:
    columns = schemas.csv_columns(512)
    assert len(columns) == len(set(columns)) == 514
    assert columns[:2] == ["picID", "img_feature_1"]
    assert columns[-2:] == ["img_feature_512", "category_label"]


def test_a_table_holds_its_features_as_one_list_of_fixed_length() -> None:
    schema = schemas.table_schema(512)
    assert schema.names == ["picID", "category_label", "source", "features"]
    assert schema.field("features").type == pa.list_(pa.float32(), 512)


def test_the_data_dictionary_names_every_column_of_every_published_file() -> None:
    text = schemas.data_dictionary(512)
    for schema in (*PUBLISHED, schemas.table_schema(512)):
        for field in schema:
            assert f"| `{field.name}` | {field.type} |" in text
    assert "`img_feature_512`" in text


def test_the_data_dictionary_does_not_name_what_is_never_published() -> None:
    text = schemas.data_dictionary(512)
    private = (*schemas.PRIVATE_LEDGER_COLUMNS, *schemas.PRIVATE_AMENDMENT_COLUMNS)
    assert not [name for name in private if f"`{name}`" in text]
