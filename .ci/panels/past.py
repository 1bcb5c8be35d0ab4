"""Invents the past of a scrape, for .ci/panels/draw.

past.py NOW METRICS...: reads scrapes in the text format and writes OpenMetrics
of the DAYS before NOW (Unix seconds) to standard output: the figures of the
scrapes are the newest, those before lead to them, with weekends, growth, waves
of churn, refreshes that failed and modules that broke.
"""

import itertools
import math
import sys
import zlib

from prometheus_client.parser import text_string_to_metric_families

DAYS = 90
STEP = 900  # seconds between two scrapes
DAY, HOUR = 86400, 3600
NOW = int(sys.argv[1]) // STEP * STEP
TIMES = range(NOW - DAYS * DAY, NOW + 1, STEP)
WEEK = (1.0, 1.02, 1.03, 1.01, 0.96, 0.68, 0.64)  # how busy Monday to Sunday are

# When xmpp could not be read, and when matrix's history was not saved.
DOWN = (NOW - 27 * HOUR, NOW - 24.6 * HOUR)
UNSAVED = (NOW - 15 * HOUR, NOW - 12 * HOUR)

# What modules were since how many hours before NOW; before that they were
# "core", which is 0.
MODULES = {
    ("example.org", "mam"): ((44, 2), (41, 0), (9, 3)),
    ("chat.example.org", "cloud_notify"): ((60, 2), (31, 0), (22, 2)),
    ("example.org", "smacks"): ((36, 1), (33, 0)),
    ("example.org", "register"): ((20, 3), (19, 2), (17.5, 0)),
}

COUNTS = ("chat_", "synapse_usage_", "synapse_limit_", "active_users_exporter_reports_users")
CONSTANT = ("chat_history_days", "synapse_usage_event_cache_size", "synapse_usage_cache_factor")


def chance(*key):
    """A number from 0 to 1 that is always the same for the key."""
    return zlib.crc32(repr(key).encode()) / 2**32


def between_days(f, t):
    """f of a day number, led smoothly from each midnight to the next."""
    day, part = divmod(t / DAY, 1)
    return f(int(day)) * (1 - part) + f(int(day) + 1) * part


def weekday(t):
    # What is counted over 24 hours at midnight is the day before.
    return between_days(lambda day: WEEK[(day + 2) % 7], t)  # 1970-01-01 was a Thursday


def noise(key, t, size):
    """About 1, and exactly 1 now."""
    at = lambda t: 1 + size * (2 * between_days(lambda day: chance(key, day), t) - 1)
    return at(t) / at(NOW)


def growth(labels, t):
    """One domain lost users until six weeks ago, the others grow."""
    ago = (NOW - t) / DAY
    if labels.get("domain") == "chat.example.org":
        return 1 + 0.35 * ((ago - 42) / 48) ** 2 - 0.35 * (42 / 48) ** 2
    return 1 - 0.0035 * ago


