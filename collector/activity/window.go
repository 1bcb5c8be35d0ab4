package activity

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// A Window is the length of a trailing period that ends at the moment asked
// about: 1d for daily, 7d for weekly, 30d for monthly active users. It slides;
// it is not aligned on midnight.
type Window struct{ length time.Duration }

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// MaxWindow is the longest window: evidence older than this matters to no
// figure.
const MaxWindow = 400 * day

// DefaultWindows are the windows of daily, weekly and monthly active users,
// the same three that Prosody's mod_measure_active_users counts.
func DefaultWindows() []Window {
	return []Window{{1 * day}, {7 * day}, {30 * day}}
}

// ParseWindow reads a window written as a whole number of hours, days or
// weeks: 12h, 7d, 4w. The longest is 400d.
func ParseWindow(s string) (Window, error) {
	units := map[byte]time.Duration{'h': time.Hour, 'd': day, 'w': week}
	if s == "" {
		return Window{}, errors.New("window is empty: write it as in 1d, 7d or 30d")
	}
	unit, known := units[s[len(s)-1]]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 16)
	if !known || err != nil || n == 0 {
		return Window{}, fmt.Errorf("%q is no window: write it as in 12h, 7d or 4w", s)
	}
	w := Window{time.Duration(n) * unit}
	if w.length > MaxWindow {
		return Window{}, fmt.Errorf("window %q is longer than the 400d that can be counted", s)
	}
	return w, nil
}

// Duration returns the length of the window.
func (w Window) Duration() time.Duration { return w.length }

// String writes the window in days where they are whole, else in hours; this
// is the value of the label "window", so that 4w and 28d are one.
func (w Window) String() string {
	if w.length%day == 0 {
		return strconv.FormatInt(int64(w.length/day), 10) + "d"
	}
	return strconv.FormatInt(int64(w.length/time.Hour), 10) + "h"
}

// Since returns the moment after which activity lies in the window that ends
// at now. The bound itself is outside: Prosody counts now − t < 86400, Synapse
// last_seen > now − 86 400 000 ms, which is the same rule. There is no upper
// bound: both count a moment in the future.
func (w Window) Since(now time.Time) time.Time { return now.Add(-w.length) }

// Daily is the window of daily active users, 24 hours.
func Daily() Window { return Window{day} }

// Monthly is the window of monthly active users, 30 times 24 hours.
func Monthly() Window { return Window{30 * day} }

// Abbreviation returns what people call the active users of the window: DAU, WAU or MAU;
// for other windows what String returns.
func (w Window) Abbreviation() string {
	switch w.String() {
	case "1d":
		return "DAU"
	case "7d":
		return "WAU"
	case "30d":
		return "MAU"
	}
	return w.String()
}
