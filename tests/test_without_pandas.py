"""Programs of naturalist's own start without pandas, which pyarrow would import for them."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pandas")

MAKE_AN_ARRAY = "import pyarrow, sys; pyarrow.array([1]); print('pandas' in sys.modules)"


def printed(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_pyarrow_makes_arrays_without_pandas_where_it_is_refused() -> None:
    refused = "from naturalist.without_pandas import refuse_pandas; refuse_pandas(); "
    assert printed(refused + MAKE_AN_ARRAY) == "False"
    # Otherwise the module is not needed any more.
    assert printed(MAKE_AN_ARRAY) == "True"


def test_commands_run_without_pandas_and_other_programs_keep_it(tmp_path: Path) -> None:
    asked = f"sys.argv = ['naturalist', 'verify', {str(tmp_path)!r}]"
    program = f"""
import runpy, sys
{asked}
try:
    runpy.run_module("naturalist", run_name="__main__")
except SystemExit as ended:
    code = ended.code
import pyarrow
pyarrow.array([1])
print(code, "pandas" in sys.modules)
"""
    assert printed(program).split()[-1] == "False"
    assert printed("import naturalist.running.executors; " + MAKE_AN_ARRAY) == "True"
