"""A deferrable operator that does nothing: what Airflow itself costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class BareOperator(BaseOperator):
    """Defer for ``seconds`` and return a small dict."""

    template_fields = ("inputs",)

    def __init__(self, *, inputs: dict[str, Any], seconds: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inputs, self.seconds = inputs, seconds

    def execute(self, context: Context) -> Any:
        from benchmarks.bare_trigger import BareTrigger

        self.defer(trigger=BareTrigger(seconds=self.seconds), method_name="execute_complete")

    def execute_complete(self, context: Context, event: Any) -> dict[str, Any]:
        return {"slept": event}
