# Synapse as it is, except that it reports every few seconds: not first after
# five minutes and then every three hours.
import sys

from synapse.app import homeserver, phone_stats_home

for name in ("INITIAL_DELAY_BEFORE_FIRST_PHONE_HOME", "PHONE_HOME_INTERVAL"):
    duration = type(getattr(phone_stats_home, name))
    setattr(phone_stats_home, name, duration(seconds=4))
sys.exit(homeserver.main())
