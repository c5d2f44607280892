"""Object stores: one contract, kept by a local folder and by S3."""

from naturalist.stores.opening import open_store
from naturalist.stores.protocol import ObjectInfo, OnDone, Store, Upload

__all__ = ["ObjectInfo", "OnDone", "Store", "Upload", "open_store"]
