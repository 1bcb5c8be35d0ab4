package prosody

import (
	"errors"
	"fmt"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/prosody/luadata"
)

// accountState is what a record of the store accounts says.
type accountState uint8

const (
	accountUnknown accountState = iota // there is none that can be read
	accountEnabled
	accountDisabled // since Prosody 13
)

// accountCounts says whether activity of an account in that state counts. That of a
// disabled one does not. On Prosody 13, which has the store account_activity,
// an account must also exist to be enabled (user_is_enabled in
// core/usermanager.lua), unless accounts are kept elsewhere; before 13 nothing
// is asked of the account.
func accountCounts(state accountState, hasActivity, hasAccounts bool) bool {
	mustExist := hasActivity && hasAccounts
	return state == accountEnabled || state == accountUnknown && !mustExist
}

// readAccount reads a record of the store accounts. Only the field disabled matters
// here: it is true on a disabled account, and absent on others. A
// damaged record says that there is an account; as a rule they are enabled.
func readAccount(record []byte) (accountState, error) {
	if len(record) == 0 {
		return accountEnabled, errEmpty
	}
	state := accountEnabled
	var wrong error
	err := luadata.Scan(record, func(path []luadata.Value, v luadata.Value) {
		switch {
		case len(path) == 0 && v.Kind == luadata.Nil:
			state = accountUnknown
		case len(path) == 0 && v.Kind != luadata.EmptyTable:
			wrong = errType
		case len(path) == 0 || !path[0].Is("disabled"):
		case len(path) == 1 && (v.Kind == luadata.Nil || v.Kind == luadata.Bool && !v.Bool):
			state = accountEnabled
		default: // true, and whatever else Lua takes for it
			state = accountDisabled
		}
	})
	if err := errors.Join(err, wrong); err != nil {
		return accountEnabled, err
	}
	return state, nil
}

// created returns when an account was created, in Unix seconds; 0 if that is not known, as
// before Prosody 13.
func created(record []byte) (float64, error) {
	return latest(record, func(path []luadata.Value) (depth int, matters bool) {
		return 1, path[0].Is("created")
	})
}

// covered are the days whose visitors to a host are all known.
type covered struct {
	since, today activity.Day
	recorded     bool
}

func coveredOf(host string, now time.Time, rec activity.Recorder) covered {
	since, recorded := rec.RecordedSince([]byte(host), now)
	return covered{since, activity.DayOf(now), recorded}
}

// unused returns the age of an account without a record in any store of activity. If it was
// created on a day that is covered, nobody has ever used it: else there would be a record.
// The first day is not covered from its beginning; and a day to come is one of another clock.
func (c covered) unused(created activity.Day) activity.Age {
	if c.recorded && created > c.since && created <= c.today {
		return activity.Never
	}
	return activity.Unremembered
}

// A tally says how many of those whom the records know to have been there count as
// active, and how many do not because their account is disabled.
type tally struct{ counted, disabled int }

// warnings returns a sentence if several people were there and all of them have
// disabled accounts: it is more likely that the records do not mean that than that
// nobody is left. Prosody 13 with internal_plain stores disabled with accounts of
// in-band registration, and lets them log in. One disabled account is ordinary.
func (t tally) warnings(host string) []string {
	if t.counted > 0 || t.disabled < 2 {
		return nil
	}
	return []string{fmt.Sprintf("%s: the %d accounts with activity are all disabled, so nobody counts as active; "+
		"if these people can log in (authentication = \"internal_plain\" in Prosody 13), "+
		"change it to internal_hashed, or set admin_socket, which tells who is connected", host, t.disabled)}
}
