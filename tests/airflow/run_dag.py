"""Run a DAG file's DAG in this process: `run_dag.py FILE CONF`; prints the state of every task."""

import json
import runpy
import sys

dag = runpy.run_path(sys.argv[1])["dag"]
run = dag.test(run_conf=json.loads(sys.argv[2]))
found = [[one.task_id, one.map_index, str(one.state)] for one in run.get_task_instances()]
print("STATES", json.dumps(found))
