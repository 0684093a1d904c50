"""What the stores that take and give Arrow tables have in common; times are whole seconds in an integer column."""

import pyarrow

from stores.base import Store


class ArrowStore(Store):
    def frame(self, times, values):
        return pyarrow.table({"timestamp": times, "value": values})

    def columns(self, result):
        return result["timestamp"].to_numpy(), result["value"].to_numpy()
