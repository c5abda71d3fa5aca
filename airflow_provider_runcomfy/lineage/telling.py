"""What OpenLineage asks of an operator at its end; Dag files import this, and everything else is imported then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_runcomfy.lineage.facts import Facts


class TellsOfGeneration:
    """An operator that submits: a model goes in, a request comes out."""

    _facts: Facts | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return what OpenLineage is told of a success."""
        from airflow_provider_runcomfy.lineage.openlineage import of_generation

        return of_generation(self._facts, has_succeeded=True)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return what OpenLineage is told of a failure: the request, which may have cost something, as a facet."""
        from airflow_provider_runcomfy.lineage.openlineage import of_generation

        return of_generation(self._facts, has_succeeded=False)


class TellsOfCopies:
    """An operator that copies: requests go in, objects come out."""

    _facts: Facts | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return what OpenLineage is told of a success."""
        from airflow_provider_runcomfy.lineage.openlineage import of_copies

        return of_copies(self._facts)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return what OpenLineage is told of a failure: no object, although some may have been copied."""
        return self.get_openlineage_facets_on_complete(task_instance)
