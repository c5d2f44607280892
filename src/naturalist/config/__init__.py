"""`naturalist.toml`: one collection, its categories and sources, and every setting."""

from naturalist.config.models import Config
from naturalist.config.reading import CONFIG_NAME, load_config
from naturalist.config.sources import CATEGORY_NAME, CategorySection, SourceSection
from naturalist.config.writing import NewCategory, NewSource, render_config, write_config

__all__ = [
    "CATEGORY_NAME",
    "CONFIG_NAME",
    "CategorySection",
    "Config",
    "NewCategory",
    "NewSource",
    "SourceSection",
    "load_config",
    "render_config",
    "write_config",
]