def refreshed(server, t, success):
    """The last hourly refresh at t."""
    at = (t // HOUR) * HOUR + 60 + int(600 * chance(server))
    if at > t:
        at -= HOUR
    if success and server == "xmpp" and DOWN[0] <= at < DOWN[1]:
        at -= math.ceil((at - DOWN[0]) / HOUR + 1e-9) * HOUR
    return at


def shape(name, labels, value):
    """The value of a series as a function of time; what nobody knows stays."""
    for kind in (moment, health, module, report, growth_state, count):
        found = kind(name, labels, value)
        if found:
            return found
    return lambda t: value


def moment(name, labels, value):
    server = labels.get("server")
    if name in ("chat_last_refresh_timestamp_seconds", "chat_module_status_timestamp_seconds"):
        return lambda t: refreshed(server, t, name.startswith("chat_module"))
    if name == "chat_last_refresh_success_timestamp_seconds":
        return lambda t: refreshed(server, t, True)
    if name == "chat_history_saved_timestamp_seconds":
        return lambda t: refreshed(server, min(t, UNSAVED[0]) if server == "matrix" and t < UNSAVED[1] else t, True)


def health(name, labels, value):
    key, server = (name, *sorted(labels.items())), labels.get("server")
    if name == "chat_server_up":
        return lambda t: 0 if server == "xmpp" and DOWN[0] <= t < DOWN[1] else 1
    if name == "chat_refresh_failures_total" and (server, labels["reason"]) == ("xmpp", "unreachable"):
        return lambda t: max(0, math.ceil((min(t, DOWN[1]) - DOWN[0]) / 1500))
    if name == "chat_history_failures_total" and server == "matrix":
        return lambda t: max(0, math.floor((min(t, UNSAVED[1]) - UNSAVED[0]) / HOUR))
    if name == "chat_refresh_duration_seconds":
        return lambda t: value * (1 + chance(key, t // HOUR) ** 6)
    if name == "chat_damaged_records":
        return lambda t: 2 if labels["domain"] == "example.org" and NOW - 30 * HOUR < t < NOW - 6 * HOUR else value
    if name == "process_resident_memory_bytes":
        return lambda t: value * noise(key, t * 4, 0.08)


def module(name, labels, value):
    if name == "chat_module_loaded":
        return lambda t: 1 if t < NOW - 17 * HOUR else value
    history = MODULES.get((labels.get("domain"), labels.get("module")))
    if name == "chat_module_status" and history:
        return lambda t: next((state for hours, state in reversed(history) if t >= NOW - hours * HOUR), 0)


def report(name, labels, value):
    key = (name, *sorted(labels.items()))
    if name in ("synapse_usage_last_report_timestamp_seconds", "synapse_usage_timestamp"):
        return lambda t: reported(labels["homeserver"], t, name)
    if name == "synapse_usage_reports_total":
        return lambda t: (t - TIMES[0]) // (3 * HOUR)
    if name == "synapse_usage_uptime_seconds":  # restarted each month
        return lambda t: (value + t - NOW) % (30 * DAY) if t < NOW - value else value + t - NOW
    if name == "synapse_usage_cpu_average":
        return lambda t: value * noise(key, t * 4, 0.08)
    if name == "active_users_exporter_reports_rejected_total":
        often = {"malformed": 0.004, "rate_limited": 0.01, "unauthorized": 0.006}.get(labels["reason"], 0)
        return dict(zip(TIMES, itertools.accumulate(int(chance(key, t) < often) for t in TIMES))).get


def growth_state(name, labels, value):
    if name != "chat_growth_users":
        return None
    wave = {"new": 0.25, "resurrected": 0.2, "churned": -0.45, "retained": 0.02}[labels["state"]]
    begun = 2 if labels["domain"] == "chat.example.org" else 0.4
    turned = lambda t: 1 + wave * math.sin((t - NOW) / DAY * math.pi / 23 + begun)
    return lambda t: round(value * turned(t) / turned(NOW) * growth(labels, t) * noise(("growth", *labels.items()), t, 0.02))


def count(name, labels, value):
    if not name.startswith(COUNTS) or name in CONSTANT or name.endswith("_info"):
        return None
    key = (name, *sorted(labels.items()))
    slow = name.startswith(("chat_registered", "synapse_usage_total", "chat_online"))
    daily = labels.get("window") == "1d" or "_daily_" in name or labels.get("statistic") == "daily_active_users" or name == "chat_created_users"
    busy = weekday if daily else lambda t: weekday(t) ** 0.08
    if name == "chat_online_users":
        busy = lambda t: weekday(t) * (1 + 0.6 * math.sin((t % DAY / DAY - 0.375) * 2 * math.pi))
    size = 0 if slow else 0.04 if daily else 0.012
    return lambda t: round(value * busy(t) / busy(NOW) * growth(labels, t) * noise(key, t, size))


def reported(homeserver, t, name):
    late = int(3 * HOUR * chance(homeserver))
    at = (t - late) // (3 * HOUR) * 3 * HOUR + late
    if homeserver == "silent.example":
        return min(at, NOW - 15 * HOUR)
    skew = {"river.example": 41, "forest.example": -3}.get(homeserver, 0)
    return at + (skew + chance(homeserver, at) if name == "synapse_usage_timestamp" else 0)


def labelled(sample, job):
    labels = dict(sample.labels, job=job, instance=job)
    escaped = ",".join('%s="%s"' % (k, v.replace("\\", r"\\").replace('"', r"\"")) for k, v in sorted(labels.items()))
    return "%s{%s}" % (sample.name, escaped)


def main():
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as file:
            families = list(text_string_to_metric_families(file.read()))
        for family in families:
            if family.name.startswith(("go_", "promhttp_")):
                continue
            for sample in family.samples:
                series = labelled(sample, path.rsplit("/", 1)[-1])
                if sample.name.startswith(("chat_cohort_", "chat_l28_")):
                    # Of these only the newest is asked for.
                    at, times = lambda t: sample.value, TIMES[-4:]
                else:
                    at, times = shape(sample.name, sample.labels, sample.value), TIMES
                sys.stdout.writelines("%s %s %d\n" % (series, at(t), t) for t in times)
    print("# EOF")


main()
