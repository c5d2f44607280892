"""The same stages under an orchestrator: the DAG, and the plain functions that its tasks call."""

from naturalist.orchestration.dag import airflow_dag

__all__ = ["airflow_dag"]
