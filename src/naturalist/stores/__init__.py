"""Object stores: one contract, kept by a local folder and by buckets."""

from naturalist.stores.connection import S3Options
from naturalist.stores.local import LocalStore
from naturalist.stores.opening import open_store
from naturalist.stores.protocol import ObjectInfo, OnDone, Store, Upload

__all__ = ["LocalStore", "ObjectInfo", "OnDone", "S3Options", "Store", "Upload", "open_store"]
