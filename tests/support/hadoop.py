"""Hadoop's and Hive's own programs, out of the jars that come with Spark: a client of WebHDFS, a real metastore."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from xml.sax.saxutils import escape


def jars() -> Path | None:
    """The folder of Spark's jars: of SPARK_HOME, or of an installed pyspark."""
    found = find_spec("pyspark")
    places = [os.environ.get("SPARK_HOME", ""), str(Path(found.origin).parent) if found and found.origin else ""]
    return next((Path(each) / "jars" for each in places if each and (Path(each) / "jars").is_dir()), None)


def missing() -> str:
    """Why neither can be run here; empty when they can."""
    if shutil.which("java") is None:
        return "no Java is installed (apt-get install openjdk-17-jre-headless)"
    return "" if jars() else "no Spark is here: set SPARK_HOME, or pip install pyspark"


def site(values: dict[str, str]) -> str:
    """A ``…-site.xml``."""
    properties = "".join(
        f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>"
        for name, value in values.items()
    )
    return f"<configuration>{properties}</configuration>"


def fs_shell(conf: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """``hadoop fs WORDS`` as the user ``team``; `conf` is a folder for its configuration."""
    folder = jars()
    assert folder is not None, missing()
    (conf / "core-site.xml").write_text(site({}))
    command = ["java", "-Xmx256m", "-cp", f"{conf}:{folder}/*", "org.apache.hadoop.fs.FsShell", *words]
    environment = os.environ | {"HADOOP_USER_NAME": "team"}
    return subprocess.run(command, capture_output=True, timeout=180, check=False, env=environment)
