"""Reads OpenMetrics from standard input with the strict parser of the Python client."""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

families = list(text_string_to_metric_families(sys.stdin.read()))
chat = [f.name for f in families if f.name.startswith("chat_")]
if len(chat) < 8:
    sys.exit(f"only {len(chat)} families of ours: {chat}")
print(f"  ok: {len(families)} families in strict OpenMetrics")
