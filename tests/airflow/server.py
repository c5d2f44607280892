"""A real Airflow on loopback: SQLite, LocalExecutor, three processes in groups of their own.

`airflow standalone` would also start a triggerer and log servers that listen on every interface,
so the three parts that are needed are started one by one.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

DEADLINE_S = 420.0
_POLL_S = 0.2
PARTS = ("api-server", "scheduler --skip-serve-logs", "dag-processor")
OVER = ("success", "failed")

Json = dict[str, Any]


def environment(home: Path, dags: Path, port: int = 0) -> dict[str, str]:
    """Settings of an Airflow that lives in `home`."""
    url = f"http://127.0.0.1:{port}"
    settings = {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "3",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    }
    named = {f"AIRFLOW__{key}": value for key, value in settings.items()}
    folder = str(Path(sys.executable).parent)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return os.environ | named | {"AIRFLOW_HOME": str(home), "PATH": path}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_until(what: str, holds: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """Ask again and again until something is true; give it."""
    end = time.monotonic() + deadline_s
    while not (found := holds()):
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        time.sleep(_POLL_S)
    return found


class _Listener(BaseHTTPRequestHandler):
    heard: list[Json]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def listening() -> Iterator[tuple[str, list[Json]]]:
    """A web address on loopback, and the JSON documents that are posted to it."""
    heard: list[Json] = []
    handler = type("Handler", (_Listener,), {"heard": heard})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Server:
    """A running Airflow, as its REST interface shows it."""

    url: str
    logs: Path
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    _token: str = ""

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            value: Json = json.loads(answer.read() or b"{}")
            return value

    def log_in(self) -> bool:
        for process in self.processes:
            assert process.poll() is None, self.last_words()
        try:
            self._token = str(self.call("GET", "/auth/token")["access_token"])
        except (OSError, urllib.error.URLError):
            return False
        return True

    def last_words(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self.logs.glob("*.log"))

    def has_dag(self, dag_id: str) -> bool:
        try:
            return not self.call("GET", f"/api/v2/dags/{dag_id}")["has_import_errors"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            raise

    def unpause(self, dag_id: str) -> None:
        self.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, run_id: str, **conf: Any) -> None:
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Clear one task of a run that is over, as a person does on Airflow's page."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [task_id]}
        body |= {"only_failed": False, "reset_dag_runs": True}
        self.call("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)

    def state(self, dag_id: str, run_id: str) -> str:
        return str(self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def finish(self, dag_id: str, run_id: str) -> str:
        """Wait for the end of a run; its state."""
        said = f"end of {run_id}"
        wait_until(said, lambda: self.state(dag_id, run_id) in OVER)
        return self.state(dag_id, run_id)

    def instances(self, dag_id: str, run_id: str) -> list[Json]:
        """Every task instance of a run."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=500"
        found: list[Json] = self.call("GET", path)["task_instances"]
        return found

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned; None if it returned nothing."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        entries = self.call("GET", f"{path}/xcomEntries")["xcom_entries"]
        if not any(entry["key"] == "return_value" for entry in entries):
            return None
        return self.call("GET", f"{path}/xcomEntries/return_value")["value"]

    def good_runs(self, dag_id: str) -> list[str]:
        """Ids of the runs of a DAG that succeeded, oldest first."""
        found = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=run_after")["dag_runs"]
        return [run["dag_run_id"] for run in found if run["state"] == "success"]

    def asset_events(self) -> list[Json]:
        found: list[Json] = self.call("GET", "/api/v2/assets/events?limit=100")["asset_events"]
        return found


@contextlib.contextmanager
def running(home: Path, dags: Path, **more: str) -> Iterator[Server]:
    """Start Airflow, wait until it answers, and end every process of it.

    `more` is added to its environment.
    """
    port = free_port()
    settings = environment(home, dags, port) | more
    home.mkdir(parents=True, exist_ok=True)
    server = Server(f"http://127.0.0.1:{port}", home)
    with (home / "migrate.log").open("wb") as log:
        subprocess.run(
            ["airflow", "db", "migrate"], env=settings, stdout=log, stderr=log, check=True
        )
    try:
        for part in PARTS:
            with (home / f"{part.split()[0]}.log").open("wb") as log:
                server.processes.append(
                    subprocess.Popen(
                        ["airflow", *part.split()],
                        env=settings,
                        stdout=log,
                        stderr=log,
                        stdin=subprocess.DEVNULL,
                        start_new_session=True,
                    )
                )
        wait_until("Airflow answers", server.log_in)
        yield server
    finally:
        for process in reversed(server.processes):
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    # By process group: Airflow's parts have children, and those have children.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
