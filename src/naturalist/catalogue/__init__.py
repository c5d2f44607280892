"""Data sets by name: the catalogue that comes with the package, and fetching them.

The catalogue is data (`sets.toml`): the 37 sets of pictures that the first million was gathered
from, by their names at Kaggle. Any other set at Kaggle or Hugging Face, and any archive at a web
address, is named by its address.
"""

from naturalist.catalogue.entries import CATEGORY_LABELS, Entry, Host, known_sets, resolve
from naturalist.catalogue.fetching import Fetched, FetchOptions, fetch
from naturalist.catalogue.records import Record, path_of, read_record, read_released, records

__all__ = [
    "CATEGORY_LABELS",
    "Entry",
    "FetchOptions",
    "Fetched",
    "Host",
    "Record",
    "fetch",
    "known_sets",
    "path_of",
    "read_record",
    "read_released",
    "records",
    "resolve",
]
