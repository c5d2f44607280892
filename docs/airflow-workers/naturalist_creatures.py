"""The DAG of one collection; its path is that inside the containers."""

from naturalist.orchestration import airflow_dag

dag = airflow_dag("/data/creatures/naturalist.toml")
