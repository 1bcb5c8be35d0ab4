package collector

import (
	"context"
	"errors"
	"io/fs"
)

// A Reason is why a refresh failed: one word of a small fixed set, the label
// of chat_refresh_failures_total.
type Reason string

// The reasons. A Reader's error chooses one through a method Reason() string;
// context and file system errors choose theirs by themselves, all others are
// Unexpected.
const (
	Denied      Reason = "denied"      // wrong password, no permission
	Internal    Reason = "internal"    // a defect of the exporter
	Locked      Reason = "locked"      // the database is locked by another process
	Timeout     Reason = "timeout"     // reached, but not done in time
	Unexpected  Reason = "unexpected"  // reached, but not what this software writes
	Unreachable Reason = "unreachable" // no such file, nobody listening
)

// Reasons returns every reason, in alphabetical order.
func Reasons() []Reason {
	return []Reason{Denied, Internal, Locked, Timeout, Unexpected, Unreachable}
}

func reasonOf(err error) Reason {
	var told interface{ Reason() string }
	switch {
	case errors.As(err, &told):
		for _, r := range Reasons() {
			if told.Reason() == string(r) {
				return r
			}
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Timeout
	case errors.Is(err, fs.ErrNotExist):
		return Unreachable
	case errors.Is(err, fs.ErrPermission):
		return Denied
	}
	return Unexpected
}
