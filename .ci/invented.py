"""Invents what the demo does not have, for .ci/dashboards.

invented.py METRICS PAST: reads a scrape of the demo from METRICS, writes to
PAST an OpenMetrics file of what Prometheus would have scraped around this time
of day one to four weeks ago, and to standard output a page of metrics that the
demo lacks, in the text format.
"""

import sys
import time

from prometheus_client.parser import text_string_to_metric_families

NOW = int(time.time())
DAY = 86400


def line(name, labels, value, at=None):
    escaped = ",".join('%s="%s"' % (k, v.replace("\\", r"\\").replace('"', r"\"")) for k, v in sorted(labels.items()))
    return "%s{%s} %s%s" % (name, escaped, value, "" if at is None else " %d" % at)


def past(families):
    """Each week ago a little less of everything, five minutes before this time
    of day until half an hour after it: offset looks back five minutes."""
    for family in families:
        if family.type != "gauge" or not family.name.startswith("chat_") or family.name.endswith("_seconds"):
            continue
        yield "# TYPE %s gauge" % family.name
        for sample in family.samples:
            labels = dict(sample.labels, job="active_users", instance="past")
            for weeks in (4, 3, 2, 1):
                value = sample.value
                if family.name in ("chat_active_users", "chat_r30v2_users", "chat_growth_users"):
                    value = round(value * (1 - 0.04 * weeks))
                for at in range(NOW - weeks * 7 * DAY - 300, NOW - weeks * 7 * DAY + 1800, 60):
                    yield line(sample.name, labels, value, at)
    yield "# EOF"


def lacking():
    matrix = {"server": "matrix", "domain": "matrix.demo.example"}
    yield "# TYPE chat_online_users gauge"
    yield line("chat_online_users", {"server": "xmpp", "domain": "example.org"}, 123)
    yield "# TYPE chat_module_loaded gauge"
    yield line("chat_module_loaded", {"server": "xmpp", "domain": "example.org", "module": "mam"}, 1)
    yield line("chat_module_loaded", {"server": "xmpp", "domain": "*", "module": "turn_external"}, 0)
    yield "# TYPE synapse_limit_mau_users gauge"
    for kind, value in (("native", 2104), ("bridged", 96)):
        yield line("synapse_limit_mau_users", {"homeserver": matrix["domain"], "type": kind}, value)
    yield "# TYPE synapse_admin_mau_max gauge"
    yield line("synapse_admin_mau_max", {"server_name": matrix["domain"]}, 2500)

    # A Matrix Authentication Service beside the Synapse.
    mas = {
        "mas_accounts": [({"state": "active"}, 2180), ({"state": "locked"}, 3), ({"state": "deactivated"}, 41)],
        "mas_accounts_without_password": [({}, 1890)],
        "mas_created_accounts": [({}, 7)],
        "mas_linked_accounts": [({"provider": "login.example.org"}, 1890)],
        "mas_registrations": [({"step": "started"}, 12), ({"step": "completed"}, 7), ({"step": "abandoned"}, 44)],
        "mas_sessions": [({"kind": "oauth2", "rights": "user"}, 5210), ({"kind": "oauth2", "rights": "admin"}, 2), ({"kind": "compat", "rights": "user"}, 612)],
        "mas_active_users": [({"kind": "matrix", "window": window}, users) for window, users in (("1d", 741), ("7d", 1503), ("30d", 2104))],
        "mas_active_client_users": [({"client_name": client, "window": "30d"}, users) for client, users in (("element x", 1210), ("compat", 530))],
    }
    for name, samples in mas.items():
        yield "# TYPE %s gauge" % name
        for labels, value in samples:
            yield line(name, dict(matrix, **labels), value)

    # A receiver that looks up countries.
    yield "# TYPE active_users_exporter_reports_country_homeservers gauge"
    for country, value in (("DE", 14), ("FR", 6), ("", 2)):
        yield line("active_users_exporter_reports_country_homeservers", {"country": country}, value)

    # Nobody waits until one of the homeservers has fallen silent.
    yield "# TYPE synapse_usage_last_report_timestamp_seconds gauge"
    yield line("synapse_usage_last_report_timestamp_seconds", {"homeserver": "silent.example"}, NOW - 15 * 3600)


def main():
    with open(sys.argv[1], encoding="utf-8") as metrics:
        families = list(text_string_to_metric_families(metrics.read()))
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.writelines(text + "\n" for text in past(families))
    print("\n".join(lacking()))


main()
