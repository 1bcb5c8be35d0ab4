package synapse

import (
	"time"

	"active_users_exporter/collector"
)

// silence is for how long nobody must have been seen before it is said that Synapse does
// not record who is active.
const silence = 2 * 24 * time.Hour

// notRecorded says why nobody's activity is known, and what to do; "" if it is known, or
// if nobody has an account. What is in user_ips then stands still, and is no life.
func (r *Reader) notRecorded(domain collector.DomainFacts, last int64, now time.Time) string {
	newest, never := time.UnixMilli(last).UTC(), last == 0
	people := domain.Registered[collector.Native] + domain.Registered[collector.Guest]
	if people == 0 || !never && now.Sub(newest) <= silence {
		return ""
	}
	seen := "user_ips is empty"
	if !never {
		seen = "nobody has been seen since " + newest.Format(time.DateOnly)
	}
	switch {
	case r.options.Configured != nil && r.options.Configured.MSC3861:
		advice := ""
		if r.options.MAS.IsZero() {
			advice = " (set mas)"
		}
		return seen + ", and Synapse 1.86 to 1.97 records nobody with experimental_features.msc3861: only MAS knows who is active" + advice + "; Synapse 1.98 records it again"
	case r.activeInMAS.After(newest):
		return seen + ", but people were active in MAS since: Synapse 1.86 to 1.97 records nobody with MAS, 1.98 does; or Synapse uses another database"
	case never:
		return seen + " although there are accounts: Synapse writes to it when somebody uses the server; if people do, Synapse uses another database"
	}
	return ""
}
