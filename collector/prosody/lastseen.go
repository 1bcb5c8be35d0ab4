package prosody

import (
	"errors"
	"math"
	"time"

	"active_users_exporter/collector/prosody/luadata"
)

var (
	errEmpty = errors.New("empty")
	errType  = errors.New("a value is not of the type that Prosody writes there")
)

// lastLogin returns the time of the last login or logout, in Unix seconds, of
// a record of lastlog2; 0 for never. When the account was registered is there
// as well and does not count (mod_lastlog2, mod_measure_active_users).
func lastLogin(record []byte) (float64, error) {
	return latest(record, func(path []luadata.Value) (depth int, matters bool) {
		return 2, (path[0].Is("login") || path[0].Is("logout")) && (len(path) == 1 || path[1].Is("timestamp"))
	})
}

// lastActivity returns the time of the last activity, in Unix seconds, of a
// record of account_activity; 0 for never.
func lastActivity(record []byte) (float64, error) {
	return latest(record, func(path []luadata.Value) (depth int, matters bool) {
		return 1, path[0].Is("timestamp")
	})
}

// lastEvent returns the time of the last event, in Unix seconds, of a record of
// lastlog, the older community module: a login, a logout or a message; 0 for a
// registration, which is no activity.
func lastEvent(record []byte) (float64, error) {
	registered := false
	if err := luadata.Scan(record, func(path []luadata.Value, v luadata.Value) {
		registered = registered || len(path) == 1 && path[0].Is("event") && v.Is("registered")
	}); err != nil || registered {
		return 0, err
	}
	return lastActivity(record)
}

// latest returns the latest of the times in a record, 0 if there is none.
// times says which keys lead to them, and how many keys that takes; a table
// where a time should be, or the other way round, is an error.
func latest(record []byte, times func(path []luadata.Value) (depth int, matters bool)) (float64, error) {
	if len(record) == 0 {
		return 0, errEmpty
	}
	var last float64
	var wrong error
	err := luadata.Scan(record, func(path []luadata.Value, v luadata.Value) {
		depth, matters := 1, true // a record itself is a table
		if len(path) > 0 {
			depth, matters = times(path)
		}
		at, isNumber := v.Number()
		switch {
		case !matters || v.Kind == luadata.Nil:
		case len(path) < depth && v.Kind == luadata.EmptyTable:
		case len(path) != depth || !isNumber:
			wrong = errType
		case at > last: // false for NaN
			last = at
		}
	})
	if err := errors.Join(err, wrong); err != nil {
		return 0, err
	}
	return last, nil
}

// timeOf returns the moment of Unix seconds with a fraction. It is rounded up
// to milliseconds, so that "later than a whole second" stays true, and cut at
// the year 3000, which is as much in the future as infinity.
func timeOf(seconds float64) time.Time {
	const year3000 = 32503680000
	return time.UnixMilli(int64(math.Ceil(min(seconds, year3000) * 1000)))
}
