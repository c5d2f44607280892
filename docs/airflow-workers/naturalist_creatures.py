"""The DAG of one collection; the path is the one inside the containers."""

from naturalist.orchestration import airflow_dag

dag = airflow_dag("/data/creatures/naturalist.toml")
