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
func lastLogin(record []byte) (last float64, err error) {
	if len(record) == 0 {
		return 0, errEmpty
	}
	var wrong error
	err = luadata.Scan(record, func(path []luadata.Value, v luadata.Value) {
		switch {
		case len(path) == 0 && v.Kind != luadata.Nil && v.Kind != luadata.EmptyTable:
			wrong = errType // return 5
		case len(path) == 0 || !path[0].Is("login") && !path[0].Is("logout"):
		case len(path) == 1 && v.Kind != luadata.EmptyTable && v.Kind != luadata.Nil:
			wrong = errType // login = 5
		case len(path) == 2 && path[1].Is("timestamp") && v.Kind != luadata.Nil:
			last, wrong = latest(last, v, wrong)
		case len(path) > 2 && path[1].Is("timestamp"):
			wrong = errType // timestamp = {5}
		}
	})
	return orZero(last, errors.Join(err, wrong))
}

// lastActivity returns the time of the last activity, in Unix seconds, of a
// record of account_activity; 0 for never.
func lastActivity(record []byte) (last float64, err error) {
	if len(record) == 0 {
		return 0, errEmpty
	}
	var wrong error
	err = luadata.Scan(record, func(path []luadata.Value, v luadata.Value) {
		switch {
		case len(path) == 0 && v.Kind != luadata.Nil && v.Kind != luadata.EmptyTable:
			wrong = errType
		case len(path) == 0 || !path[0].Is("timestamp") || v.Kind == luadata.Nil:
		case len(path) > 1:
			wrong = errType
		default:
			last, wrong = latest(last, v, wrong)
		}
	})
	return orZero(last, errors.Join(err, wrong))
}

// latest returns the later of a time and a value, which must be a number.
func latest(last float64, v luadata.Value, wrong error) (float64, error) {
	at, ok := v.Number()
	if !ok {
		return last, errType
	}
	if at > last { // false for NaN
		return at, wrong
	}
	return last, wrong
}

func orZero(last float64, err error) (float64, error) {
	if err != nil {
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
